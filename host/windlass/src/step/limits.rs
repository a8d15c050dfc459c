//! Limits of memory and processor time, as docker and as Kubernetes write them.

use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

use super::words::size;

/// Bytes of memory: as docker writes sizes, or with `Ki`, `Mi` or `Gi`.
///
/// # Errors
/// When it is no number, is zero or has another unit.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let is_binary = ["Ki", "Mi", "Gi"].iter().any(|unit| trimmed.ends_with(unit));
    size(if is_binary { &trimmed[..trimmed.len() - 1] } else { trimmed })
        .map_err(|_| format!("`{text}` is not an amount of memory: write such as 512m, 2g or 500Mi"))
}

/// Thousandths of a processor: of a number of processors, such as `2` or `0.5`, or with the unit `m`.
///
/// # Errors
/// When it is no number, less than a hundredth or more than 10,000.
pub fn parse_processors(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not a number of processors: write such as 2, 0.5 or 500m, and at least 0.01");
    let (number, scale) = text.trim().strip_suffix('m').map_or((text.trim(), 1000), |number| (number, 1));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 || (whole.is_empty() && fraction.is_empty()) {
        return Err(wrong());
    }
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let fraction: u32 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
    let thousandths = whole.checked_mul(scale).and_then(|whole| whole.checked_add(fraction * scale / 1000)).ok_or_else(wrong)?;
    if (10..=10_000_000).contains(&thousandths) { Ok(thousandths) } else { Err(wrong()) }
}

/// Bytes of memory and swap together; `-1` is any amount.
///
/// # Errors
/// As with [`parse_memory`].
pub fn parse_memory_and_swap(text: &str) -> Result<u64, String> {
    if text.trim() == "-1" { Ok(u64::MAX) } else { parse_memory(text) }
}

/// Microseconds over which processor time is counted.
///
/// # Errors
/// When it is no number that the kernel takes.
pub fn parse_period(text: &str) -> Result<u64, String> {
    within(text, 1_000..=1_000_000).ok_or_else(|| format!("`{text}` is not a period: write microseconds from 1000 to 1000000"))
}

/// Microseconds of processor time in a period.
///
/// # Errors
/// When it is no number that the kernel takes.
pub fn parse_quota(text: &str) -> Result<u64, String> {
    within(text, 1_000..=1 << 40).ok_or_else(|| format!("`{text}` is not a quota: write microseconds, at least 1000"))
}

/// The share of processor time.
///
/// # Errors
/// When it is no number that the kernel takes.
pub fn parse_shares(text: &str) -> Result<u64, String> {
    within(text, 2..=262_144).ok_or_else(|| format!("`{text}` is not a share: write a number from 2 to 262144; usual is 1024"))
}

/// Numbers of processors or of nodes of memory.
///
/// # Errors
/// When it is no such list.
pub fn parse_set(text: &str) -> Result<String, String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    let is_range = |part: &str| match part.split_once('-') {
        Some((first, last)) => matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last),
        None => number(part).is_some(),
    };
    if text.split(',').all(is_range) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no set: write such as 0-3 or 0,2")) }
}

/// A control group, as a path below the root of a hierarchy.
///
/// # Errors
/// When it leads elsewhere.
pub fn parse_control_group(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let wrong = || format!("`{text}` is no control group: write its path from the root of the hierarchy, such as /builds");
    if path.is_absolute() && path != Path::new("/") && is_plain { Ok(path) } else { Err(wrong()) }
}

fn within(text: &str, range: RangeInclusive<u64>) -> Option<u64> {
    text.parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read() {
        assert_eq!(
            (parse_memory("512m"), parse_memory("500Mi"), parse_memory("2Gi")),
            (Ok(512 << 20), Ok(500 << 20), Ok(2 << 30))
        );
        assert!(["", "0", "Mi", "12Ti", "x"].iter().all(|text| parse_memory(text).is_err()));
        let read = ["2", "0.5", ".25", "500m", "1.125"].map(|text| parse_processors(text).unwrap());
        assert_eq!(read, [2000, 500, 250, 500, 1125]);
        assert!(
            ["", ".", "0", "0.001", "-1", "1.0005", "99999999", "two", "5 m"].iter().all(|text| parse_processors(text).is_err())
        );
    }
    #[test]
    fn dockers_other_limits_are_read_and_others_refused() {
        assert_eq!((parse_memory_and_swap("-1"), parse_memory_and_swap("1g")), (Ok(u64::MAX), Ok(1 << 30)));
        assert_eq!((parse_period("50000"), parse_quota("1000"), parse_shares("2")), (Ok(50_000), Ok(1000), Ok(2)));
        assert!(parse_period("999").is_err() && parse_quota("-5").is_err() && parse_shares("1").is_err());
        assert_eq!(["0", "0-3,5"].map(|text| parse_set(text).unwrap()), ["0", "0-3,5"]);
        assert!(["", "3-1", "a", "0,", "-1", "+1", "0\n1"].iter().all(|text| parse_set(text).is_err()));
        assert_eq!(parse_control_group("/a/b"), Ok("/a/b".into()));
        assert!(["", "/", "a", "/a/../b"].iter().all(|text| parse_control_group(text).is_err()));
    }
}
