//! Limits for all processes of a build's steps together, by control groups (`cgroups(7)`), of version 1 or 2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of our groups begin; the number of the process that made it follows.
const PREFIX: &str = "windlass-";
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "cpuset"];

/// What the steps of a build may use together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together, `u64::MAX` for any amount; as much as `memory`, so no swap, where it is absent.
    pub memory_and_swap: Option<u64>,
    /// Thousandths of a processor.
    pub processor: Option<u32>,
    /// Processor time in a period, both in microseconds, in place of `processor`.
    pub quota: Option<(u64, u64)>,
    /// The share of processor time when others want some too; usual is 1024.
    pub shares: Option<u64>,
    /// Which processors, such as `0-3,5`.
    pub processors: Option<String>,
    /// Which nodes of memory, such as `0,1`.
    pub nodes: Option<String>,
    /// The control group that those of the steps are made in, below the root of each hierarchy.
    pub parent: Option<PathBuf>,
}

impl Limits {
    /// The period over which processor time is counted where nobody asks for another one, in microseconds: that of docker.
    pub const DEFAULT_PERIOD: u64 = 100_000;
}

/// A limit that is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlimited {
    /// `memory`, `cpu` or `cpuset`.
    pub controller: &'static str,
    /// Why not.
    pub reason: String,
}

/// The groups that limit processes. Dropping it removes them; those of a killed process are removed by the next one that
/// makes groups at the same place.
#[derive(Debug, Default)]
pub struct LimitGroup {
    directories: Vec<PathBuf>,
}

impl LimitGroup {
    /// Makes groups for `limits`; also tells which of them cannot be applied.
    #[must_use]
    pub fn create(limits: &Limits) -> (Self, Vec<Unlimited>) {
        let (mut group, mut unlimited) = (Self::default(), Vec::new());
        let table = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let (mounts, groups) = (table("mountinfo"), table("cgroup"));
        for controller in CONTROLLERS {
            let is_in_parent = limits.parent.is_some() && controller != "cpuset";
            if !is_in_parent && files(Version::Two, controller, limits).is_empty() {
                continue;
            }
            if let Err(reason) = group.limit(controller, limits, &mounts, &groups) {
                unlimited.push(Unlimited { controller, reason });
            }
        }
        (group, unlimited)
    }

    fn limit(&mut self, controller: &str, limits: &Limits, mounts: &str, groups: &str) -> Result<(), String> {
        let found = places(controller, mounts, groups, limits.parent.as_deref());
        let mut reason = format!("this machine shows no control groups for {controller}");
        for (parent, version) in found {
            let directory = parent.join(format!("{PREFIX}{}", std::process::id()));
            match self.limit_in(&parent, &directory, version, controller, limits) {
                Ok(()) => return Ok(()),
                Err(error) => reason = format!("{} cannot be made or set ({error})", directory.display()),
            }
        }
        Err(reason)
    }

    fn limit_in(
        &mut self,
        parent: &Path,
        directory: &Path,
        version: Version,
        controller: &str,
        limits: &Limits,
    ) -> io::Result<()> {
        if limits.parent.is_some() {
            fs::create_dir_all(parent)?;
        }
        if version == Version::Two && !lists(&parent.join("cgroup.subtree_control"), controller) {
            fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"))?;
        }
        remove_leftovers(parent);
        match fs::create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        if !self.directories.iter().any(|known| known == directory) {
            self.directories.push(directory.to_owned());
        }
        if version == Version::One && controller == "cpuset" {
            inherit_sets(directory)?;
        }
        for (name, value, is_needed) in files(version, controller, limits) {
            let set = fs::write(directory.join(name), value);
            if is_needed { set? } else { drop(set) }
        }
        Ok(())
    }

    /// Puts a process into the groups; what it starts from now on is in there too.
    pub(crate) fn add(&self, process: u32) -> io::Result<()> {
        self.directories.iter().try_for_each(|directory| fs::write(directory.join("cgroup.procs"), process.to_string()))
    }
}

