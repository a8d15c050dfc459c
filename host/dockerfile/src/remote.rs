//! Sources that are not on this machine: web addresses and git repositories, as ADD and contexts name them.

/// Something that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteSource {
    /// A file behind a web address.
    Http(HttpSource),
    /// A commit of a git repository.
    Git(GitSource),
}

/// A file behind a web address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpSource {
    /// `http://…` or `https://…`, without a fragment.
    pub url: String,
    /// The digest that the content must have, as `sha256:…`.
    pub checksum: Option<String>,
}

/// A commit of a git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitSource {
    /// Where the repository is: an `http`, `https`, `git` or `ssh` URL, or `user@host:path`.
    pub remote: String,
    /// A branch, a tag, a full ref name or a whole commit hash; the default branch when absent.
    pub reference: Option<String>,
    /// The directory that is taken, relative to the repository's top.
    pub subdirectory: Option<String>,
    /// What the commit's hash must begin with.
    pub checksum: Option<String>,
    /// Whether `.git` is kept.
    pub keeps_git_directory: bool,
    /// Whether submodules are left out.
    pub skips_submodules: bool,
}

/// Why a text that looks like a remote source is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}` cannot be fetched: {problem}")]
pub struct RemoteError {
    source_text: String,
    problem: String,
}

const GIT_SCHEMES: [&str; 2] = ["git://", "ssh://"];
const WEB_SCHEMES: [&str; 2] = ["http://", "https://"];

/// Reads a source of ADD; `None` when it is a path of the context.
///
/// # Errors
/// When it is remote, and malformed.
pub fn parse(text: &str) -> Result<Option<RemoteSource>, RemoteError> {
    let refuse = |problem: String| RemoteError { source_text: without_credentials(text), problem };
    let (base, fragment) = text.split_once('#').map_or((text, None), |(base, fragment)| (base, Some(fragment)));
    let is_web = starts_with_any(base, &WEB_SCHEMES);
    let (address, query) = base.split_once('?').map_or((base, None), |(address, query)| (address, Some(query)));
    if is_web && !is_repository(address) {
        check_text(base).map_err(refuse)?;
        return Ok(Some(RemoteSource::Http(HttpSource { url: base.to_owned(), checksum: None })));
    }
    if !is_web && !starts_with_any(base, &GIT_SCHEMES) && !is_secure_copy(base) {
        return Ok(None);
    }
    let mut git = GitSource { remote: address.to_owned(), ..GitSource::default() };
    query.map_or(Ok(()), |query| read_query(query, &mut git)).map_err(refuse)?;
    let (reference, subdirectory) = fragment.map_or(("", ""), |text| text.split_once(':').unwrap_or((text, "")));
    name_once(&mut git.reference, reference, "ref").map_err(refuse)?;
    name_once(&mut git.subdirectory, subdirectory, "directory").map_err(refuse)?;
    if git.reference.is_none() {
        // A commit that is named in full needs no ref to be found.
        git.reference = git.checksum.clone().filter(|checksum| matches!(checksum.len(), 40 | 64));
    }
    check_git(&git).map_err(refuse)?;
    Ok(Some(RemoteSource::Git(git)))
}

/// Reads the name of a context: as for ADD, and `github.com/…` is a repository too.
///
/// # Errors
/// When it is remote, and malformed.
pub fn parse_context(text: &str) -> Result<Option<RemoteSource>, RemoteError> {
    if !text.starts_with("github.com/") {
        return parse(text);
    }
    let (address, rest) = text.find(['#', '?']).map_or((text, ""), |at| text.split_at(at));
    let suffix = if address.ends_with(".git") { "" } else { ".git" };
    parse(&format!("https://{address}{suffix}{rest}"))
}

impl RemoteSource {
    /// The source in short, without a password, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Http(http) => without_credentials(&http.url),
            Self::Git(git) => {
                let reference = git.reference.as_ref().map(|text| format!("#{text}")).unwrap_or_default();
                format!("{}{reference}", without_credentials(&git.remote))
            }
        }
    }
}

/// A URL without what stands for a user before its host; other text as it is.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((user, host)) if scheme != "ssh" || user.contains(':') => format!("{scheme}://{host}{path}"),
        _ => text.to_owned(),
    }
}

