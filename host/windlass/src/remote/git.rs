//! Git, by its command line, on terms that leave nothing to the repository or to this machine's settings.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use windlass_builder::execute::{Brought, Problem};
use windlass_dockerfile::remote::{GitSource, RemoteSource, is_hexadecimal, without_credentials};

use super::Access;
use crate::environment::Environment;

/// The most that is read of a list of refs, in bytes.
const LARGEST_LIST: u64 = 64 << 20;
/// How much of what git says is kept for an error, in bytes.
const TAIL: usize = 4 << 10;
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// What the environment hands on: where programs are, proxies, certificate authorities.
const HANDED_ON: [&str; 13] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "TMPDIR",
];
/// In place of every configuration file.
const CONFIGURATION: [(&str, &str); 14] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "true"),
    ("core.autocrlf", "false"),
    ("credential.helper", ""),
    ("protocol.ext.allow", "never"),
    ("protocol.file.allow", "never"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
    ("gc.auto", "0"),
    ("advice.detachedHead", "false"),
    ("init.defaultBranch", "main"),
];
/// Files get the modes that git knows, whatever the mask here, and none grows without end. `$0` is the limit in blocks.
const SCRIPT: &str = "umask 022; ulimit -f \"$0\"; exec git \"$@\"";

/// The program.
#[derive(Debug)]
pub(super) struct Git {
    environment: Environment,
    access: Access,
    blocks: String,
}

/// Why a command failed, in git's words.
struct Refused(String);

impl Git {
    pub(super) fn new(environment: Environment, access: Access, largest: u64) -> Self {
        Self { environment, access, blocks: (largest / 512).max(1).to_string() }
    }

    /// The hash of the commit that a source means.
    pub(super) async fn commit(&self, source: &GitSource) -> Result<String, Problem> {
        let commit = match &source.reference {
            Some(reference) if is_hash(reference) => reference.clone(),
            reference => self.look_up(source, reference.as_deref()).await?,
        };
        match &source.checksum {
            Some(checksum) if !commit.starts_with(checksum.as_str()) => {
                let problem = failed(source, &format!("the commit is {commit}, not {checksum}"));
                Err(problem.help("name the commit that is meant, or change the checksum"))
            }
            _ => Ok(commit),
        }
    }

    async fn look_up(&self, source: &GitSource, reference: Option<&str>) -> Result<String, Problem> {
        let wanted = reference.unwrap_or("HEAD");
        let peeled = format!("{wanted}^{{}}");
        let arguments = ["ls-remote", "-q", "--", &source.remote, wanted, &peeled];
        let listed = self.must(source, Path::new("/"), &arguments).await?;
        choose(&String::from_utf8_lossy(&listed), wanted).ok_or_else(|| {
            failed(source, &format!("the repository has no ref `{wanted}`")).help("name a branch, a tag or a whole commit hash")
        })
    }

    /// Fetches the commit into `directory`.
    pub(super) async fn fetch(&self, source: &GitSource, commit: &str, directory: &Path) -> Result<Brought, Problem> {
        let tree = directory.join("repository");
        std::fs::create_dir(&tree).map_err(|error| failed(source, &error.to_string()))?;
        self.must(source, &tree, &["init", "-q", "--template="]).await?;
        self.must(source, &tree, &["remote", "add", "--", "origin", &without_credentials(&source.remote)]).await?;
        let one = ["fetch", "-q", "--depth=1", "--no-tags", "--", &source.remote, commit];
        if self.run(source, &tree, &one).await.is_err() {
            // Servers without the smart protocol, and those that give out refs only, give everything.
            let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
            let more = source.reference.as_deref().filter(|reference| reference.starts_with("refs/"));
            let mut arguments = vec!["fetch", "-q", "--no-tags", "--", &source.remote];
            arguments.extend(all.into_iter().chain(more));
            self.must(source, &tree, &arguments).await?;
        }
        self.must(source, &tree, &["checkout", "-q", "--force", "--detach", commit, "--"]).await?;
        let has_submodules = tree.join(".gitmodules").symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        if has_submodules && !source.skips_submodules {
            let arguments = ["submodule", "-q", "update", "--init", "--recursive", "--depth=1"];
            if self.run(source, &tree, &arguments).await.is_err() {
                self.must(source, &tree, &["submodule", "-q", "update", "--init", "--recursive"]).await?;
            }
        }
        if !source.keeps_git_directory {
            remove_git_directories(&tree).map_err(|error| failed(source, &error.to_string()))?;
        }
        let tree = subdirectory(&tree, source.subdirectory.as_deref()).map_err(|reason| failed(source, &reason))?;
        Ok(Brought::Tree(tree))
    }

