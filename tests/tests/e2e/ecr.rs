//! What the stories about ECR share: AWS by moto, the registry behind it by docker-registry under ECR's name.

use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Moto, Windlass, Workspace};

/// The account of the example in Harness's documentation.
pub(crate) const ACCOUNT: &str = "12345";
/// The registry that account and region make.
pub(crate) const HOST: &str = "12345.dkr.ecr.us-east-1.amazonaws.com";
/// The variables that Drone and Harness set for a build of the tag v1.2.3.
pub(crate) const TAG_BUILD: [(&str, &str); 2] = [("DRONE_COMMIT_REF", "refs/tags/v1.2.3"), ("DRONE_REPO_BRANCH", "main")];

/// ECR, with one repository in it and a base image beside it.
pub(crate) struct Ecr {
    pub(crate) moto: Moto,
    pub(crate) registry: DockerRegistry,
    pub(crate) bases: DockerRegistry,
    pub(crate) base: String,
}

impl Ecr {
    /// ECR with the repository `test-image`.
    pub(crate) fn start() -> Self {
        Self::of_account(ACCOUNT)
    }

    /// The registry of `account`, which shows its password to that account only.
    pub(crate) fn of_account(account: &str) -> Self {
        let moto = Moto::start();
        let registry = DockerRegistry::with_login("AWS", &Moto::password(account));
        let bases = DockerRegistry::open();
        let base = Busybox::default().push(&bases, "busybox:1.35");
        if account == ACCOUNT {
            moto.create_repository(account, "us-east-1", "test-image");
        }
        Self { moto, registry, bases, base }
    }

    /// Leads a run to this ECR.
    pub(crate) fn for_run<'a>(&self, run: Windlass<'a>) -> Windlass<'a> {
        run.aws(&self.moto).map(HOST, &self.registry.url())
    }

    /// A small application: two stages, an argument, a RUN.
    pub(crate) fn write_application(&self, workspace: &Workspace) {
        workspace.write("app.txt", "the application\n");
        workspace.write(
            "Dockerfile",
            format!(
                "FROM {0} AS build\nARG VERSION=none\nRUN echo \"built $VERSION\" > /built\n\
                 FROM {0}\nLABEL purpose=test\nCOPY app.txt /app/\nCOPY --from=build /built /app/built\nENTRYPOINT [\"cat\", \"/app/built\"]\n",
                self.base
            ),
        );
    }

    /// What was pushed to `repository` under `tag`, as skopeo reads it.
    pub(crate) fn image(&self, repository: &str, tag: &str) -> Image {
        let reference = format!("docker://{}/{repository}:{tag}", self.registry.host());
        Image::read(&reference, self.registry.credentials().as_deref())
    }
}

/// Fails unless `image` is the small application.
#[track_caller]
pub(crate) fn assert_application(image: &Image, version: &str) {
    assert_eq!(image.text("app/app.txt"), "the application\n");
    assert_eq!(image.text("app/built"), format!("built {version}\n"));
    assert_eq!(image.label("purpose"), Some("test"));
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["cat", "/app/built"]));
    assert!(!image.files.contains_key("built"), "the first stage leaves nothing in the image");
}
