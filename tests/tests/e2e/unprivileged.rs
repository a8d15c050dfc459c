//! The same as `nobody`: no privilege, no subordinate ids, nothing but user namespaces.

use windlass_e2e::{User, Workspace};

use crate::ecr::{Ecr, TAG_BUILD, assert_application};

#[test]
fn an_unprivileged_user_runs_the_ecr_step() {
    let (ecr, workspace) = (Ecr::start(), Workspace::of(User::Nobody));
    ecr.write_application(&workspace);
    workspace.write(
        "step.yaml",
        "type: BuildAndPushECR\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  region: us-east-1\n  account: \"12345\"\n  imageName: test-image\n  tags: [latest]\n  \
         envVariables: {PLUGIN_AUTO_TAG: \"true\"}\n",
    );
    let run = ecr.for_run(workspace.windlass(["run", "step.yaml"]).envs(&TAG_BUILD)).run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["1", "1.2", "1.2.3"], "{}", run.all());
    assert_application(&ecr.image("test-image", "1.2.3"), "none");
    assert_eq!(workspace.mounts(), Vec::<String>::new());
}

#[test]
fn owners_that_an_unprivileged_user_cannot_set_are_still_in_the_image() {
    let (ecr, workspace) = (Ecr::start(), Workspace::of(User::Nobody));
    workspace.write("file", "x");
    workspace.write(
        "Dockerfile",
        format!("FROM {}\nRUN echo y > /mine && mkdir /dir\nCOPY --chown=1000:2000 --chmod=640 file /theirs\n", ecr.base),
    );
    workspace.windlass(["build", ".", "-t", "app", "--output", "oci:out"]).run().succeeds();
    let image = windlass_e2e::Image::read(&format!("oci:{}", workspace.path("out").display()), None);
    assert_eq!((image.files["theirs"].owner, image.files["theirs"].mode), ((1000, 2000), 0o640));
    assert_eq!(image.files["mine"].owner, (0, 0));
    assert_eq!(image.files["tmp"].mode, 0o1777);
}
