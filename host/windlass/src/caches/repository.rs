//! Results of steps in a registry: each is an image of one layer, under a tag that is the step's key. Every registry that
//! takes images takes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use windlass_builder::execute::{Found, Origin, Whence};
use windlass_builder::store::{StepKey, StepRecord};
use windlass_core::{EventSink, Finding, Reference, Repository, Tag, chain};
use windlass_registry::{Blobs, Error, Registry};

use super::entry::{self, Entry};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A repository that holds results of steps.
#[derive(Debug)]
pub(crate) struct RegistryCache {
    /// What speaks to the registry.
    pub(crate) registry: Registry,
    /// The repository.
    pub(crate) repository: Repository,
    /// How old an entry may be.
    pub(crate) max_age: Duration,
    /// Where layers are.
    pub(crate) blobs: Blobs,
    /// Who is told of what goes wrong.
    pub(crate) events: EventSink,
    /// Results that nobody may have before a policy has seen the image; `None` where there is no policy.
    pub(crate) waiting: Option<Mutex<Vec<Wanted>>>,
    /// What is not done any more, because it has failed.
    pub(crate) given_up: GivenUp,
}

/// A result that is to be put there.
#[derive(Debug)]
pub(crate) struct Wanted {
    key: StepKey,
    record: StepRecord,
    made: Timestamp,
}

/// What is not done any more.
#[derive(Debug, Default)]
pub(crate) struct GivenUp {
    reading: AtomicBool,
    writing: AtomicBool,
}

impl RegistryCache {
    /// What the step of that key made.
    pub(super) async fn find(&self, key: &StepKey) -> Option<Found> {
        if self.given_up.reading.load(Ordering::Relaxed) {
            return None;
        }
        let reference = self.reference(key)?;
        let entry = match self.registry.manifest(&reference).await {
            Ok(manifest) => entry::read(&manifest, key),
            Err(Error::NotFound { .. } | Error::RepositoryMissing { .. }) => return None,
            Err(error) if is_of_the_entry(&error) => Err(chain(&error)),
            Err(error) => {
                self.stop_reading(&error);
                return None;
            }
        };
        match entry {
            Ok(Entry { record, made }) => {
                let origin = Origin::Repository(self.repository.clone());
                (!self.is_too_old(made)).then_some(Found { record, origin })
            }
            Err(reason) => {
                let message = format!("the entry {reference} of the cache is ignored: {reason}");
                self.events.notice(Finding::warn("cache/unusable-entry", message).about(key.to_string()));
                None
            }
        }
    }

    /// Keeps a result, where it is not from here.
    pub(super) async fn learn(&self, key: &StepKey, record: &StepRecord, whence: &Whence) {
        let made = match whence {
            Whence::Made => Timestamp::now(),
            // Passed on, a result gets no younger.
            Whence::Stored => match record.created.parse() {
                Ok(made) if !self.is_too_old(made) && self.find(key).await.is_none() => made,
                _ => return,
            },
            Whence::Found(_) => return,
        };
        let wanted = Wanted { key: *key, record: record.clone(), made };
        match &self.waiting {
            Some(waiting) => waiting.lock().unwrap_or_else(PoisonError::into_inner).push(wanted),
            None => self.keep(&wanted).await,
        }
    }

    /// Keeps what had to wait for a policy.
    pub(super) async fn release(&self) {
        let Some(waiting) = &self.waiting else { return };
        let waiting = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(waiting.iter().map(|wanted| self.keep(wanted))).await;
    }

    /// Puts an entry there, unless that has failed already.
    async fn keep(&self, wanted: &Wanted) {
        if self.given_up.writing.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.push(wanted).await
            && !self.given_up.writing.swap(true, Ordering::Relaxed)
        {
            let message = format!("nothing more is written to the cache {}: {}", self.repository, chain(error.as_ref()));
            let help = error.downcast_ref::<Error>().and_then(Error::help);
            self.warn(message, help);
        }
    }

    fn tag(key: &StepKey) -> Option<Tag> {
        Tag::parse(&key.to_string()).ok()
    }

    fn reference(&self, key: &StepKey) -> Option<Reference> {
        Some(self.repository.tagged(Self::tag(key)?))
    }

    fn is_too_old(&self, made: Timestamp) -> bool {
        // A result from the future has no age, as when two machines' clocks differ.
        let age = Duration::try_from(Timestamp::now().duration_since(made)).unwrap_or_default();
        age >= self.max_age
    }

    /// The layer and the configuration go before the manifest, which points to them.
    async fn push(&self, Wanted { key, record, made }: &Wanted) -> Result<(), Problem> {
        let Some(tag) = Self::tag(key) else { return Ok(()) };
        let written = entry::write(key, record, *made);
        if record.layer.is_none() {
            self.blobs.put(entry::EMPTY_LAYER)?;
        }
        self.blobs.put(&written.config)?;
        for blob in [&written.layer, &written.config_descriptor] {
            self.registry.push_blob(&self.repository, blob, &self.blobs, &[], &|_| {}).await?;
        }
        match self.registry.put_tag(&self.repository, &written.manifest, &tag).await {
            // Where tags cannot move, whoever came first is as good.
            Ok(()) | Err(Error::TagImmutable { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn stop_reading(&self, error: &Error) {
        if is_of_the_connection(error) {
            self.given_up.writing.store(true, Ordering::Relaxed);
        }
        if !self.given_up.reading.swap(true, Ordering::Relaxed) {
            self.warn(format!("the cache {} is not read: {}", self.repository, chain(error)), error.help());
        }
    }

    fn warn(&self, message: String, help: Option<String>) {
        let finding = Finding::warn("cache/registry", message).about("cache-repo");
        self.events.notice(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
}

/// Whether an error says something of one entry and nothing of the others.
fn is_of_the_entry(error: &Error) -> bool {
    matches!(error, Error::Document { .. } | Error::DigestMismatch { .. } | Error::SizeMismatch { .. } | Error::TooLarge { .. })
}

/// Whether nobody is there, so that writing would fail too.
fn is_of_the_connection(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Broken { .. }
            | Error::TimedOut { .. }
            | Error::RateLimited { .. }
            | Error::Setup { .. }
    )
}
