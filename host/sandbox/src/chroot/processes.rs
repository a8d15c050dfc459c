//! The end of everything that a command has left behind, where no PID namespace sees to it.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

/// More rounds of stopping than a step that forks as fast as it can keeps up with.
const ROUNDS: usize = 1000;

/// Kills every process that descends from this one, which must be their subreaper, and waits for their ends.
///
/// They are stopped first, until no round finds a new one: what is stopped does not fork.
pub(crate) fn end_descendants() {
    loop {
        let mut stopped = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<i32> = descendants().into_iter().filter(|pid| !stopped.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            new.iter().for_each(|pid| send(*pid, Signal::STOP));
            stopped.extend(new);
        }
        stopped.into_iter().for_each(|pid| send(pid, Signal::KILL));
        // Each that dies leaves its children to this process, so there is none left when there are no children.
        match waitpid(None, WaitOptions::empty()) {
            Err(Errno::CHILD) => return,
            Err(Errno::INTR) | Ok(_) => {}
            Err(_) => return,
        }
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
    }
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be dead already; its number is not another's before it was waited for.
        let _ = kill_process(pid, signal);
    }
}

/// Every process below this one, its own children first.
fn descendants() -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parent) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&getpid().as_raw_nonzero().get()).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children.remove(pid).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found
}

/// The fourth field of `/proc/PID/stat`; the second one, the name in parentheses, may hold anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent("12 (a) b) 9 (x) R 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (sh) S 1 2"), Some(1));
        assert_eq!(parent("nonsense"), None);
    }
}
