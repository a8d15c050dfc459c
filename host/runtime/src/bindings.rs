//! What `bindgen!` makes of `wit/`: the interfaces that the host gives are generated once, and each world on top of them.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "generated from wit/, where each item is documented"
)]

pub mod host {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package windlass:host;
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
        imports: {
            "windlass:plugin/exchange@0.1.0.send": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.authorize": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.repository": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.create-repository": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.put-lifecycle-policy": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.put-repository-policy": async | trappable,
            "windlass:plugin/aws-ecr@0.1.0.[method]session.put-scanning": async | trappable,
            "windlass:plugin/registry-view@0.1.0.[method]registry-view.tags": async | trappable,
            "windlass:plugin/registry-view@0.1.0.[method]registry-view.digest": async | trappable,
            "windlass:plugin/image-view@0.1.0.[method]image-view.stat": async | trappable,
            "windlass:plugin/image-view@0.1.0.[method]image-view.list": async | trappable,
            "windlass:plugin/image-view@0.1.0.[method]image-view.read": async | trappable,
            default: trappable,
        },
        with: {
            "windlass:plugin/settings.settings": crate::host::handle::SettingsHandle,
            "windlass:plugin/source.source": crate::host::handle::SourceHandle,
            "windlass:plugin/secrets.secret": crate::host::handle::SecretHandle,
            "windlass:plugin/exchange.response": crate::host::handle::ResponseHandle,
            "windlass:plugin/aws-ecr.session": crate::host::aws_ecr::AwsSession,
            "windlass:plugin/aws-ecr.authorization": crate::host::aws_ecr::Authorization,
            "windlass:plugin/aws-ecr.repository": crate::host::aws_ecr::AwsRepository,
            "windlass:plugin/registry-view.registry-view": crate::host::handle::RegistryViewHandle,
            "windlass:plugin/raw-settings.raw-settings": crate::host::handle::RawHandle,
            "windlass:plugin/build-request.build-request": crate::host::handle::BuildRequestHandle,
            "windlass:plugin/plan-view.plan-view": crate::host::handle::PlanHandle,
            "windlass:plugin/plan-view.planned-destination": crate::host::handle::DestinationHandle,
            "windlass:plugin/plan-view.planned-plugin": crate::host::handle::PluginHandle,
            "windlass:plugin/plan-view.base": crate::host::handle::BaseHandle,
            "windlass:plugin/plan-view.instruction": crate::host::handle::InstructionHandle,
            "windlass:plugin/plan-view.stage": crate::host::handle::StageHandle,
            "windlass:plugin/image-view.image-view": crate::host::handle::ImageHandle,
            "windlass:plugin/image-view.entry": crate::host::image_view::Entry,
            "windlass:plugin/image-view.layer": crate::host::image_view::Layer,
        },
    });
    pub use self::windlass::plugin::*;
}

/// A world whose imports are the shared ones.
macro_rules! world {
    ($module:ident, $world:literal) => {
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "../../wit",
                world: $world,
                exports: { default: async },
                with: { "windlass:plugin": crate::bindings::host },
            });
        }
    };
}

world!(described, "described");
world!(dialect, "dialect");
world!(registry_adapter, "registry-adapter");
world!(tag_policy, "tag-policy");
world!(engine_mapper, "engine-mapper");
world!(policy, "policy");
