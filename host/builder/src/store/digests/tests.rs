use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::store::Store;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanoseconds: 5 }
}

fn print(name: &str) -> Fingerprint {
    Fingerprint::new(name.as_bytes(), 1, 2, at(10), at(10))
}

fn learn(memory: &DigestMemory, name: &str, byte: u8) {
    memory.put(print(name), at(10), at(10), at(100), Remembered { digest: [byte; 32], has_capabilities: byte == 9 });
}

fn ask(memory: &DigestMemory, name: &str) -> Option<u8> {
    memory.get_all(&[print(name)])[0].map(|found| found.digest[0])
}

#[test]
fn digests_are_known_again_in_the_next_run_and_only_for_the_same_state() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    for number in 0..100u8 {
        learn(&memory, &number.to_string(), number);
    }
    store.save_digests(&memory).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    for number in 0..100u8 {
        assert_eq!(ask(&memory, &number.to_string()), Some(number));
    }
    assert!(memory.get_all(&[print("9")])[0].unwrap().has_capabilities);
    assert_eq!(ask(&memory, "100"), None);
    let changed = [
        Fingerprint::new(b"1", 2, 2, at(10), at(10)),
        Fingerprint::new(b"1", 1, 3, at(10), at(10)),
        Fingerprint::new(b"1", 1, 2, at(11), at(10)),
        Fingerprint::new(b"1", 1, 2, at(10), at(11)),
    ];
    assert_eq!(memory.get_all(&changed), [None; 4]);
    assert_eq!(ask(&store.digest_memory(Path::new("/other")), "1"), None);
}

#[test]
fn a_file_that_has_just_changed_is_not_remembered() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    let value = Remembered { digest: [1; 32], has_capabilities: false };
    memory.put(print("modified"), at(99), at(10), at(100), value);
    memory.put(print("changed"), at(10), at(98), at(100), value);
    memory.put(print("future"), at(5000), at(10), at(100), value);
    memory.put(print("settled"), at(10), at(97), at(100), value);
    let known: Vec<_> = ["modified", "changed", "future", "settled"].map(|name| ask(&memory, name).is_some()).into();
    assert_eq!(known, [false, false, false, true]);
}

#[test]
fn damaged_truncated_and_foreign_files_count_as_empty() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    learn(&memory, "a", 1);
    learn(&memory, "b", 2);
    store.save_digests(&memory).unwrap();
    let good = std::fs::read(memory.path()).unwrap();
    let mut variants: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    variants.extend((0..good.len()).map(|index| {
        let mut flipped = good.clone();
        flipped[index] ^= 0x40;
        flipped
    }));
    for variant in variants {
        std::fs::write(memory.path(), variant).unwrap();
        assert_eq!(ask(&store.digest_memory(Path::new("/context")), "a"), None);
    }
}

#[test]
fn records_that_nobody_asks_for_are_dropped_in_the_end() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for run in 0..40u8 {
        let memory = store.digest_memory(Path::new("/context"));
        if run == 0 {
            learn(&memory, "unused", 1);
            learn(&memory, "used", 2);
        }
        assert_eq!(ask(&memory, "used"), Some(2));
        learn(&memory, &format!("run {run}"), run);
        store.save_digests(&memory).unwrap();
    }
    let memory = store.digest_memory(Path::new("/context"));
    assert_eq!((ask(&memory, "used"), ask(&memory, "unused")), (Some(2), None));
}

#[test]
fn all_of_many_records_are_found_however_they_are_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    // About the sizes of what is read at once.
    for count in [159, 160, 161, 5119, 5120, 5121, 12_000] {
        let context = count.to_string();
        let memory = store.digest_memory(Path::new(&context));
        let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        names.iter().zip(0u32..).for_each(|(name, number)| learn(&memory, name, number.to_le_bytes()[0]));
        store.save_digests(&memory).unwrap();
        let memory = store.digest_memory(Path::new(&context));
        for portion in [1, 7, 1000, count] {
            for names in names.chunks(portion).take(100) {
                let mut asked: Vec<Fingerprint> = names.iter().map(|name| print(name)).collect();
                asked.extend([print("unknown"), Fingerprint([0; 16]), Fingerprint([255; 16]), asked[0]]);
                let found: Vec<_> = memory.get_all(&asked).iter().map(|found| found.map(|found| found.digest[0])).collect();
                let mut expected: Vec<_> = names.iter().map(|name| Some(name.parse::<u32>().unwrap().to_le_bytes()[0])).collect();
                expected.extend([None, None, None, expected[0]]);
                assert_eq!(found, expected, "{portion} of {count}");
            }
        }
        assert!(memory.state().used.iter().all(|used| *used));
    }
}

#[test]
fn what_another_build_saves_meanwhile_changes_no_answer() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let open = || store.digest_memory(Path::new("/context"));
    let first = open();
    learn(&first, "a", 1);
    store.save_digests(&first).unwrap();
    let (one, other) = (open(), open());
    (0..100).for_each(|number| learn(&other, &format!("other {number}"), 2));
    store.save_digests(&other).unwrap();
    assert_eq!((ask(&one, "a"), ask(&one, "other 1")), (Some(1), None));
    learn(&one, "b", 3);
    store.save_digests(&one).unwrap();
    assert_eq!((ask(&open(), "a"), ask(&open(), "b")), (Some(1), Some(3)));
}

