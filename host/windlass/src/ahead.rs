//! Layers go to the registry while later steps still run, and large ones while they are still being written.
//!
//! It is a head start and no more: what fails here is tried again, and told, when the image is pushed.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use windlass_builder::execute::NewLayer;
use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Repository};
use windlass_registry::image::Descriptor;
use windlass_registry::{Arriving, Blobs, Placed, Registry, Sent};

/// A layer of so many bytes is sent while it is being written. The registry is asked first whether it has a smaller one, which
/// costs less than it could save.
const SENT_UNFINISHED: u64 = 8 << 20;

/// Layers of a build on their way to the destinations. Dropped, it stops.
pub(crate) struct Ahead {
    listener: Option<UnboundedSender<NewLayer>>,
    sending: JoinHandle<()>,
}

impl Ahead {
    /// Sends each layer that the listener is told of to every one of `repositories`: when it is whole if it `may_be_known`, so
    /// that a registry which has it from another build is not sent it again.
    pub(crate) fn start(
        registry: &Registry,
        repositories: Vec<Repository>,
        blobs: &Blobs,
        may_be_known: bool,
        events: &EventSink,
    ) -> Self {
        let (listener, layers) = unbounded_channel();
        let sender = Sender {
            registry: registry.clone(),
            repositories,
            blobs: blobs.clone(),
            events: events.clone(),
            takes_unfinished: AtomicBool::new(!may_be_known),
            has_failed: AtomicBool::new(false),
        };
        Self { listener: Some(listener), sending: tokio::spawn(sender.send_all(layers)) }
    }

    /// Whom the build tells of its layers. The work ends when the build has let go of it.
    pub(crate) fn listener(&mut self) -> Option<UnboundedSender<NewLayer>> {
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
    /// Whether layers go to the first repository before their end is known.
    takes_unfinished: AtomicBool,
    has_failed: AtomicBool,
}

impl Sender {
    async fn send_all(self, layers: UnboundedReceiver<NewLayer>) {
        let layers = stream::unfold(layers, |mut layers| async move { layers.recv().await.map(|layer| (layer, layers)) });
        // The registry's client bounds how many are sent at a time.
        layers.for_each_concurrent(None, |layer| self.send(layer)).await;
    }

    async fn send(&self, NewLayer { bytes, blob }: NewLayer) {
        let sent = self.send_unfinished(bytes).await;
        let Some(layer) = blob.await else { return };
        if let Some(sent) = sent {
            self.end(sent, &layer).await;
        }
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

    /// Sends a large layer to the first repository while it is being written. The others get it when it is whole: from there,
    /// where they are of the same registry.
    async fn send_unfinished(&self, bytes: Arriving) -> Option<Sent> {
        let repository = self.repositories.first()?;
        let is_worth_it = bytes.has_grown_to(SENT_UNFINISHED).await;
        if !is_worth_it || !self.takes_unfinished.load(Ordering::Relaxed) || self.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        match self.registry.send_arriving(repository, bytes).await {
            Ok(sent) => Some(sent),
            Err(error) => {
                tracing::debug!(%error, "layers are sent when they are whole");
                self.takes_unfinished.store(false, Ordering::Relaxed);
                None
            }
        }
    }

    async fn end(&self, sent: Sent, layer: &Descriptor) {
        let repository = sent.repository().clone();
        match self.registry.end_upload(sent, layer).await {
            Ok(()) => self.tell(&repository, layer),
            Err(error) => tracing::debug!(%error, "the layer is sent again, whole"),
        }
    }

    fn tell(&self, repository: &Repository, layer: &Descriptor) {
        let short = layer.digest.hex().get(..12).unwrap_or_default();
        let task = self.events.start(Stage::Push, format!("push {}:{short} to {repository}", layer.digest.algorithm()));
        task.progress(layer.size, Some(layer.size));
        task.finish(Outcome::Done);
    }
}