impl Drop for LimitGroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            let _ = fs::remove_dir(directory);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The files that set a limit: name, value, and whether it is no limit without it. Swap is not counted on every machine.
fn files(version: Version, controller: &str, limits: &Limits) -> Vec<(&'static str, String, bool)> {
    let mut files = Vec::new();
    match (version, controller) {
        (Version::One, "memory") => {
            files.extend(limits.memory.map(|bytes| ("memory.limit_in_bytes", bytes.to_string(), true)));
            let both = limits.memory_and_swap.or(limits.memory);
            let text = |bytes: u64| if bytes == u64::MAX { "-1".to_owned() } else { bytes.to_string() };
            files.extend(both.map(|bytes| ("memory.memsw.limit_in_bytes", text(bytes), limits.memory_and_swap.is_some())));
        }
        (Version::Two, "memory") => {
            files.extend(limits.memory.map(|bytes| ("memory.max", bytes.to_string(), true)));
            let swap = limits.memory.map(|memory| limits.memory_and_swap.unwrap_or(memory).saturating_sub(memory));
            let text = |bytes: u64| if bytes > u64::MAX / 2 { "max".to_owned() } else { bytes.to_string() };
            files.extend(swap.map(|bytes| ("memory.swap.max", text(bytes), limits.memory_and_swap.is_some())));
        }
        (Version::One, "cpu") => {
            if let Some((quota, period)) = processor_time(limits) {
                files.extend([("cpu.cfs_period_us", period.to_string(), true), ("cpu.cfs_quota_us", quota.to_string(), true)]);
            }
            files.extend(limits.shares.map(|shares| ("cpu.shares", shares.to_string(), true)));
        }
        (Version::Two, "cpu") => {
            files.extend(processor_time(limits).map(|(quota, period)| ("cpu.max", format!("{quota} {period}"), true)));
            // From 2…262144 to 1…10000, as container runtimes translate it.
            let weight = |shares: u64| 1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142;
            files.extend(limits.shares.map(|shares| ("cpu.weight", weight(shares).to_string(), true)));
        }
        _ => {
            files.extend(limits.processors.iter().map(|set| ("cpuset.cpus", set.clone(), true)));
            files.extend(limits.nodes.iter().map(|set| ("cpuset.mems", set.clone(), true)));
        }
    }
    files
}

/// A group of version 1 takes no process before it has processors and nodes: those of the one above, which may be new too.
fn inherit_sets(group: &Path) -> io::Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read_to_string(group.join(name))?.trim().is_empty() {
            let above = group.parent().ok_or(io::ErrorKind::NotFound)?;
            inherit_sets(above)?;
            fs::write(group.join(name), fs::read(above.join(name))?)?;
        }
    }
    Ok(())
}

/// Processor time and the period for it.
fn processor_time(limits: &Limits) -> Option<(u64, u64)> {
    let period = Limits::DEFAULT_PERIOD;
    limits.quota.or_else(|| limits.processor.map(|thousandths| (u64::from(thousandths) * period / 1000, period)))
}

/// The groups in which one for a controller might be made: that of this process, and for version 2 the one above, as a group
/// with processes may not limit others there. A group that was asked for is the only one.
fn places(controller: &str, mounts: &str, groups: &str, asked: Option<&Path>) -> Vec<(PathBuf, Version)> {
    let is_of = |line: &&str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller));
    let own = |wanted: &dyn Fn(&&str) -> bool| Some(groups.lines().find(wanted)?.splitn(3, ':').nth(2)?.to_owned());
    let first = own(&is_of).and_then(|group| {
        let is_wanted = |kind: &str, options: &str| kind == "cgroup" && options.split(',').any(|name| name == controller);
        mounted(mounts, is_wanted, asked.unwrap_or(Path::new(&group)))
    });
    if let Some(place) = first {
        return vec![(place, Version::One)];
    }
    let second = own(&|line: &&str| line.starts_with("0::"))
        .and_then(|group| mounted(mounts, |kind, _| kind == "cgroup2", asked.unwrap_or(Path::new(&group))));
    if let (Some(place), Some(_)) = (&second, asked) {
        return vec![(place.clone(), Version::Two)];
    }
    let parents = second.iter().flat_map(|place| [Some(place.as_path()), place.parent()]).flatten();
    let able = parents.filter(|place| lists(&place.join("cgroup.controllers"), controller));
    able.map(|place| (place.to_owned(), Version::Two)).collect()
}

/// Where a group is to be seen: `mountinfo` has the mount's root in its fourth field, the place in the fifth, and after `-`
/// the kind, the source and the options.
fn mounted(mounts: &str, is_wanted: impl Fn(&str, &str) -> bool, group: &Path) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let (place, system): (Vec<_>, Vec<_>) = (place.split(' ').collect(), system.split(' ').collect());
        if !is_wanted(system.first()?, system.get(2)?) {
            return None;
        }
        let within = group.strip_prefix(place.get(3)?).ok()?;
        Some(Path::new(place.get(4)?).join(within))
    })
}

