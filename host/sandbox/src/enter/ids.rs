//! Subordinate ids: which the user has (`subuid(5)`), and how they are mapped (`newuidmap(1)`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, geteuid};

/// As many ids as a container expects to have.
const WANTED: u32 = 65536;
/// Where the helpers are, besides `PATH`.
const HELPER_DIRECTORIES: &str = "/usr/bin:/bin:/usr/sbin:/usr/local/bin";

/// How much of the ids of the machine is known to this process's user namespace.
pub(super) enum Mapped {
    All,
    Several,
    One,
}

/// Looks at the namespace that the process is in.
pub(super) fn mapped_here() -> Mapped {
    match count_mapped("/proc/self/uid_map").min(count_mapped("/proc/self/gid_map")) {
        count if count >= u64::from(u32::MAX) => Mapped::All,
        count if count > 1 => Mapped::Several,
        _ => Mapped::One,
    }
}

fn count_mapped(map: &str) -> u64 {
    let text = fs::read_to_string(map).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
}

/// A range of ids: the first, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    count: u32,
}

/// Ids that can be mapped as 1 and up.
pub(super) enum SubordinateIds {
    /// Root may map what it likes: the ids that it has, as they are.
    Own,
    /// A user has them mapped by the setuid helpers.
    Granted { uids: Vec<Range>, gids: Vec<Range>, map_uids: PathBuf, map_gids: PathBuf },
}

impl SubordinateIds {
    /// Finds what the user has; the error says what is missing, and how to get it.
    pub(super) fn find() -> Result<Self, String> {
        if geteuid().is_root() {
            return Ok(Self::Own);
        }
        let (map_uids, map_gids) = (helper("newuidmap")?, helper("newgidmap")?);
        if rustix::thread::no_new_privs().unwrap_or(false) {
            return Err("newuidmap has no effect: setuid programs are forbidden here (no_new_privs)".to_owned());
        }
        let uid = geteuid().as_raw();
        let name = user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid);
        let find = |file: &str| {
            let text = fs::read_to_string(file).map_err(|error| format!("{file} cannot be read ({error})"))?;
            let ranges = ranges(&text, name.as_deref(), uid);
            let user = name.as_deref().map_or_else(|| uid.to_string(), ToOwned::to_owned);
            if ranges.is_empty() {
                Err(format!("{file} has no line for user {user}, such as `{user}:100000:65536`"))
            } else {
                Ok(ranges)
            }
        };
        Ok(Self::Granted { uids: find("/etc/subuid")?, gids: find("/etc/subgid")?, map_uids, map_gids })
    }

    /// Maps the ids into the user namespace of a process, with `uid` and `gid` as root. To be called from outside of it.
    pub(super) fn map(&self, process: Pid, uid: u32, gid: u32) -> Result<(), String> {
        match self {
            Self::Own => {
                let pid = process.as_raw_nonzero();
                map_own(&format!("/proc/{pid}/uid_map"), uid)?;
                map_own(&format!("/proc/{pid}/gid_map"), gid)
            }
            Self::Granted { uids, gids, map_uids, map_gids } => {
                run_helper(map_uids, process, uid, uids)?;
                run_helper(map_gids, process, gid, gids)
            }
        }
    }
}

fn map_own(file: &str, id: u32) -> Result<(), String> {
    let count = count_mapped("/proc/self/uid_map").min(count_mapped("/proc/self/gid_map")).min(u64::from(WANTED));
    debug_assert_eq!(id, 0, "only root maps its own ids");
    fs::write(file, format!("0 {id} {count}")).map_err(|error| format!("{file} cannot be written ({error})"))
}

fn run_helper(program: &Path, process: Pid, id: u32, ranges: &[Range]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args([process.as_raw_nonzero().to_string(), "0".to_owned(), id.to_string(), "1".to_owned()]);
    let mut inside = 1;
    for range in ranges {
        command.args([inside, range.first, range.count].map(|number| number.to_string()));
        inside += range.count;
    }
    let output = command.output().map_err(|error| format!("{} cannot be started ({error})", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Finds a helper that has the rights it needs: by the setuid bit, or by file capabilities.
fn helper(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').chain(HELPER_DIRECTORIES.split(':')).map(|directory| Path::new(directory).join(name));
    let found = found.into_iter().find(|file| file.is_absolute() && file.is_file());
    let Some(file) = found else { return Err(format!("{name} is not installed (package uidmap or shadow-utils)")) };
    let is_setuid = fs::metadata(&file).is_ok_and(|status| status.permissions().mode() & 0o4000 != 0);
    let mut value = [0; 64];
    let has_capabilities = rustix::fs::getxattr(&file, "security.capability", &mut value[..]).is_ok();
    if is_setuid || has_capabilities { Ok(file) } else { Err(format!("{} is not setuid root", file.display())) }
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let user = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = user.into_iter().find(|fields| fields.get(2).and_then(|field| field.parse().ok()) == Some(uid))?;
    user.first().map(|name| (*name).to_owned())
}

/// The ranges of a user, at most [`WANTED`] ids less the one of root. Overlapping and impossible ones are left out.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut left = WANTED - 1;
    for line in text.lines() {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [owner, first, count] = fields[..] else { continue };
        if name != Some(owner) && owner.parse() != Ok(uid) {
            continue;
        }
        let (Ok(first), Ok(count)) = (first.parse::<u32>(), count.parse::<u32>()) else { continue };
        let count = count.min(left);
        let overlaps = |other: &Range| first < other.first + other.count && other.first < first.saturating_add(count);
        if count == 0
            || first.checked_add(count).is_none()
            || (first..first + count).contains(&uid)
            || ranges.iter().any(overlaps)
        {
            continue;
        }
        left -= count;
        ranges.push(Range { first, count });
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "root:1:5\nann:100000:65536\n# comment\n1000:200000:10\nbob:300000:7\n";
        assert_eq!(ranges(text, Some("ann"), 1000), [Range { first: 100_000, count: 65535 }]);
        assert_eq!(ranges(text, None, 1000), [Range { first: 200_000, count: 10 }]);
        assert_eq!(ranges(text, Some("eve"), 1001), []);
    }

    #[test]
    fn several_ranges_are_joined_and_impossible_ones_left_out() {
        let text = "u:100:50\nu:120:50\nu:4294967295:9\nu:x:1\nu:990:20\nu:5000:3\n";
        assert_eq!(ranges(text, Some("u"), 1000), [Range { first: 100, count: 50 }, Range { first: 5000, count: 3 }]);
    }

    #[test]
    fn a_user_without_a_name_is_nobody_in_particular() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_name(passwd, 5), None);
    }
}
