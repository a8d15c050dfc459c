//! Layers of more entries than the memory should hold: they are made while the layer is written.

use std::borrow::Cow;
use std::collections::VecDeque;

use windlass_layer::{Entry, EntryKind, View};

use super::CopyError;
use super::item::{FileItem, Item, ItemKind, Pick, Record};
use super::place::{Attributes, Destination, Placing};
use super::records::Reader;
use super::target::Target;
use super::unchanged::is_same;

/// The entries that one source makes, in the order in which they are listed where they are few: objects of one source never
/// take each other's place, so that an entry is settled as soon as its object has been placed.
#[derive(Debug)]
pub struct Streamed {
    records: Reader<'static>,
    pick: Pick,
    destination: Destination,
    attributes: Attributes,
    target: Target,
    placing: Option<Placing>,
    ready: VecDeque<Entry>,
    /// Directories on the way that are as they were before, until something below them is not.
    unchanged: Vec<Entry>,
}

impl Streamed {
    /// The entries of the source whose records are read on top of `lower`.
    pub(super) fn new(
        mut records: Reader<'static>,
        lower: View,
        destination: Destination,
        attributes: Attributes,
    ) -> Result<Option<Self>, CopyError> {
        let Some(Record::Pick(pick)) = records.next()?.map(Cow::into_owned) else { return Ok(None) };
        let target = Target::new(Some(lower));
        let (ready, unchanged) = (VecDeque::new(), Vec::new());
        Ok(Some(Self { records, pick, destination, attributes, target, placing: None, ready, unchanged }))
    }

    fn advance(&mut self) -> Result<Option<Entry>, CopyError> {
        while self.ready.is_empty() {
            let Some(record) = self.records.next()? else { return Ok(None) };
            if let Record::Item(item) = &*record {
                self.take(item)?;
            }
        }
        Ok(self.ready.pop_front())
    }

    fn take(&mut self, item: &Item) -> Result<(), CopyError> {
        let placing = match &mut self.placing {
            Some(placing) => placing,
            none => {
                let (pick, attributes) = (self.pick.clone(), self.attributes.clone());
                none.insert(Placing::begin(&mut self.target, pick, item, &self.destination, attributes)?)
            }
        };
        placing.take(&mut self.target, item)?;
        // Names of one file belong together, whether one of them is there already or not.
        let stays = matches!(&item.kind, ItemKind::File(FileItem { file: Some(_), .. }));
        for entry in self.target.take_settled() {
            self.list(entry, stays)?;
        }
        Ok(())
    }

    /// Lists an entry unless it is there already; see [`super::unchanged::leave_out`].
    fn list(&mut self, entry: Entry, stays: bool) -> Result<(), CopyError> {
        self.unchanged.retain(|directory| entry.path.starts_with(&directory.path));
        let is_directory = matches!(entry.kind, EntryKind::Directory { .. });
        let before = if stays && !is_directory { None } else { self.target.lower_entry(&entry.path)? };
        let is_unchanged = before.map(|before| is_same(&before, &entry)).transpose()?.unwrap_or(false);
        match (is_unchanged, is_directory) {
            (true, true) => self.unchanged.push(entry),
            (true, false) => {}
            (false, _) => {
                self.ready.extend(self.unchanged.drain(..));
                self.ready.push_back(entry);
            }
        }
        Ok(())
    }
}

impl Iterator for Streamed {
    type Item = Result<Entry, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