fn lists(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|known| known == word))
}

/// Removes the groups of processes that are no more. One with processes in it cannot be removed.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if maker.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                       31 25 0:27 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                       32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn groups_of_the_first_version_are_found_where_they_are_mounted() {
        let groups = "3:memory:/docker/ab/in\n2:cpu,cpuacct:/\n0::/\n";
        assert_eq!(places("memory", ONE, groups, None), [("/sys/fs/cgroup/memory/in".into(), Version::One)]);
        assert_eq!(places("cpu", ONE, groups, None), [("/sys/fs/cgroup/cpu,cpuacct/".into(), Version::One)]);
        assert_eq!(places("pids", ONE, groups, None), []);
    }

    #[test]
    fn groups_of_the_second_version_lie_in_that_of_the_process_or_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("user.slice");
        fs::create_dir_all(slice.join("own.scope")).unwrap();
        fs::write(slice.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        fs::write(slice.join("own.scope/cgroup.controllers"), "memory\n").unwrap();
        let mounts = format!("30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n", root.path().display());
        let found = |controller| places(controller, &mounts, "0::/user.slice/own.scope\n", None);
        assert_eq!(found("memory"), [(slice.join("own.scope"), Version::Two), (slice.clone(), Version::Two)]);
        assert_eq!(found("cpu"), [(slice.clone(), Version::Two)]);
        assert_eq!(found("io"), []);
    }

    #[test]
    fn the_first_version_that_can_be_set_is_used_and_leftovers_go() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("windlass-4194999")).unwrap();
        fs::write(root.path().join("cgroup.subtree_control"), "memory cpu\n").unwrap();
        fs::write(root.path().join("cgroup.controllers"), "memory cpu\n").unwrap();
        let mounts = format!("30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n", root.path().display());
        let limits = Limits { memory: Some(1 << 20), processor: Some(1500), shares: Some(1024), ..Limits::default() };
        let mut group = LimitGroup::default();
        group.limit("memory", &limits, &mounts, "0::/\n").unwrap();
        group.limit("cpu", &limits, &mounts, "0::/\n").unwrap();
        let own = root.path().join(format!("windlass-{}", std::process::id()));
        assert_eq!(group.directories, std::slice::from_ref(&own));
        assert_eq!(fs::read_to_string(own.join("memory.max")).unwrap(), "1048576");
        assert_eq!(fs::read_to_string(own.join("cpu.max")).unwrap(), "150000 100000");
        assert_eq!(fs::read_to_string(own.join("cpu.weight")).unwrap(), "39");
        assert!(!root.path().join("windlass-4194999").exists());
        let refused = LimitGroup::default().limit("memory", &limits, "", "0::/\n");
        assert_eq!(refused, Err("this machine shows no control groups for memory".to_owned()));
    }
    #[test]
    fn swap_and_quotas_are_told_to_both_versions() {
        let limits = Limits {
            memory: Some(1000),
            memory_and_swap: Some(1500),
            quota: Some((20_000, 50_000)),
            processors: Some("0".to_owned()),
            ..Limits::default()
        };
        let set = |version, controller| files(version, controller, &limits).into_iter().map(|(name, value, _)| (name, value));
        let told = |version| CONTROLLERS.into_iter().flat_map(|controller| set(version, controller)).collect::<Vec<_>>();
        let one = [
            ("memory.limit_in_bytes", "1000"),
            ("memory.memsw.limit_in_bytes", "1500"),
            ("cpu.cfs_period_us", "50000"),
            ("cpu.cfs_quota_us", "20000"),
            ("cpuset.cpus", "0"),
        ];
        let two = [("memory.max", "1000"), ("memory.swap.max", "500"), ("cpu.max", "20000 50000"), ("cpuset.cpus", "0")];
        assert_eq!(told(Version::One), one.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(told(Version::Two), two.map(|(name, value)| (name, value.to_owned())));
        let any = Limits { memory_and_swap: Some(u64::MAX), ..limits };
        assert_eq!(files(Version::One, "memory", &any)[1].1, "-1");
        assert_eq!(files(Version::Two, "memory", &any)[1].1, "max");
    }
}
