//! Layers go to the registry while later steps still run.
//!
//! It is a head start and no more: what fails here is tried again, and told, when the image is pushed.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Repository};
use windlass_registry::image::Descriptor;
use windlass_registry::{Blobs, Placed, Registry};

/// Layers of a build on their way to the destinations. Dropped, it stops.
pub(crate) struct Ahead {
    listener: Option<UnboundedSender<Descriptor>>,
    sending: JoinHandle<()>,
}

impl Ahead {
    /// Sends each layer that the listener is told of to every one of `repositories`.
    pub(crate) fn start(registry: &Registry, repositories: Vec<Repository>, blobs: &Blobs, events: &EventSink) -> Self {
        let (listener, layers) = unbounded_channel();
        let sender = Sender {
            registry: registry.clone(),
            repositories,
            blobs: blobs.clone(),
            events: events.clone(),
            has_failed: AtomicBool::new(false),
        };
        Self { listener: Some(listener), sending: tokio::spawn(sender.send_all(layers)) }
    }

    /// Whom the build tells of its layers. The work ends when the build has let go of it.
    pub(crate) fn listener(&mut self) -> Option<UnboundedSender<Descriptor>> {
        self.listener.take()
    }

    /// Waits for the layers that have been told of.
    pub(crate) async fn finish(mut self) {
        self.listener = None;
        // A panic in there is no reason to give up the push that follows.
        let _ = (&mut self.sending).await;
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

struct Sender {
    registry: Registry,
    repositories: Vec<Repository>,
    blobs: Blobs,
    events: EventSink,
    has_failed: AtomicBool,
}

impl Sender {
    async fn send_all(self, layers: UnboundedReceiver<Descriptor>) {
        let layers = stream::unfold(layers, |mut layers| async move { layers.recv().await.map(|layer| (layer, layers)) });
        // The registry's client bounds how many are sent at a time.
        layers.for_each_concurrent(None, |layer| self.send(layer)).await;
    }

    async fn send(&self, layer: Descriptor) {
        for repository in &self.repositories {
            if self.has_failed.load(Ordering::Relaxed) {
                return;
            }
            match self.registry.push_blob(repository, &layer, &self.blobs, &[], &|_| {}).await {
                Ok(Placed::Uploaded) => self.tell(repository, &layer),
                Ok(Placed::Existed | Placed::Mounted) => {}
                Err(error) => {
                    tracing::debug!(%error, "no layer is sent ahead any more");
                    self.has_failed.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn tell(&self, repository: &Repository, layer: &Descriptor) {
        let short = layer.digest.hex().get(..12).unwrap_or_default();
        let task = self.events.start(Stage::Push, format!("push {}:{short} to {repository}", layer.digest.algorithm()));
        task.progress(layer.size, Some(layer.size));
        task.finish(Outcome::Done);
    }
}
