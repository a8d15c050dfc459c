//! Steps that run programs of another platform than this machine's: whether they can run is found out before the first step.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use windlass_core::{Place, Platform};
use windlass_sandbox::{ExitStatus, Network, RunSpec, Tree};

use super::error::{BuildError, Problem};
use super::executor::Executor;
use super::session::Session;

mod program;

/// The name of the trial program in its root.
const TRIAL: &str = "trial";

/// Makes sure that every RUN of every platform can start its programs here.
pub(crate) async fn check(executors: &[Executor]) -> Result<(), Arc<BuildError>> {
    let native = Platform::host();
    let mut wanted: BTreeMap<Platform, &Place> = BTreeMap::new();
    for (platform, place) in executors.iter().flat_map(Executor::programs) {
        let is_native = platform.os() == native.os() && platform.architecture() == native.architecture();
        if !is_native {
            wanted.entry(platform).or_insert(place);
        }
    }
    let Some(session) = executors.first().map(Executor::session) else { return Ok(()) };
    // Where nothing can be run, nothing has to be: the cache has it all.
    if !session.request.isolation().can_run() {
        return Ok(());
    }
    for (platform, place) in wanted {
        if !can_run(session, &platform).await? {
            return Err(refused(&platform, place));
        }
    }
    Ok(())
}

/// Starts a program of that platform in the isolation of a RUN step: what the kernel then does is what it will do later,
/// by itself or with an emulator that is registered in `binfmt_misc`.
async fn can_run(session: &Arc<Session>, platform: &Platform) -> Result<bool, Arc<BuildError>> {
    let Some(program) = program::exits(platform) else { return Ok(false) };
    let worker = Arc::clone(session);
    session.blocking(move || trial(&worker, &program).map_err(|problem| Arc::new(BuildError::Unplaced(problem)))).await
}

fn trial(session: &Session, program: &[u8]) -> Result<bool, Problem> {
    let work = session.store.temporary_directory().map_err(Problem::from_error)?;
    let root = work.path().join("root");
    std::fs::create_dir(&root).map_err(Problem::from_error)?;
    let path = root.join(TRIAL);
    std::fs::write(&path, program).map_err(Problem::from_error)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(Problem::from_error)?;
    let tree = Tree::Directory(root);
    let mut spec = RunSpec::new(session.request.isolation(), tree, vec![format!("/{TRIAL}")]);
    if !spec.isolation.is_plain() {
        spec.network = Network::None;
    }
    let ended = windlass_sandbox::run(&spec, &session.cancel, |_, _| {});
    if session.cancel.is_cancelled() {
        return Err(Problem::cancelled());
    }
    Ok(matches!(ended, Ok(ExitStatus::Code(0))))
}

fn refused(platform: &Platform, place: &Place) -> Arc<BuildError> {
    let problem = Problem::new(format!("this machine cannot run programs for {platform}")).help(
        "register an emulator with the kernel (such as Debian's qemu-user-binfmt; its binfmt_misc entry needs the flag F), \
         or run the step in a stage that begins with `FROM --platform=$BUILDPLATFORM` and copy its files",
    );
    let source = Arc::new(BuildError::Unplaced(problem));
    Arc::new(BuildError::At { instruction: "RUN".to_owned(), place: place.clone(), source })
}
