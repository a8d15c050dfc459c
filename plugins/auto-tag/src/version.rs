//! Versions as git tags carry them: Semantic Versioning 2.0 with a leading `v` or without, and with leading zeros allowed.

/// A version. The numbers keep the width that they are written with, so that `18.06.0` stays what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version<'a> {
    numbers: [&'a str; 3],
    pre_release: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// Reads a git tag; an error is what is wrong with it.
    pub(crate) fn parse(tag: &'a str) -> Result<Self, &'static str> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let (rest, metadata) = split(text, '+');
        let (core, pre_release) = split(rest, '-');
        let numbers: Vec<&str> = core.split('.').collect();
        let Ok(numbers) = <[&str; 3]>::try_from(numbers) else {
            return Err("it does not have three numbers, as in 1.2.3");
        };
        if !numbers.iter().all(|number| is_number(number)) {
            return Err("one of its three numbers is none");
        }
        if ![pre_release, metadata].into_iter().flatten().all(is_identifiers) {
            return Err("what stands behind the numbers is not letters, digits, `-` and `.`");
        }
        Ok(Self { numbers, pre_release, metadata })
    }

    /// The tags of this version, the least specific one first. One that is unfinished (a pre-release) or special (with
    /// build metadata) moves no floating tag; before 1.0.0 the major number promises nothing and is no tag.
    pub(crate) fn tags(&self) -> Vec<String> {
        let [major, minor, patch] = self.numbers;
        let full = format!("{major}.{minor}.{patch}");
        if self.pre_release.is_some() || self.metadata.is_some() {
            // A registry takes no `+`, so build metadata stands behind a `-`.
            let parts = [self.pre_release, self.metadata].into_iter().flatten();
            return vec![parts.fold(full, |tag, part| format!("{tag}-{part}"))];
        }
        let two = format!("{major}.{minor}");
        if major.bytes().all(|b| b == b'0') { vec![two, full] } else { vec![major.to_owned(), two, full] }
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(left, right)| (left, Some(right)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

fn is_identifiers(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}
