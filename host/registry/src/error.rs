//! What can go wrong between this client and a registry.

use std::error::Error as StdError;
use std::time::Duration;

use windlass_core::{Digest, Platform, Reference, Repository, Tag};

use crate::answer::Told;
use crate::credential::{Action, CredentialError};
use crate::image::DocumentError;
use crate::store::StoreError;

/// Why a registry could not be read from or written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry does not accept who asks.
    #[error("{repository} refused the {action} {tried}{told}")]
    Unauthorized {
        /// Which repository.
        repository: Repository,
        /// What for.
        action: Action,
        /// What was tried, such as ``as user `AWS` ``.
        tried: String,
        /// The registry's words.
        told: Told,
    },
    /// The registry knows who asks, and says no.
    #[error("{repository} denied the {action} {tried}{told}")]
    Denied {
        /// Which repository.
        repository: Repository,
        /// What for.
        action: Action,
        /// What was tried.
        tried: String,
        /// The registry's words.
        told: Told,
    },
    /// There is no such repository.
    #[error("repository {repository} does not exist{told}")]
    RepositoryMissing {
        /// Which.
        repository: Repository,
        /// The registry's words.
        told: Told,
    },
    /// There is no such tag, manifest or blob.
    #[error("{repository} has no {what}{told}")]
    NotFound {
        /// In which repository.
        repository: Repository,
        /// What is not there, such as ``tag `1.2` ``.
        what: String,
        /// The registry's words.
        told: Told,
    },
    /// The tag exists, and the repository does not let tags be moved.
    #[error("tag `{tag}` of {repository} is immutable and points to another image{told}")]
    TagImmutable {
        /// In which repository.
        repository: Repository,
        /// Which tag.
        tag: Tag,
        /// The registry's words.
        told: Told,
    },
    /// No connection.
    #[error("cannot reach {address} for registry {registry}: {reason}")]
    Unreachable {
        /// The registry as references name it.
        registry: String,
        /// The host and port that were tried.
        address: String,
        /// Why.
        reason: String,
        /// Advice, where the reason is known well enough.
        help: Option<&'static str>,
    },
    /// A connection broke, again and again.
    #[error("the connection to registry {registry} broke during {what}")]
    Broken {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why.
        source: reqwest::Error,
    },
    /// No answer, or one that trickles.
    #[error("registry {registry} took too long over {what}: {waited}")]
    TimedOut {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// What was waited for, and how long.
        waited: String,
    },
    /// Content has another digest than it must have.
    #[error("{what} from {repository} has the digest {found}, expected {expected}")]
    DigestMismatch {
        /// From which repository.
        repository: Repository,
        /// What was checked.
        what: String,
        /// What was expected.
        expected: Digest,
        /// What was found.
        found: String,
    },
    /// Content has another size than it must have.
    #[error("{what} from {repository} is {found} bytes long, expected {expected}")]
    SizeMismatch {
        /// From which repository.
        repository: Repository,
        /// What was checked.
        what: String,
        /// What was expected.
        expected: u64,
        /// What was found, or announced.
        found: u64,
    },
    /// A document is larger than any honest one.
    #[error("{what} from {repository} is larger than {limit} bytes")]
    TooLarge {
        /// From which repository.
        repository: Repository,
        /// What.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Too many requests.
    #[error("registry {registry} limits the rate of requests{}{told}", wait(.retry_after))]
    RateLimited {
        /// Which registry.
        registry: String,
        /// How long the registry wants us to wait, where it says so.
        retry_after: Option<Duration>,
        /// The registry's words.
        told: Told,
    },
    /// An answer that means failure and none of the above.
    #[error("{repository} answered with status {status} to {what}{told}")]
    Refused {
        /// Which repository.
        repository: Repository,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        told: Told,
    },
    /// An answer that the protocol does not allow.
    #[error("registry {registry} does not follow the protocol during {what}: {fault}")]
    Protocol {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        fault: String,
    },
    /// A manifest that cannot be used.
    #[error("the manifest `{target}` of {repository} cannot be used")]
    Document {
        /// From which repository.
        repository: Repository,
        /// The tag or digest it was asked for by.
        target: String,
        /// Why.
        source: DocumentError,
    },
    /// An image configuration that cannot be used.
    #[error("the image configuration {digest} of {repository} cannot be used")]
    Config {
        /// From which repository.
        repository: Repository,
        /// Its digest.
        digest: Digest,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An index without the wanted platform.
    #[error("{reference} has no image for {wanted}; it has {}", list(.available))]
    NoPlatform {
        /// Which image.
        reference: Box<Reference>,
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platforms that there are.
        available: Vec<Platform>,
    },
    /// A credential is configured and cannot be had.
    #[error("no credentials for the {action} from {repository}")]
    Credential {
        /// For which repository.
        repository: Repository,
        /// What for.
        action: Action,
        /// Why.
        source: CredentialError,
    },
    /// The client's own settings: certificates, keys, proxies.
    #[error("cannot set up connections to {registry}: {what}")]
    Setup {
        /// To which registry.
        registry: String,
        /// What is wrong, with the file's name.
        what: String,
        /// Why.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// A blob that is to be pushed cannot be read.
    #[error("the local content for {what} to {repository} cannot be read")]
    Source {
        /// What it is for, such as the upload of a blob.
        what: String,
        /// Where it should go.
        repository: Repository,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// What was pulled cannot be written.
    #[error("cannot write {what} from {repository}")]
    Sink {
        /// What.
        what: String,
        /// From which repository.
        repository: Repository,
        /// Why.
        source: std::io::Error,
    },
    /// The content store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// How to mend it, where that can be told.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::Unauthorized { repository, tried, action, .. } if tried == "without credentials" => format!(
                "give credentials for {}: `docker login {}`, or a user and password setting; a {action} from a repository that does not exist is refused in the same way",
                repository.registry(),
                repository.registry()
            ),
            Self::Unauthorized { repository, .. } => {
                format!("check that the credentials for {} are right and have not expired", repository.registry())
            }
            Self::Denied { repository, action, .. } => {
                format!("give the account the right to {action} {}, or check the repository's name", repository.path())
            }
            Self::RepositoryMissing { repository, .. } if is_ecr(repository.registry()) => format!(
                "create it with `aws ecr create-repository --repository-name {}`, or turn on its creation in the step",
                repository.path()
            ),
            Self::RepositoryMissing { .. } => "create the repository, or check its name".to_owned(),
            Self::NotFound { .. } => "check the name, tag and digest".to_owned(),
            Self::TagImmutable { .. } => "choose another tag, or make the repository's tags mutable".to_owned(),
            Self::Unreachable { help, .. } => return help.map(str::to_owned),
            Self::Broken { .. } | Self::TimedOut { .. } => "check the network and proxies between here and the registry, then try again".to_owned(),
            Self::DigestMismatch { .. } | Self::SizeMismatch { .. } => {
                "something between here and the registry changes content, or the registry's storage is damaged; do not use this image".to_owned()
            }
            Self::RateLimited { .. } => "wait and try again, log in for a higher limit, or configure a mirror".to_owned(),
            Self::Refused { status: 413, .. } => "raise the limit on request bodies of the registry or of the proxy in front of it".to_owned(),
            Self::Refused { status: 500.., .. } => "look at the registry's log, or try again later".to_owned(),
            Self::NoPlatform { available, .. } => match available.first() {
                Some(platform) => format!("choose one of these platforms, such as `--platform {platform}`, or another image"),
                None => "choose another image".to_owned(),
            },
            Self::Credential { source, .. } => return source.advice().map(str::to_owned),
            Self::Protocol { .. } => "check that the address is a registry's and that no proxy answers in its place".to_owned(),
            Self::Document { source: DocumentError::Schema1, .. } => "pull and push the image with a current tool, which converts it".to_owned(),
            Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::Document { .. }
            | Self::Config { .. }
            | Self::Setup { .. }
            | Self::Source { .. }
            | Self::Sink { .. }
            | Self::Store(_) => return None,
        };
        Some(text)
    }

    /// Whether nothing was heard, so that asking for something else makes no sense.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::TimedOut { .. } | Self::RateLimited { .. })
    }

    /// Whether a registry refuses a manifest because it lacks what that points to.
    #[must_use]
    pub fn is_about_missing_content(&self) -> bool {
        const CODES: [&str; 3] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
        let (Self::Refused { told, .. } | Self::NotFound { told, .. }) = self else { return false };
        CODES.iter().any(|code| told.has(code))
    }

    /// Whether who asks, or the lack of a credential, is the reason.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Denied { .. } | Self::Credential { .. })
    }
}

/// Whether `host` is a private or public repository host of Amazon's registry.
fn is_ecr(host: &str) -> bool {
    host == "public.ecr.aws" || (host.contains(".dkr.ecr") && host.contains(".amazonaws.com"))
}

fn wait(retry_after: &Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(" and wants {} s of waiting", wait.as_secs()))
}

fn list(platforms: &[Platform]) -> String {
    const SHOWN: usize = 20;
    if platforms.is_empty() {
        return "no images at all".to_owned();
    }
    let mut names: Vec<String> = platforms.iter().take(SHOWN).map(|p| crate::text::clean(&p.to_string(), 60)).collect();
    names.dedup();
    if platforms.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_repository_on_ecr_is_mended_with_its_own_command() {
        let missing = |text: &str| {
            Error::RepositoryMissing { repository: Repository::parse(text).unwrap(), told: Told::default() }.help().unwrap()
        };
        assert!(missing("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app").contains("--repository-name team/app"));
        assert!(!missing("r.example/team/app").contains("aws"));
    }
}
