//! What the hostile suites share: a place with something to break out to, and a look at whether anything did.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use windlass_core::ExitCode;
use windlass_e2e::{Run, Windlass, Workspace};

/// What nobody may read.
pub(crate) const SECRET: &str = "the-host-s-secret-0451";
/// Runs a command and writes to the file `$1` how much memory its largest process had, in KiB.
const MEASURE: &str = "import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)";

/// The most memory that any build takes, however large its input, in MiB.
pub(crate) const MOST_MEMORY: u64 = 120;
/// How a build may end that is refused something: its own errors, and a registry that does not accept who asks.
const ERRORS: [ExitCode; 3] = [ExitCode::Build, ExitCode::Plan, ExitCode::Credentials];

/// A workspace beside a directory that nothing may be read from or written to.
pub(crate) struct Den {
    pub(crate) workspace: Workspace,
    before: Vec<String>,
}

impl Den {
    pub(crate) fn new() -> Self {
        let workspace = Workspace::new();
        let outside = workspace.root().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), SECRET).unwrap();
        symlink("secret", outside.join("link")).unwrap();
        let mut den = Self { workspace, before: Vec::new() };
        den.before = den.look();
        den
    }

    /// A path in the directory outside.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.workspace.root().join("outside").join(name)
    }

    /// The same, as a text that leads there from anywhere by climbing.
    pub(crate) fn climb(&self, name: &str) -> String {
        format!("{}{}", "../".repeat(20), self.outside(name).display().to_string().trim_start_matches('/'))
    }

    /// A build of the working directory, written to `out`.
    pub(crate) fn build(&self, dockerfile: &str) -> Windlass<'_> {
        self.workspace.write("Dockerfile", dockerfile);
        self.command()
    }

    /// The same, without writing a Dockerfile before.
    pub(crate) fn command(&self) -> Windlass<'_> {
        let _ = fs::remove_dir_all(self.workspace.path("out"));
        self.workspace.windlass(["build", ".", "--output", "oci:out"])
    }

    /// Runs to an end, which must be a good one or a clear error of the build, and leave the outside alone.
    #[track_caller]
    pub(crate) fn ends(&self, command: Windlass<'_>) -> Run {
        let run = self.kept(command.run());
        match run.status.code() {
            Some(0) => assert!(self.workspace.has("out/index.json"), "{}", run.all()),
            Some(code) if ERRORS.iter().any(|error| code == i32::from(error.code())) => {
                assert!(!self.workspace.has("out/index.json"), "{}", run.all());
                assert!(run.stderr.contains("error"), "{}", run.all());
            }
            _ => panic!("neither an image nor an error of the build: {}", run.all()),
        }
        run
    }

    /// Runs, and must end well.
    #[track_caller]
    pub(crate) fn succeeds(&self, command: Windlass<'_>) -> Run {
        self.ends(command).succeeds()
    }

    /// Runs, and must fail in the build.
    #[track_caller]
    pub(crate) fn fails(&self, command: Windlass<'_>) -> Run {
        self.ends(command).fails_with(ExitCode::Build)
    }

    /// Runs, and gives the largest process's memory in MiB too.
    #[track_caller]
    pub(crate) fn measured(&self, command: Windlass<'_>) -> (Run, u64) {
        let file = self.workspace.root().join("memory").display().to_string();
        let run = self.ends(command.wrapped(["python3", "-c", MEASURE, &file]));
        let kib: u64 = fs::read_to_string(&file).unwrap().parse().unwrap();
        (run, kib / 1024)
    }

    /// Fails when the outside was read or written, or something was left behind or not made fit to be shown.
    #[track_caller]
    pub(crate) fn kept(&self, run: Run) -> Run {
        assert_eq!(self.look(), self.before, "{}", run.all());
        assert_eq!(self.workspace.mounts(), Vec::<String>::new(), "{}", run.all());
        assert_eq!(self.workspace.temporary_files(), Vec::<String>::new(), "{}", run.all());
        let shown = format!("{}{}", run.stdout, run.stderr);
        let unfit = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}');
        assert!(!shown.contains(unfit), "terminal escapes reach the user: {:?}", run.all());
        assert!(!shown.contains("panicked at"), "{}", run.all());
        assert!(!shown.contains(SECRET), "the outside was read: {}", run.all());
        run
    }

    /// All that can be told of the directory outside without reading what it holds.
    fn look(&self) -> Vec<String> {
        let told = |path: PathBuf| {
            let meta = fs::symlink_metadata(&path).unwrap();
            let changed = (meta.ctime(), meta.ctime_nsec());
            format!("{} {:o} {} {:?} {}", path.display(), meta.mode(), meta.len(), changed, meta.nlink())
        };
        let mut lines: Vec<_> = fs::read_dir(self.outside("")).unwrap().map(|entry| told(entry.unwrap().path())).collect();
        lines.sort();
        lines.push(told(self.outside("")));
        lines
    }
}
