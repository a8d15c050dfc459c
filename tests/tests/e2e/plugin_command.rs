//! `windlass plugin`: what plugins say about themselves, read from the components.

use windlass_e2e::Workspace;

const BUILT_IN: [&str; 9] =
    ["harness-step", "drone-kaniko", "ecr", "gar", "acr", "docker-registry", "auto-tag", "buildah", "base-images"];

#[test]
fn the_list_has_every_plugin_with_its_role_and_version() {
    let workspace = Workspace::new();
    let list = workspace.windlass(["plugin", "list", "--format", "json"]).run().succeeds().json();
    let list = list.as_array().expect("the list is an array").clone();
    for name in BUILT_IN {
        let plugin = list.iter().find(|plugin| plugin["name"] == name).unwrap_or_else(|| panic!("{name} is missing: {list:?}"));
        assert!(
            plugin["digest"].as_str().unwrap().starts_with("sha256:")
                && plugin["version"].is_string()
                && plugin["role"].is_string(),
            "{plugin}"
        );
    }
    let table = workspace.windlass(["plugin", "list"]).run().succeeds();
    assert!(BUILT_IN.iter().all(|name| table.stdout.contains(name)), "{}", table.all());
}

#[test]
fn a_plugin_is_documented_with_settings_grants_and_digest() {
    let workspace = Workspace::new();
    let ecr = workspace.windlass(["plugin", "inspect", "ecr", "--format", "json"]).run().succeeds().json();
    assert_eq!(ecr["name"], "ecr");
    assert!(ecr["digest"].as_str().unwrap().starts_with("sha256:"), "{ecr}");
    let settings = ecr["settings"].as_array().unwrap();
    let setting =
        |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("no {name}: {settings:?}"));
    assert_eq!(setting("secret-key")["kind"], "secret");
    assert_eq!(setting("create-repository")["default"], "false");
    assert_eq!(setting("repository")["required"], true);
    assert!(settings.iter().all(|setting| setting["help"].as_str().is_some_and(|help| !help.is_empty())), "{settings:?}");
    assert!(ecr["grants"].as_array().is_some_and(|grants| !grants.is_empty()), "{ecr}");
    let table = workspace.windlass(["plugin", "inspect", "ecr"]).run().succeeds();
    for text in ["create-repository", "secret-key", "sha256:"] {
        assert!(table.stdout.contains(text), "{text}: {}", table.all());
    }
}