    async fn must(&self, source: &GitSource, directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, Problem> {
        self.run(source, directory, arguments).await.map_err(|refused| failed(source, &refused.0))
    }

    async fn run(&self, source: &GitSource, directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, Refused> {
        let wrong = |reason: String| Refused(tidy(&reason, source));
        let mut command = self.command(source, directory, arguments);
        let mut child = command.spawn().map_err(|error| wrong(format!("cannot start git: {error}")))?;
        // Git's helpers are its children: they end with it.
        let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = tokio::time::timeout(LONGEST, async { tokio::join!(head(stdout), tail(stderr), child.wait()) }).await;
        let Ok((output, said, status)) = ended else {
            return Err(wrong(format!("git did not end within {} minutes", LONGEST.as_secs() / 60)));
        };
        let status = status.map_err(|error| wrong(error.to_string()))?;
        match status.code() {
            Some(0) if output.len() as u64 <= LARGEST_LIST => Ok(output),
            Some(0) => Err(wrong(format!("the list of its refs has more than {LARGEST_LIST} bytes"))),
            Some(127) => Err(wrong("git is not installed, and fetching a repository takes it".to_owned())),
            _ if said.trim().is_empty() => Err(wrong(format!("git {} ended with {status}", arguments[0]))),
            _ => Err(wrong(said)),
        }
    }

    fn command(&self, source: &GitSource, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, &self.blocks]).args(arguments).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true).env_clear();
        command.envs(HANDED_ON.iter().filter_map(|name| self.environment.get(name).map(|value| (*name, value))));
        for (name, value) in [
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "false"),
            ("GIT_ALLOW_PROTOCOL", "http:https:git:ssh"),
            ("GIT_TEMPLATE_DIR", ""),
            ("GIT_CEILING_DIRECTORIES", "/"),
        ] {
            command.env(name, value);
        }
        command.env("GIT_SSH_COMMAND", self.ssh());
        if let Some(agent) = &self.access.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        let fixed = CONFIGURATION.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let pairs: Vec<(String, String)> = fixed.chain(self.header(source)).collect();
        command.env("GIT_CONFIG_COUNT", pairs.len().to_string());
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), name).env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        command
    }

    /// A Dockerfile may use the agent that the user hands over, and no key besides.
    fn ssh(&self) -> String {
        let own = if self.access.uses_own_keys { "" } else { " -F none -o IdentityFile=none" };
        format!("ssh -o BatchMode=yes -o ConnectTimeout=30 -o PermitLocalCommand=no{own}")
    }

    /// The `Authorization` that a secret of the build says, for the repository's own origin alone.
    fn header(&self, source: &GitSource) -> Option<(String, String)> {
        let url = url::Url::parse(&source.remote).ok().filter(|url| url.scheme().starts_with("http"))?;
        let host = url.host_str()?;
        let secret = |name: &str| {
            let find = |wanted: &str| self.access.secrets.iter().find(|(id, _)| id == wanted).map(|(_, secret)| secret.expose());
            find(&format!("{name}.{host}")).or_else(|| find(name))
        };
        let value = match (secret("GIT_AUTH_HEADER"), secret("GIT_AUTH_TOKEN")) {
            (Some(header), _) => header.trim().to_owned(),
            (None, Some(token)) => {
                let pair = format!("x-access-token:{}", token.trim());
                format!("basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
            (None, None) => return None,
        };
        Some((format!("http.{}/.extraHeader", url.origin().ascii_serialization()), format!("Authorization: {value}")))
    }
}

/// Ends a process and all that it has started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Nothing is left of it as a rule.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn head(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What is cut off shows in the length, and a broken pipe in git's status.
        let _ = stream.take(LARGEST_LIST + 1).read_to_end(&mut bytes).await;
    }
    bytes
}

