//! What steps have made: written as layers, recorded, and told of.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use windlass_layer::{Compression, DiffError, Entry, LayerOptions, Listing};
use windlass_registry::image::Descriptor;
use windlass_registry::{Arrival, Arriving, arriving};

use super::Session;
use crate::execute::error::{BuildError, Problem};
use crate::execute::layer::{BlobFuture, BuildLayer};
use crate::execute::lineage::Continues;
use crate::execute::remote_cache::Whence;
use crate::store::{KeyBuilder, SnapshotId, StepKey, StepLayer, StepRecord};

/// Where the entries of a layer that is to be written come from.
pub(crate) enum EntrySource {
    /// They are in memory, their contents where they come from.
    Listed(Arc<Listing>),
    /// They are read off the layer's directory, or made while they are written.
    Read(Box<dyn Iterator<Item = Result<Entry, DiffError>> + Send>),
}

/// A layer that a step has made.
pub(crate) struct Made {
    /// Its entries.
    pub(crate) entries: EntrySource,
    /// The keys it is recorded under.
    pub(crate) keys: Vec<StepKey>,
    /// What later steps build on.
    pub(crate) continues: Continues,
    /// The directory it was left in, when that is not the one that its key names.
    pub(crate) snapshot: Option<SnapshotId>,
    /// When it was made.
    pub(crate) created: String,
    /// Makes sure, once it has been written, that its files are still what the key stands for.
    pub(crate) verify: Box<dyn FnOnce() -> Result<(), Problem> + Send>,
}

/// A layer that is being written.
pub(crate) struct Writing {
    /// What it is in the end.
    pub(crate) blob: BlobFuture,
    /// Its bytes meanwhile.
    pub(crate) bytes: Arriving,
}

/// A layer of the image that a step makes, while it is being written.
pub struct NewLayer {
    /// Its bytes, as they are written.
    pub bytes: Arriving,
    /// What it is, once it is in the store; `None` when it was not made after all.
    pub blob: BoxFuture<'static, Option<Descriptor>>,
}

impl fmt::Debug for NewLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLayer").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Session {
    /// Compresses a layer in the background and records under `keys` what the step has made.
    pub(crate) fn write_layer(self: &Arc<Self>, made: Made) -> Writing {
        let session = Arc::clone(self);
        let (arrival, bytes) = arriving();
        let written = self.work.start_in_turn(move || session.write_layer_now(made, arrival));
        let ended = |error: tokio::task::JoinError| Err(Arc::new(BuildError::Internal(error.to_string())));
        let blob = written.map(move |joined| joined.flatten().unwrap_or_else(ended)).boxed().shared();
        // Its result is shared when it is there, also where no image waits for it.
        self.sharing.wait_for(blob.clone().map(drop).boxed());
        Writing { blob, bytes }
    }

    fn write_layer_now(&self, made: Made, arrival: Arrival) -> Result<Arc<StepLayer>, Arc<BuildError>> {
        let wrong = |error: Problem| Arc::new(BuildError::Layer(error));
        let options = LayerOptions {
            compression: self.compression,
            latest_modification: self.request.source_date_epoch,
            ..LayerOptions::default()
        };
        // What writes a layer has summed its blob.
        let writer = self.blobs.unsummed_writer().and_then(|writer| writer.announced(arrival));
        let writer = writer.map_err(|error| wrong(Problem::from_error(error)))?;
        let mut writer = self.work.watched(writer);
        let blob = match made.entries {
            EntrySource::Listed(listing) => windlass_layer::write_layer(&listing, &options, &mut writer),
            EntrySource::Read(entries) => windlass_layer::write_changes(entries, &options, &mut writer),
        };
        let blob = blob.map_err(|error| wrong(Problem::from_error(error)))?;
        (made.verify)().map_err(wrong)?;
        writer.into_inner().place(&blob.digest).map_err(|error| wrong(Problem::from_error(error)))?;
        let layer = StepLayer::of(blob, made.snapshot);
        let continues = made.keys.first().and_then(|key| made.continues.key(key, &layer.diff_id));
        self.record(&made.keys, &StepRecord { layer: Some(layer.clone()), created: made.created, continues })?;
        Ok(Arc::new(layer))
    }

    /// Tells of a layer of the image that is being written.
    pub(crate) fn tell_of(&self, layer: &Arc<BuildLayer>) {
        let Some(listener) = self.new_layers.as_ref().filter(|_| layer.origin().is_none()) else { return };
        let Some(bytes) = layer.take_bytes() else { return };
        let layer = Arc::clone(layer);
        let blob = async move {
            let blob = layer.blob().await.ok()?;
            Some(Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size))
        };
        // Whoever has stopped listening needs to know no more.
        let _ = listener.send(NewLayer { bytes, blob: blob.boxed() });
    }

    /// Records what a step has made: under its key, which comes first in `keys`, and under shortcuts to that.
    pub(crate) fn record(&self, keys: &[StepKey], record: &StepRecord) -> Result<(), Arc<BuildError>> {
        for key in keys {
            let continues = record.continues.or_else(|| keys.first().filter(|first| *first != key).copied());
            let record = StepRecord { continues, ..record.clone() };
            let key = self.blob_key(key);
            self.store.record_step(&key, &record).map_err(|error| Arc::new(BuildError::Store(error)))?;
            self.sharing.tell(key, &record, Whence::Made);
        }
        Ok(())
    }

    /// The key of a step's blob. What a step makes of the files does not depend on how the layer is compressed and which
    /// times it may have; its blob does.
    pub(in crate::execute) fn blob_key(&self, key: &StepKey) -> StepKey {
        let (compression, source_date_epoch) = (self.compression, self.request.source_date_epoch);
        if compression == Compression::default() && source_date_epoch.is_none() {
            return *key;
        }
        KeyBuilder::new("blob")
            .field("step", key.as_bytes())
            .field("compression", format!("{compression:?}"))
            .field("epoch", format!("{source_date_epoch:?}"))
            .finish()
    }
}
