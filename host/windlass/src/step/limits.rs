//! Limits of memory and processor time, as docker and as Kubernetes write them.

use super::read::size;

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
}