fn starts_with_any(text: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// By HTTP, a repository is told from a file by the end of its path.
fn is_repository(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('/').is_some_and(|(_, path)| path.ends_with(".git"))
}

/// `user@host:path`
fn is_secure_copy(text: &str) -> bool {
    let word = |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let Some((user, rest)) = text.split_once('@') else { return false };
    rest.split_once(':').is_some_and(|(host, path)| word(user, "-_") && word(host, "-.") && !path.is_empty())
}

/// What the query and the fragment both name must be the same.
fn name_once(slot: &mut Option<String>, value: &str, what: &str) -> Result<(), String> {
    match slot {
        Some(other) if !value.is_empty() && other != value => {
            Err(format!("it names two: the {what} `{other}` behind `?` and `{value}` behind `#`"))
        }
        None if !value.is_empty() => {
            *slot = Some(value.to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn read_query(query: &str, git: &mut GitSource) -> Result<(), String> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value)?;
        let switch = || match value.as_str() {
            "" | "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
            _ => Err(format!("`{name}` is `{value}`, which is neither true nor false")),
        };
        let full = |prefix: &str| Some(format!("{prefix}{}", value.strip_prefix(prefix).unwrap_or(&value)));
        let reference = match name {
            "ref" => Some(value.clone()),
            "branch" => full("refs/heads/"),
            "tag" => full("refs/tags/"),
            _ => None,
        };
        if value.is_empty() && !matches!(name, "keep-git-dir" | "submodules") {
            return Err(format!("`{name}` has no value"));
        }
        if let Some(reference) = reference {
            if git.reference.replace(reference).is_some() {
                return Err("more than one of `ref`, `branch` and `tag` is given".to_owned());
            }
            continue;
        }
        match name {
            "subdir" => git.subdirectory = Some(value).filter(|text| !text.is_empty()),
            "checksum" | "commit" => git.checksum = Some(value),
            "keep-git-dir" => git.keeps_git_directory = switch()?,
            "submodules" => git.skips_submodules = !switch()?,
            _ => {
                return Err(format!(
                    "`{name}` is unknown: known are ref, branch, tag, subdir, checksum, commit, keep-git-dir, submodules"
                ));
            }
        }
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'%', None) => return Err(format!("`{text}` is not percent-encoded")),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8"))
}

/// What git would take for an option, or a terminal for a command, never reaches either.
fn check_git(git: &GitSource) -> Result<(), String> {
    check_text(&git.remote)?;
    let host = git.remote.split_once("://").map_or(git.remote.as_str(), |(_, rest)| rest);
    if host.is_empty() || host.starts_with(['/', '-']) || host.contains("@-") {
        return Err("it names no host".to_owned());
    }
    if let Some(reference) = &git.reference {
        check_text(reference)?;
        let is_odd = |c: char| c == ' ' || "~^:?*[\\".contains(c);
        if reference.starts_with('-') || reference.contains("..") || reference.contains(is_odd) {
            return Err(format!("`{reference}` is not the name of a ref"));
        }
    }
    git.subdirectory.as_deref().map_or(Ok(()), check_text)?;
    match &git.checksum {
        Some(checksum) if !(7..=64).contains(&checksum.len()) || !is_hexadecimal(checksum) => {
            Err(format!("`{checksum}` is not a commit's hash"))
        }
        _ => Ok(()),
    }
}

/// Whether text is made of the digits of a commit's hash.
#[must_use]
pub fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn check_text(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) { Err("it holds control characters".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(text: &str) -> GitSource {
        match parse(text) {
            Ok(Some(RemoteSource::Git(git))) => git,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn files_repositories_and_paths_are_told_apart() {
        for text in ["http://x.test/a.tar", "https://x.test", "https://x.test/a.git/b", "HTTPS://x.test/a?b=.git"] {
            assert!(matches!(parse(text), Ok(Some(RemoteSource::Http(_)))), "{text}");
        }
        for text in ["https://x.test/a.git", "git@x.test:a/b", "git://x.test/a", "ssh://git@x.test/a", "https://x.test/a.git#v1"]
        {
            assert!(matches!(parse(text), Ok(Some(RemoteSource::Git(_)))), "{text}");
        }
        for text in ["a.git", "github.com/a/b", "https:/x", "dir/https://x", "file:///etc", "ext::sh", "a:b", "*.txt"] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
        let context = parse_context("github.com/a/b#main:dir").unwrap().unwrap();
        assert_eq!(context.shown(), "https://github.com/a/b.git#main");
    }

    #[test]
    fn refs_and_directories_stand_in_the_fragment_or_the_query() {
        let fragment = git("https://x.test/a.git#v1:docs/x");
        assert_eq!((fragment.reference.as_deref(), fragment.subdirectory.as_deref()), (Some("v1"), Some("docs/x")));
        let query = git("https://x.test/a.git?tag=v1&subdir=a%20b&checksum=0123456789&keep-git-dir=1&submodules=false");
        assert_eq!((query.reference.as_deref(), query.subdirectory.as_deref()), (Some("refs/tags/v1"), Some("a b")));
        assert_eq!(query.checksum.as_deref(), Some("0123456789"));
        assert!(query.keeps_git_directory && query.skips_submodules);
        assert_eq!(git("https://x.test/a.git#:sub").reference, None);
        let both = git("https://x.test/a.git?ref=v1&subdir=d&keep-git-dir=T#v1:d");
        assert_eq!((both.reference.as_deref(), both.subdirectory.as_deref()), (Some("v1"), Some("d")));
        assert_eq!(git("https://x.test/a.git?tag=refs/tags/v1").reference.as_deref(), Some("refs/tags/v1"));
        let mixed = git("https://x.test/a.git?subdir=d#v1");
        assert_eq!((mixed.reference.as_deref(), mixed.subdirectory.as_deref()), (Some("v1"), Some("d")));
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(git(&format!("https://x.test/a.git?checksum={hash}")).reference.as_deref(), Some(hash));
    }

    #[test]
    fn what_git_could_take_for_an_option_is_refused() {
        for text in [
            "https://x.test/a.git#--upload-pack=touch /tmp/x",
            "https://x.test/a.git?ref=--upload-pack%3Dx",
            "https://x.test/a.git#a..b",
            "ssh://-oProxyCommand=x/a",
            "ssh://git@-oProxyCommand=x/a",
            "https://x.test/a.git?unknown=1",
            "https://x.test/a.git?ref=a&tag=b",
            "https://x.test/a.git?ref=a#b",
            "https://x.test/a.git?subdir=a#v1:b",
            "https://x.test/a.git?ref=",
            "https://x.test/a.git?checksum=xyz",
            "https://x.test/a.git?ref=%0a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_credentials("https://u:canary@x.test/a?b"), "https://x.test/a?b");
        assert_eq!(without_credentials("ssh://git@x.test/a"), "ssh://git@x.test/a");
        assert!(!parse("https://u:canary@x.test/a.git#-x").unwrap_err().to_string().contains("canary"));
    }
}
