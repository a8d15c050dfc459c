//! The names of unpacked layers in the store.

use windlass_layer::{OverlayXattrs, Ownership, Snapshot};

use super::Session;
use crate::store::{SnapshotId, StepKey, StepLayer};

impl Session {
    /// The unpacked layer of that name, if it is there and whole.
    pub(crate) fn snapshot(&self, id: &SnapshotId) -> Option<Snapshot> {
        let root = self.store.sound_snapshot(id, &self.events)?;
        Some(Snapshot::open(root, self.format))
    }

    /// The name of the directory that a step's layer is kept in. Its form depends on the isolation.
    pub(crate) fn snapshot_id(&self, key: &StepKey) -> SnapshotId {
        self.named_snapshot(key, "")
    }

    /// The name for a step that runs although the cache may know it: what the cache knows stays as it is.
    pub(crate) fn fresh_snapshot_id(&self, key: &StepKey) -> SnapshotId {
        self.named_snapshot(key, &format!("-{}", self.nonce))
    }

    /// The name that belongs to a layer of the cache, in the form of this build's isolation.
    pub(crate) fn recorded_snapshot_id(&self, key: &StepKey, layer: &StepLayer) -> SnapshotId {
        let plain = self.named_snapshot(key, "");
        let unique = layer.snapshot.as_ref().and_then(|id| id.as_str().get(plain.as_str().len()..));
        self.named_snapshot(key, unique.unwrap_or_default())
    }

    pub(super) fn named_snapshot(&self, key: &StepKey, unique: &str) -> SnapshotId {
        let form = match (self.format.ownership, self.format.overlay_xattrs) {
            (Ownership::Recorded, _) => "s",
            // Without a user namespace, ids on disk are what they are in the image.
            (Ownership::Apply, OverlayXattrs::User) if self.request.isolation().is_plain() => "c",
            (Ownership::Apply, OverlayXattrs::User) => "u",
            (Ownership::Apply, OverlayXattrs::Trusted) => "r",
        };
        SnapshotId::parse(&format!("{key}-{form}{unique}")).expect("hexadecimal digits, letters and dashes are a snapshot's name")
    }
}
