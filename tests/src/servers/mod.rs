//! Servers, each a process or a thread of its own that ends with its value.

pub mod docker;
pub mod docker_registry;
pub mod images;
pub mod moto;
pub mod proxy;
pub mod scripted;

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to be ready, on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server process.
#[derive(Debug)]
struct Server {
    child: Child,
}

impl Server {
    /// Starts `command` and waits until `ready` says so. `None` when the process ended before that, as it does when another one
    /// has taken its port.
    fn start(command: &mut Command, log: &PathBuf, ready: impl Fn() -> bool) -> Option<Self> {
        let file = File::create(log).expect("the log lies in a directory of ours");
        let copy = file.try_clone().expect("a file can be cloned");
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}; `make test` installs it"));
        let mut server = Self { child };
        let end = Instant::now() + START_LIMIT;
        while !ready() {
            if server.child.try_wait().expect("the child is ours").is_some() {
                return None;
            }
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(Instant::now() < end, "{command:?} was not ready within {START_LIMIT:?}; it said:\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command for `program` that the kernel ends when the test's process is killed before it could end it itself.
fn bound_to_us(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Starts a server on one free port after the other until one stays its own.
fn on_a_free_port<T>(start: impl Fn(u16) -> Option<T>) -> T {
    (0..5)
        .find_map(|_| start(crate::ports::free()))
        .expect("a server starts on one of five free ports; see the logs in its directory")
}
