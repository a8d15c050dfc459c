//! What is built from, when it is no directory here: fetched or read before the plan is made, because the Dockerfile is in it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_builder::context::{is_archive, unpack_archive};
use windlass_builder::execute::{Brought, Remotes};
use windlass_builder::store::{Store, TemporaryDirectory};
use windlass_core::event::{Outcome, Stage};
use windlass_core::{ExitCode, Finding, chain};
use windlass_dockerfile::remote::{RemoteSource, parse_context};

use super::{Access, Remote, largest};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::planning::Surroundings;
use crate::step::BuildSettings;

const STANDARD_INPUT: &str = "-";
/// How messages name a Dockerfile that has no path.
const INPUT_TITLE: &str = "<standard input>";

/// A build's input that did not lie in a directory here. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Supply {
    /// The context as the user named it, without a password; nothing when it is a directory here.
    pub(crate) context: Option<String>,
    /// The Dockerfile and what it is called, where it came without a context.
    pub(crate) dockerfile: Option<(PathBuf, String)>,
    directory: TemporaryDirectory,
    // The directory is removed with it.
    _store: Arc<Store>,
}

/// Brings the context and the Dockerfile of a build here, unless they are. The settings then name what was brought.
pub(crate) async fn bring(build: &mut BuildSettings, surroundings: &Surroundings) -> Result<Option<Supply>, Failure> {
    let named = build.context.to_str().unwrap_or_default().to_owned();
    let reads_dockerfile = build.dockerfile.as_deref() == Some(Path::new(STANDARD_INPUT));
    let remote = if build.context.is_dir() { None } else { parse_context(&named).map_err(|error| wrong(&error.to_string()))? };
    if remote.is_none() && named != STANDARD_INPUT && !reads_dockerfile {
        return Ok(None);
    }
    if named == STANDARD_INPUT && reads_dockerfile {
        return Err(wrong("standard input cannot be the context and the Dockerfile at once"));
    }
    let (mut supply, limit) = (Supply::new(surroundings)?, largest(&surroundings.environment));
    if named == STANDARD_INPUT {
        let input = supply.path("input");
        supply.read_input(&input, limit).await?;
        supply.context = Some("standard input".to_owned());
        supply.open(build, input)?;
    } else if let Some(source) = &remote {
        supply.context = Some(source.shown());
        supply.fetch(build, source, surroundings).await?;
    }
    if reads_dockerfile {
        let path = supply.path("Dockerfile");
        supply.read_input(&path, limit).await?;
        supply.dockerfile = Some((path, INPUT_TITLE.to_owned()));
    }
    Ok(Some(supply))
}

impl Supply {
    fn new(surroundings: &Surroundings) -> Result<Self, Failure> {
        let path = std::path::absolute(&surroundings.store).unwrap_or_else(|_| surroundings.store.clone());
        let store = Store::open(&path).map(Arc::new).map_err(|error| wrong(&chain(&error)))?;
        let directory = store.temporary_directory().map_err(|error| wrong(&chain(&error)))?;
        Ok(Self { context: None, dockerfile: None, directory, _store: store })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn make(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        std::fs::create_dir(&path).map(|()| path).map_err(|error| wrong(&error.to_string()))
    }

    async fn read_input(&self, path: &Path, limit: u64) -> Result<(), Failure> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let mut file = std::fs::File::create_new(&path)?;
            std::io::copy(&mut std::io::stdin().lock().take(limit + 1), &mut file)
        });
        let size = read.await.map_err(|error| wrong(&error.to_string()))?;
        match size.map_err(|error| wrong(&format!("cannot read standard input: {error}")))? {
            0 => Err(wrong("standard input is empty: expected a tar archive or a Dockerfile")),
            size if size > limit => Err(wrong(&format!("standard input has more than the {limit} bytes that are allowed"))),
            _ => Ok(()),
        }
    }

    async fn fetch(
        &mut self,
        build: &mut BuildSettings,
        source: &RemoteSource,
        surroundings: &Surroundings,
    ) -> Result<(), Failure> {
        let content = self.make("content")?;
        let task = surroundings.events.start(Stage::Pull, format!("fetch {}", source.shown()));
        let progress = |current: u64, total: Option<u64>| task.progress(current, total);
        let remote = Remote::new(&surroundings.environment, access(build, &surroundings.environment));
        match remote.fetch(source, None, &content, &progress).await {
            Ok(brought) => {
                task.finish(Outcome::Done);
                match brought {
                    Brought::Tree(tree) => build.context = tree,
                    Brought::File(name) => self.open(build, content.join(name))?,
                }
                Ok(())
            }
            Err(problem) => {
                task.finish(Outcome::Failed(problem.to_string()));
                Err(Failure::one(ExitCode::Build, problem.finding("build/context")))
            }
        }
    }

    /// An archive is a context; anything else is a Dockerfile that copies nothing.
    fn open(&mut self, build: &mut BuildSettings, file: PathBuf) -> Result<(), Failure> {
        let tree = self.make("tree")?;
        if is_archive(&file).map_err(|error| wrong(&error.to_string()))? {
            unpack_archive(&file, &tree).map_err(|error| wrong(&chain(&error)))?;
            // Its content stands in the tree now.
            let _ = std::fs::remove_file(&file);
        } else if build.dockerfile.as_deref().is_some_and(|path| path != Path::new(STANDARD_INPUT)) {
            return Err(wrong("the context is no archive, so it is the Dockerfile: -f cannot name another one"));
        } else {
            self.dockerfile = Some((file, format!("<{}>", self.context.as_deref().unwrap_or_default())));
        }
        build.context = tree;
        Ok(())
    }

    /// A file of a context that came from elsewhere: no link in it leads out.
    pub(crate) fn inside(&self, context: &Path, name: &Path) -> Option<PathBuf> {
        let top = context.canonicalize().ok()?;
        // An absolute name begins at the context, but for one that lies in it already.
        let name = if name.starts_with(&top) { name } else { name.strip_prefix("/").unwrap_or(name) };
        let found = top.join(name).canonicalize().ok()?;
        (found.starts_with(&top) && found.is_file()).then_some(found)
    }
}

/// What the user's own words are fetched with.
fn access(build: &BuildSettings, environment: &Environment) -> Access {
    let agent = environment.get("SSH_AUTH_SOCK").map(PathBuf::from);
    Access { agent, uses_own_keys: true, ..Access::of_secrets(build, environment) }
}

fn wrong(message: &str) -> Failure {
    let finding = Finding::deny("build/context", message.to_owned()).about("context");
    Failure::one(
        ExitCode::Plan,
        finding.help("give a directory, a git or archive URL, or - for a tar archive or a Dockerfile on standard input"),
    )
}
