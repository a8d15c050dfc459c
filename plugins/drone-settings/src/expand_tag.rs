//! `PLUGIN_EXPAND_TAG`: a version becomes the tags of all its levels.

/// The tags that a tag stands for: `v1.2.3` gives `1`, `1.2` and `1.2.3`; a pre-release gives itself only, without `v`;
/// what is no version stays as it is. Missing parts count as 0. Build metadata stays on every tag, after a `-`, since
/// no registry takes a `+`.
pub(crate) fn expand(tag: &str) -> Vec<String> {
    let text = tag.replace('_', "-");
    let version = text.strip_prefix('v').unwrap_or(&text);
    let (rest, metadata) = split(version, '+');
    let (core, pre_release) = split(rest, '-');
    let parts: Vec<&str> = core.split('.').collect();
    let known = parts.len() <= 3 && parts.iter().all(|part| is_number(part)) && identifiers(pre_release) && identifiers(metadata);
    // A short version with more behind it is none, as in Go's semver: `1.2-rc1` may mean anything.
    if !known || (parts.len() < 3 && (pre_release.is_some() || metadata.is_some())) {
        return vec![tag.to_owned()];
    }
    let number = |index: usize| parts.get(index).copied().unwrap_or("0");
    let (major, minor, patch) = (number(0), number(1), number(2));
    let build = metadata.map(|text| format!("-{text}")).unwrap_or_default();
    match pre_release {
        Some(pre_release) => vec![format!("{major}.{minor}.{patch}-{pre_release}{build}")],
        None => vec![format!("{major}{build}"), format!("{major}.{minor}{build}"), format!("{major}.{minor}.{patch}{build}")],
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(left, right)| (left, Some(right)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

fn identifiers(text: Option<&str>) -> bool {
    let identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.is_none_or(|text| text.split('.').all(identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_become_all_their_levels() {
        for (tag, expected) in [
            ("v1.2.3", "1 1.2 1.2.3"),
            ("1.2.3", "1 1.2 1.2.3"),
            ("v1.2", "1 1.2 1.2.0"),
            ("v1", "1 1.0 1.0.0"),
            ("0.3.1", "0 0.3 0.3.1"),
            ("v1.2.3-rc.1", "1.2.3-rc.1"),
            ("v1.2.3_rc_1", "1.2.3-rc-1"),
            ("v1.2.3+linux_amd64", "1-linux-amd64 1.2-linux-amd64 1.2.3-linux-amd64"),
            ("latest", "latest"),
            ("my_tag", "my_tag"),
            ("01.2.3", "01.2.3"),
            ("1.2.3.4", "1.2.3.4"),
            ("1.2-rc1", "1.2-rc1"),
            ("1.2.3-", "1.2.3-"),
        ] {
            assert_eq!(expand(tag).join(" "), expected, "{tag}");
        }
    }
}
