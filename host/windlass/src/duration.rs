//! Durations as CI systems write them.

use std::time::Duration;

/// Reads `10m`, `1h 30m`, `1d`, `1w` or `90s`; the parts add up. An empty text is no limit.
///
/// # Errors
/// When a part is no number with a unit; the text names the part.
pub(crate) fn parse(text: &str) -> Result<Option<Duration>, String> {
    let mut total = Duration::ZERO;
    let mut digits = String::new();
    let mut seen = false;
    for c in text.chars() {
        let seconds = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            ' ' => continue,
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            other => {
                return Err(format!(
                    "`{text}` is not a duration: unexpected `{other}`; expected such as `90s`, `10m` or `1h 30m`"
                ));
            }
        };
        let count: u64 = digits.parse().map_err(|_| format!("`{text}` is not a duration: a number must stand before `{c}`"))?;
        total = total.saturating_add(Duration::from_secs(count.saturating_mul(seconds)));
        digits.clear();
        seen = true;
    }
    if !digits.is_empty() {
        return Err(format!("`{text}` is not a duration: `{digits}` has no unit; expected such as `90s`, `10m` or `1h 30m`"));
    }
    Ok(seen.then_some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        assert_eq!(parse("1h 30m"), Ok(Some(Duration::from_secs(5400))));
        assert_eq!(parse("1w2d"), Ok(Some(Duration::from_secs(9 * 86_400))));
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn what_is_no_duration_is_named() {
        assert!(parse("10").unwrap_err().contains("no unit"));
        assert!(parse("h").unwrap_err().contains("number"));
        assert!(parse("1x").unwrap_err().contains("`x`"));
    }
}
