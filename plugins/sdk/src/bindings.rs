//! What `wit-bindgen` makes of `wit/`. Authors use the modules beside this one, which say the same in fewer words.
//!
//! The interfaces that the host gives are generated once and shared by the worlds, so that a `Finding` is one type.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::print_stdout, reason = "generated")]

pub mod host {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package windlass:sdk;
            world host {
                import windlass:plugin/types@0.1.0;
                import windlass:plugin/description@0.1.0;
                import windlass:plugin/log@0.1.0;
                import windlass:plugin/settings@0.1.0;
                import windlass:plugin/source@0.1.0;
                import windlass:plugin/secrets@0.1.0;
                import windlass:plugin/exchange@0.1.0;
                import windlass:plugin/aws-ecr@0.1.0;
                import windlass:plugin/registry-view@0.1.0;
                import windlass:plugin/raw-settings@0.1.0;
                import windlass:plugin/build-request@0.1.0;
                import windlass:plugin/plan-view@0.1.0;
                import windlass:plugin/image-view@0.1.0;
            }
        ",
        generate_unused_types: true,
        generate_all,
        additional_derives: [PartialEq],
        additional_derives_ignore: [
            "secret-field", "assertion", "claim-value", "piece", "part", "header", "request",
        ],
    });
    pub use windlass::plugin::*;
}

/// The export that all worlds share. It is generated once, because its macro can be defined only once in a crate.
pub mod described {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "described",
        with: {
            "windlass:plugin/description@0.1.0": crate::bindings::host::description,
        },
        pub_export_macro: true,
        default_bindings_module: "windlass_plugin_sdk::bindings::described",
        export_macro_name: "export",
    });
    pub use self::exports::windlass::plugin::*;
}

/// A world without what all worlds share.
macro_rules! world {
    ($module:ident, $world:literal, $($interface:literal => $shared:ident),*) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                inline: $world,
                with: { $($interface: crate::bindings::host::$shared),* },
                pub_export_macro: true,
                default_bindings_module: "windlass_plugin_sdk::bindings",
                export_macro_name: "export",
                additional_derives: [PartialEq],
                additional_derives_ignore: ["basic", "bearer", "authorization"],
            });
            pub use self::exports::windlass::plugin::*;
        }
    };
}

world!(
    dialect,
    "
    package windlass:sdk;
    world dialect {
        import windlass:plugin/log@0.1.0;
        import windlass:plugin/raw-settings@0.1.0;
        import windlass:plugin/source@0.1.0;
        export windlass:plugin/translator@0.1.0;
    }
    ",
    "windlass:plugin/types@0.1.0" => types,
    "windlass:plugin/log@0.1.0" => log,
    "windlass:plugin/raw-settings@0.1.0" => raw_settings,
    "windlass:plugin/source@0.1.0" => source
);

world!(
    registry_adapter,
    "
    package windlass:sdk;
    world registry-adapter {
        import windlass:plugin/log@0.1.0;
        import windlass:plugin/settings@0.1.0;
        import windlass:plugin/source@0.1.0;
        import windlass:plugin/secrets@0.1.0;
        import windlass:plugin/exchange@0.1.0;
        import windlass:plugin/aws-ecr@0.1.0;
        export windlass:plugin/adapter@0.1.0;
    }
    ",
    "windlass:plugin/types@0.1.0" => types,
    "windlass:plugin/log@0.1.0" => log,
    "windlass:plugin/settings@0.1.0" => settings,
    "windlass:plugin/source@0.1.0" => source,
    "windlass:plugin/secrets@0.1.0" => secrets,
    "windlass:plugin/exchange@0.1.0" => exchange,
    "windlass:plugin/aws-ecr@0.1.0" => aws_ecr
);

world!(
    tag_policy,
    "
    package windlass:sdk;
    world tag-policy {
        import windlass:plugin/log@0.1.0;
        import windlass:plugin/settings@0.1.0;
        import windlass:plugin/source@0.1.0;
        import windlass:plugin/registry-view@0.1.0;
        export windlass:plugin/tagger@0.1.0;
    }
    ",
    "windlass:plugin/types@0.1.0" => types,
    "windlass:plugin/log@0.1.0" => log,
    "windlass:plugin/settings@0.1.0" => settings,
    "windlass:plugin/source@0.1.0" => source,
    "windlass:plugin/registry-view@0.1.0" => registry_view
);

world!(
    engine_mapper,
    "
    package windlass:sdk;
    world engine-mapper {
        import windlass:plugin/log@0.1.0;
        import windlass:plugin/settings@0.1.0;
        import windlass:plugin/build-request@0.1.0;
        export windlass:plugin/mapper@0.1.0;
    }
    ",
    "windlass:plugin/types@0.1.0" => types,
    "windlass:plugin/log@0.1.0" => log,
    "windlass:plugin/settings@0.1.0" => settings,
    "windlass:plugin/build-request@0.1.0" => build_request
);

world!(
    policy,
    "
    package windlass:sdk;
    world policy {
        import windlass:plugin/log@0.1.0;
        import windlass:plugin/settings@0.1.0;
        import windlass:plugin/source@0.1.0;
        import windlass:plugin/registry-view@0.1.0;
        import windlass:plugin/plan-view@0.1.0;
        import windlass:plugin/image-view@0.1.0;
        export windlass:plugin/checker@0.1.0;
    }
    ",
    "windlass:plugin/types@0.1.0" => types,
    "windlass:plugin/log@0.1.0" => log,
    "windlass:plugin/settings@0.1.0" => settings,
    "windlass:plugin/source@0.1.0" => source,
    "windlass:plugin/registry-view@0.1.0" => registry_view,
    "windlass:plugin/plan-view@0.1.0" => plan_view,
    "windlass:plugin/image-view@0.1.0" => image_view
);