async fn tail(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut part = vec![0; TAIL];
    if let Some(mut stream) = stream {
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            kept.extend_from_slice(&part[..count]);
            kept.drain(..kept.len().saturating_sub(TAIL));
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn failed(source: &GitSource, reason: &str) -> Problem {
    let problem = Problem::new(format!("cannot fetch {}: {reason}", RemoteSource::Git(source.clone()).shown()));
    // In OpenSSH's words.
    if reason.contains("Host key verification failed") {
        return problem.help("add the host to ~/.ssh/known_hosts, or to /etc/ssh/ssh_known_hosts; ssh-keyscan prints its keys");
    }
    if reason.contains("Permission denied (") {
        return problem.help("give the key with --ssh default=KEYFILE, or an agent that holds it with --ssh default");
    }
    problem
}

/// What git said, on one line and without a password that the address holds.
fn tidy(text: &str, source: &GitSource) -> String {
    let shown = text.replace(&source.remote, &without_credentials(&source.remote));
    let line: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hexadecimal(text)
}

/// The commit of the ref that `git checkout` would take: a branch before a tag, and of a tag what it points to.
fn choose(listed: &str, wanted: &str) -> Option<String> {
    let lines: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let find = |name: &str| lines.iter().find(|(_, known)| *known == name).map(|(hash, _)| (*hash).to_owned());
    let names = [
        format!("{wanted}^{{}}"),
        wanted.to_owned(),
        format!("refs/heads/{wanted}"),
        format!("refs/tags/{wanted}^{{}}"),
        format!("refs/tags/{wanted}"),
        format!("refs/{wanted}"),
    ];
    names.iter().find_map(|name| find(name)).filter(|hash| is_hash(hash))
}

/// Takes away what git keeps for itself, of submodules too. Nothing that is committed can have that name.
fn remove_git_directories(top: &Path) -> std::io::Result<()> {
    let mut waiting = vec![top.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let is_directory = entry.file_type()?.is_dir();
            match (entry.file_name() == ".git", is_directory) {
                (true, true) => std::fs::remove_dir_all(entry.path())?,
                (true, false) => std::fs::remove_file(entry.path())?,
                (false, true) => waiting.push(entry.path()),
                (false, false) => {}
            }
        }
    }
    Ok(())
}

/// A directory of the tree, to which no link leads out of it.
fn subdirectory(tree: &Path, wanted: Option<&str>) -> Result<PathBuf, String> {
    let Some(wanted) = wanted else { return Ok(tree.to_path_buf()) };
    let top = tree.canonicalize().map_err(|error| error.to_string())?;
    let found = top.join(wanted.trim_start_matches('/')).canonicalize();
    match found {
        Ok(path) if path.starts_with(&top) && path.is_dir() => Ok(path),
        Ok(path) if path.starts_with(&top) => Err(format!("`{wanted}` is not a directory in it")),
        Ok(_) => Err(format!("`{wanted}` leads out of it")),
        Err(_) => Err(format!("it has no directory `{wanted}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn branches_come_before_tags_and_tags_are_followed() {
        let both = format!("{A}\trefs/tags/v1\n{B}\trefs/heads/v1\n");
        assert_eq!(choose(&both, "v1").as_deref(), Some(B));
        let tag = format!("{A}\trefs/tags/v1\n{B}\trefs/tags/v1^{{}}\n");
        assert_eq!(choose(&tag, "v1").as_deref(), Some(B));
        assert_eq!(choose(&tag, "refs/tags/v1").as_deref(), Some(B));
        assert_eq!(choose(&format!("{A}\trefs/heads/feature/v1\n"), "v1"), None);
        assert_eq!(choose(&format!("{A}\tHEAD\n"), "HEAD").as_deref(), Some(A));
        assert_eq!(choose("--upload-pack\tHEAD\n", "HEAD"), None);
    }

    #[test]
    fn tokens_are_for_one_host() {
        let token = |id: &str| (id.to_owned(), windlass_core::Secret::new("canary"));
        let access = Access { secrets: vec![token("GIT_AUTH_TOKEN.x.test")], ..Access::default() };
        let git = Git::new(Environment::from_iter([("PATH", "/bin")]), access, 1 << 20);
        let header = |remote: &str| git.header(&GitSource { remote: remote.to_owned(), ..GitSource::default() });
        assert_eq!(header("https://x.test/a.git").unwrap().0, "http.https://x.test/.extraHeader");
        assert_eq!(header("https://y.test/a.git"), None);
        assert_eq!(header("ssh://git@x.test/a.git"), None);
    }

    #[test]
    fn directories_behind_links_out_of_the_tree_are_refused() {
        let top = tempfile::tempdir().unwrap();
        let tree = top.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::os::unix::fs::symlink("/etc", tree.join("etc")).unwrap();
        std::os::unix::fs::symlink("../..", tree.join("up")).unwrap();
        assert!(subdirectory(&tree, Some("a/b")).is_ok());
        for wanted in ["etc", "up", "..", "a/../..", "missing"] {
            assert!(subdirectory(&tree, Some(wanted)).is_err(), "{wanted}");
        }
    }
}
