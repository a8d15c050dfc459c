//! Any bytes as an ignore file. Behind a NUL stands a path: a walk that goes down to it must say what a look at once says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass_dockerfile::go::clean_path;
use windlass_dockerfile::ignore::IgnoreRules;

fuzz_target!(|bytes: &[u8]| {
    let (file, path) =
        bytes.iter().position(|&byte| byte == 0).map_or((bytes, &b"a/b"[..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let rules = match IgnoreRules::parse(file, ".dockerignore") {
        Ok(rules) => rules,
        Err(findings) => return assert!(!findings.is_empty()),
    };
    let Ok(path) = std::str::from_utf8(path) else { return };
    let clean = clean_path(path);
    if clean.starts_with('/') || clean.starts_with("..") || clean == "." {
        return;
    }
    let clean = clean.as_bytes();
    let (mut directory, mut is_closed, mut is_ignored) = (rules.root(), false, false);
    for name in clean.split(|&byte| byte == b'/') {
        let entry = rules.entry(&directory, name);
        assert!(!is_closed || entry.is_ignored, "something is let in below a closed directory");
        is_closed |= entry.is_closed;
        is_ignored = entry.is_ignored;
        directory = entry.directory;
    }
    assert_eq!(is_ignored, rules.is_ignored(clean));
});