#[test]
fn new_records_beyond_the_limit_are_dropped_and_old_ones_make_room_for_new_ones() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let open = || DigestMemory { most: 10, most_in_memory: 3, ..store.digest_memory(Path::new("/context")) };
    let known = |what: &str| (0..20).filter(|number| ask(&open(), &format!("{what} {number}")).is_some()).count();
    let memory = open();
    (0..20).for_each(|number| learn(&memory, &format!("old {number}"), 1));
    store.save_digests(&memory).unwrap();
    assert_eq!(known("old"), 10);
    let memory = open();
    (0..4).for_each(|number| learn(&memory, &format!("new {number}"), 1));
    store.save_digests(&memory).unwrap();
    assert_eq!((known("new"), known("old")), (4, 6));
}

#[test]
fn a_run_that_cannot_be_written_loses_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    learn(&memory, "old", 1);
    store.save_digests(&memory).unwrap();
    let memory = DigestMemory { most_in_memory: 2, ..store.digest_memory(Path::new("/context")) };
    let scratch = root.path().join("scratch");
    memory.state().runs = Runs::new(&scratch);
    ["lost", "lost too"].iter().for_each(|name| learn(&memory, name, 2));
    std::fs::create_dir(&scratch).unwrap();
    ["run 1", "run 2", "in memory"].iter().for_each(|name| learn(&memory, name, 3));
    assert_eq!((ask(&memory, "old"), ask(&memory, "in memory")), (Some(1), Some(3)));
    store.save_digests(&memory).unwrap();
    let memory = store.digest_memory(Path::new("/context"));
    let known = ["old", "lost", "lost too", "run 1", "run 2", "in memory"].map(|name| ask(&memory, name));
    assert_eq!(known, [Some(1), None, None, Some(3), Some(3), Some(3)]);
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
}

#[derive(Debug, Clone)]
enum Call {
    Put(u8, u8),
    GetAll(Vec<u8>),
}

fn call() -> impl Strategy<Value = Call> {
    let key = 0..40u8;
    prop_oneof![
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Call::Put(key, value)),
        proptest::collection::vec(key, 0..12).prop_map(Call::GetAll),
    ]
}

/// What [`DigestMemory`] should know, kept simply.
#[derive(Debug, Default)]
struct Model {
    /// Values with their ages.
    old: HashMap<u8, (u8, u8)>,
    used: BTreeSet<u8>,
    in_memory: HashMap<u8, u8>,
    new: HashMap<u8, u8>,
}

impl Model {
    fn put(&mut self, key: u8, value: u8, most_in_memory: usize) {
        self.new.insert(key, value);
        self.in_memory.insert(key, value);
        if self.in_memory.len() >= most_in_memory {
            self.in_memory.clear();
        }
    }

    fn get(&mut self, key: u8) -> Option<u8> {
        self.in_memory.get(&key).copied().or_else(|| {
            let (value, _) = self.old.get(&key)?;
            self.used.insert(key);
            Some(*value)
        })
    }

    fn save(&mut self) {
        if !self.new.is_empty() {
            for (key, (_, age)) in &mut self.old {
                *age = if self.used.contains(key) { 0 } else { *age + 1 };
            }
            self.old.retain(|_, (_, age)| *age < OLDEST);
            self.old.extend(self.new.drain().map(|(key, value)| (key, (value, 0))));
        }
        self.used.clear();
        self.in_memory.clear();
    }
}

proptest! {
    #[test]
    fn runs_and_merges_agree_with_a_map(
        sessions in proptest::collection::vec(proptest::collection::vec(call(), 0..12), 1..40),
        most_in_memory in 1..8usize,
    ) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let mut model = Model::default();
        for calls in sessions {
            let memory = DigestMemory { most_in_memory, ..store.digest_memory(Path::new("/context")) };
            for call in calls {
                match call {
                    Call::Put(key, value) => {
                        learn(&memory, &key.to_string(), value);
                        model.put(key, value, most_in_memory);
                        prop_assert!(memory.state().new.len() < most_in_memory);
                    }
                    Call::GetAll(keys) => {
                        let prints: Vec<_> = keys.iter().map(|key| print(&key.to_string())).collect();
                        let found: Vec<_> = memory.get_all(&prints).iter().map(|found| found.map(|found| found.digest[0])).collect();
                        let expected: Vec<_> = keys.iter().map(|&key| model.get(key)).collect();
                        prop_assert_eq!(found, expected);
                    }
                }
            }
            store.save_digests(&memory).unwrap();
            model.save();
            let whole = RecordFile::open(memory.path());
            let records: Vec<Record> = whole.records().collect::<Result<_, _>>().unwrap();
            prop_assert!(records.is_sorted_by(|one, other| one.fingerprint() < other.fingerprint()));
            let mut saved: Vec<_> = records.iter().map(|record| (record.fingerprint(), record.value().digest[0], record.age())).collect();
            let mut expected: Vec<_> =
                model.old.iter().map(|(key, (value, age))| (print(&key.to_string()), *value, *age)).collect();
            saved.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(saved, expected);
        }
    }
}
