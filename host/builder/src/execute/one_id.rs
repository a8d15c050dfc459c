//! RUN where there is one id only: owners are those that the command meant, not those on disk.

use std::io;
use std::path::Path;

use windlass_layer::{EntryKind, OWNER_MARK, Snapshot, View, Wanted};
use windlass_sandbox::{Isolation, Mount, MountKind, OwnerRecord, RunSpec};

use super::error::Problem;
use super::session::Session;

/// Where apt looks for settings.
const APT_SETTINGS: &str = "etc/apt/apt.conf.d";
/// apt makes sure that it has become the user `_apt`, which it cannot, and fetches nothing then.
const APT_STAYS_ROOT: &[u8] = b"APT::Sandbox::User \"root\";\n";

/// What is needed to tell the owners of a command's files.
pub(crate) struct OneId {
    record: OwnerRecord,
    creator: (u32, u32),
}

impl OneId {
    /// Has the command's changes of owners noted down, in `root`, and package managers get along with one id. `None` where
    /// there are more.
    pub(crate) fn prepare(session: &Session, root: &Path, view: &View, spec: &mut RunSpec) -> Result<Option<Self>, Problem> {
        if session.request.isolation() != Isolation::SingleId {
            return Ok(None);
        }
        let record = OwnerRecord { attribute: OWNER_MARK.to_owned(), file: root.join("wanted-owners") };
        spec.owners = Some(record.clone());
        let settings = view.lookup(Path::new(APT_SETTINGS)).map_err(Problem::from_error)?;
        if settings.is_some_and(|entry| matches!(entry.kind, EntryKind::Directory { .. })) {
            let kind = MountKind::Secret { content: APT_STAYS_ROOT.to_vec().into(), mode: 0o644, uid: 0, gid: 0 };
            spec.mounts.push(Mount { target: Path::new("/").join(APT_SETTINGS).join("zz-one-id"), kind });
        }
        Ok(Some(Self { record, creator: (spec.user.uid, spec.user.gid) }))
    }

    /// Records the owners of what the command has left in `snapshot`.
    pub(crate) fn settle(self, snapshot: &Snapshot, view: &View) -> Result<(), Problem> {
        let wanted = Wanted { creator: self.creator, paths: self.record.paths().map_err(Problem::from_error)? };
        windlass_layer::settle(snapshot, view, &wanted).map_err(Problem::from_error)?;
        match std::fs::remove_file(&self.record.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Problem::from_error(error)),
            _ => Ok(()),
        }
    }
}
