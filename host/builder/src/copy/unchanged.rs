//! Leaving out of a layer what the image has already.
//!
//! BuildKit compares what a step leaves with what was there: a file copied over its equal, or a directory of which only the
//! time changed, makes no layer.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use windlass_layer::{Content, Entry, EntryKind, Listing, Timestamp, ViewError, same_content};

use super::CopyError;

/// The one extended attribute whose change counts.
const CAPABILITY: &str = "security.capability";

/// `listing` without what is as `before` has it. A directory stays where something below it does, and so do files that have
/// several names in the layer.
///
/// # Errors
/// When what was there before cannot be looked up, or its content would have to be compared and is absent.
pub(super) fn leave_out(
    listing: Listing,
    before: impl Fn(&Path) -> Result<Option<Entry>, CopyError>,
) -> Result<Listing, CopyError> {
    let mut linked: HashSet<PathBuf> = HashSet::new();
    for entry in &listing {
        if let EntryKind::HardLink { target } = &entry.kind {
            linked.extend([target.clone(), entry.path.clone()]);
        }
    }
    let mut led_to: HashSet<PathBuf> = HashSet::new();
    let mut kept = Vec::with_capacity(listing.len());
    // What is below a directory comes after it.
    for entry in listing.into_iter().rev() {
        let may_go = !led_to.contains(&entry.path) && !linked.contains(&entry.path);
        if may_go
            && let Some(below) = before(&entry.path)?
            && is_same(&below, &entry)?
        {
            continue;
        }
        led_to.extend(entry.path.ancestors().skip(1).map(Path::to_path_buf));
        kept.push(entry);
    }
    kept.reverse();
    Ok(kept)
}

/// Whether a new entry is what is below it already.
pub(super) fn is_same(below: &Entry, entry: &Entry) -> Result<bool, ViewError> {
    let capability = |entry: &Entry| entry.xattrs.iter().find(|(name, _)| name == CAPABILITY).map(|(_, value)| value.clone());
    let attributes = |entry: &Entry| (entry.mode, entry.uid, entry.gid, capability(entry));
    if attributes(below) != attributes(entry) {
        return Ok(false);
    }
    Ok(match (&below.kind, &entry.kind) {
        (EntryKind::Directory { .. }, EntryKind::Directory { opaque: false }) => true,
        (EntryKind::File { size, content }, EntryKind::File { size: new_size, content: new }) => {
            let is_absent = *content == Content::Absent;
            if !is_same_time(below.modified, entry.modified) || !is_absent && size != new_size {
                return Ok(false);
            }
            if is_absent {
                return Err(ViewError::Absent { path: entry.path.clone() });
            }
            // Contents that cannot be read are not the same.
            same_content(content, new, *size).unwrap_or(false)
        }
        (EntryKind::Whiteout | EntryKind::HardLink { .. } | EntryKind::Directory { .. }, _) => false,
        (kind, new) => kind == new && is_same_time(below.modified, entry.modified),
    })
}

/// Layers keep whole seconds only.
fn is_same_time(below: Timestamp, new: Timestamp) -> bool {
    let is_whole = below.nanoseconds == 0 || new.nanoseconds == 0;
    below.seconds == new.seconds && (is_whole || below.nanoseconds == new.nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn file(path: &str, content: &str, seconds: i64, nanoseconds: u32) -> Entry {
        let kind = EntryKind::File { size: content.len() as u64, content: Content::Inline(Arc::from(content.as_bytes())) };
        Entry { kind, mode: 0o644, ..Entry::directory(path, Timestamp { seconds, nanoseconds }) }
    }

    fn kept(listing: Listing, before: &[Entry]) -> Vec<PathBuf> {
        let find = |path: &Path| Ok(before.iter().find(|entry| entry.path == path).cloned());
        leave_out(listing, find).unwrap().into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn what_is_there_already_goes_and_directories_stay_for_what_is_below() {
        let directory = |seconds| Entry::directory("d", Timestamp { seconds, nanoseconds: 0 });
        let before = [directory(1), file("d/a", "a", 5, 7), file("d/b", "b", 5, 7)];
        assert!(kept(vec![directory(2), file("d/a", "a", 5, 7)], &before).is_empty());
        assert_eq!(
            kept(vec![directory(2), file("d/a", "a", 5, 7), file("d/b", "c", 5, 7)], &before),
            ["d", "d/b"].map(PathBuf::from)
        );
        assert_eq!(kept(vec![Entry { mode: 0o700, ..directory(1) }], &before), ["d"].map(PathBuf::from));
    }

    #[test]
    fn times_and_contents_count_and_layers_keep_no_parts_of_a_second() {
        let before = [file("f", "a", 5, 7), file("g", "a", 5, 0)];
        for (entry, stays) in [
            (file("f", "a", 5, 8), true),
            (file("f", "a", 6, 7), true),
            (file("f", "b", 5, 7), true),
            (file("f", "a", 5, 0), false),
            (file("g", "a", 5, 9), false),
            (Entry { uid: 1, ..file("g", "a", 5, 0) }, true),
            (Entry { kind: EntryKind::Symlink { target: PathBuf::from("a") }, ..file("g", "a", 5, 0) }, true),
        ] {
            assert_eq!(kept(vec![entry.clone()], &before).len() == 1, stays, "{entry:?}");
        }
    }

    #[test]
    fn files_with_several_names_stay() {
        let link = Entry { kind: EntryKind::HardLink { target: PathBuf::from("f") }, ..file("g", "", 5, 7) };
        assert_eq!(kept(vec![file("f", "a", 5, 7), link], &[file("f", "a", 5, 7)]).len(), 2);
    }
}
