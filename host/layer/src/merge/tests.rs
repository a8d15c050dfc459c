use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{describe, directory, file, hard_link, symlink};

fn opaque(path: &str) -> Entry {
    Entry { kind: EntryKind::Directory { opaque: true }, ..directory(path) }
}

fn below(layers: &[Listing]) -> View {
    View::new(layers.iter().cloned().map(Layer::listing).collect())
}

fn merged(layers: &[Listing], base: &View) -> Listing {
    settle_removals(merge(layers.iter().cloned().map(Layer::listing).collect()).unwrap(), base).unwrap()
}

#[test]
fn a_removal_of_a_lower_file_survives_and_what_came_and_went_leaves_nothing() {
    let base = below(&[vec![directory("etc"), file("etc/old", "base"), file("etc/kept", "base")]]);
    let layers = [
        vec![directory("etc"), file("etc/old", "changed"), file("etc/new", "new"), directory("tmp"), file("tmp/x", "x")],
        vec![directory("etc"), Entry::whiteout("etc/old"), Entry::whiteout("tmp"), Entry::whiteout("etc/nothing")],
    ];
    assert_eq!(describe(&merged(&layers, &base)), ["dir 755 0:0 etc", "file 644 0:0 etc/new new", "gone etc/old"]);
}

#[test]
fn a_directory_that_was_made_anew_hides_what_it_hid() {
    let base = below(&[vec![directory("d"), file("d/a", "base"), directory("e"), file("e/a", "base"), file("f", "base")]]);
    let layers = [
        vec![Entry::whiteout("d"), file("e", "a file for a while"), Entry::whiteout("f")],
        vec![directory("d"), file("d/b", "new"), directory("e"), file("e/b", "new"), opaque("f"), opaque("g")],
        // Below what is hidden already nothing needs to be hidden.
        vec![directory("d"), Entry::whiteout("d/a"), opaque("d/sub"), file("d/sub/x", "x")],
    ];
    assert_eq!(
        describe(&merged(&layers, &base)),
        [
            "dir 755 0:0 d opaque",
            "file 644 0:0 d/b new",
            "dir 755 0:0 d/sub",
            "file 644 0:0 d/sub/x x",
            "dir 755 0:0 e opaque",
            "file 644 0:0 e/b new",
            "dir 755 0:0 f",
            "dir 755 0:0 g"
        ]
    );
}

#[test]
fn hard_links_keep_their_content_when_their_target_is_replaced() {
    let layers =
        [vec![file("a", "first"), hard_link("b", "a"), hard_link("c", "a"), symlink("l", "a")], vec![file("a", "second")]];
    assert_eq!(
        describe(&merged(&layers, &View::empty())),
        ["file 644 0:0 a second", "file 644 0:0 b first", "hard 644 0:0 c = b", "link 777 0:0 l -> a"]
    );
}

#[test]
fn a_directory_has_the_attributes_that_were_given_last() {
    let told = |mode| vec![Entry { mode, ..directory("d") }];
    let implied = vec![file("d/f", "x"), file("e/f", "x")];
    assert_eq!(
        describe(&merged(&[told(0o700), told(0o711), implied], &below(&[vec![directory("e")]]))),
        ["dir 711 0:0 d", "file 644 0:0 d/f x", "file 644 0:0 e/f x"],
        "what is only implied keeps the attributes that it has below"
    );
}

/// Listings that a step or an archive could have made, over few names so that they meet.
fn listing() -> impl Strategy<Value = Listing> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|names| names.join("/"));
    let entries = prop::collection::vec((path, 0_u8..8, 0_u32..4), 0..10);
    entries.prop_map(|entries| {
        let mut listing: BTreeMap<String, Entry> = BTreeMap::new();
        for (path, kind, detail) in entries {
            let is_inside = |parent: &str| path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
            let is_above = |other: &str| other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
            let is_directory = |entry: &Entry| matches!(entry.kind, EntryKind::Directory { .. });
            let mut entry = match kind {
                0 | 1 => directory(&path),
                2 => opaque(&path),
                3 => Entry::whiteout(&path),
                4 => symlink(&path, "a"),
                _ => file(&path, &detail.to_string()),
            };
            entry.mode = 0o700 + detail;
            if let Some((first, target)) =
                listing.iter().find(|(_, known)| kind == 7 && matches!(known.kind, EntryKind::File { .. }))
                && *first < path
            {
                entry = Entry { mode: target.mode, modified: target.modified, ..hard_link(&path, first) };
            }
            // Whoever removes something tells of the directory that it was in.
            let is_lonely = entry.kind == EntryKind::Whiteout
                && path.rsplit_once('/').is_some_and(|(parent, _)| !listing.contains_key(parent));
            let has_place = listing.iter().all(|(known, there)| !is_inside(known) || is_directory(there));
            let may_stand = is_directory(&entry) || !listing.keys().any(|known| is_above(known));
            if has_place && may_stand && !is_lonely && !listing.contains_key(&path) {
                listing.insert(path, entry);
            }
        }
        listing.into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn merged_layers_look_like_the_layers(
        base in prop::collection::vec(listing(), 0..3),
        layers in prop::collection::vec(listing(), 1..5),
    ) {
        let bottom = below(&base);
        let merged = merged(&layers, &bottom);
        let all = crate::testing::listing(&below(&[base, layers.clone()].concat()));
        let one = crate::testing::listing(&bottom.with(Layer::listing(merged.clone())));
        prop_assert_eq!(&one, &all, "{:?} became {:?}", layers, merged);
        for entry in &merged {
            let there = bottom.lookup(&entry.path).unwrap();
            let removes = matches!(entry.kind, EntryKind::Whiteout | EntryKind::Directory { opaque: true });
            prop_assert!(!removes || there.is_some(), "{:?} removes nothing", entry);
        }
    }
}
