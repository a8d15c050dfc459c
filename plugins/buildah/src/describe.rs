//! What the plugin says about itself.

use windlass_plugin_sdk::{Description, Setting};

pub(crate) fn description() -> Description {
    Description::new("buildah", env!("CARGO_PKG_VERSION"), "builds with buildah (1.28 or later) in place of the embedded builder")
        .setting(
            Setting::text(
                "format",
                "`docker` keeps HEALTHCHECK, SHELL and ONBUILD, which buildah drops from images of the format `oci`.",
            )
            .choices(&["oci", "docker"])
            .default("oci"),
        )
        .setting(
            Setting::text(
                "isolation",
                "How RUN steps are kept apart: `chroot` works wherever buildah does, `oci` needs runc or crun.",
            )
            .choices(&["chroot", "oci", "rootless"])
            .default("chroot"),
        )
        .setting(
            Setting::text(
                "storage-driver",
                "How buildah stores layers: `vfs` works everywhere, `overlay` is faster where the kernel has it.",
            )
            .choices(&["vfs", "overlay"])
            .default("vfs"),
        )
        .setting(Setting::text("program", "The program to run.").default("buildah"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = super::description().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
