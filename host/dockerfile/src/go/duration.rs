//! Durations as Go's `time` package reads and writes them, in nanoseconds.

const UNITS: [(&str, f64, i64); 8] = [
    ("ns", 1.0, 1),
    ("us", 1e3, 1_000),
    ("µs", 1e3, 1_000),
    ("μs", 1e3, 1_000),
    ("ms", 1e6, 1_000_000),
    ("s", 1e9, 1_000_000_000),
    ("m", 6e10, 60_000_000_000),
    ("h", 3.6e12, 3_600_000_000_000),
];

/// `1m30s`, `500ms`, `1.5h`, `-1s` or `0`; `None` for what is no duration or does not fit.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(sign * total)
}

fn part(number: &str, unit: &str) -> Option<i64> {
    let (_, fraction_factor, factor) = UNITS.into_iter().find(|(name, ..)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.checked_mul(factor)? };
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? * fraction_factor };
    whole.checked_add(fraction as i64)
}

/// `1m30s`, `1.5ms`, `0s`: the shortest text, as `time.Duration` prints itself.
#[must_use]
pub fn format_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let small = match total {
        0 => return "0s".to_owned(),
        1..1_000 => Some((1, "ns")),
        1_000..1_000_000 => Some((1_000, "µs")),
        1_000_000..1_000_000_000 => Some((1_000_000, "ms")),
        _ => None,
    };
    if let Some((unit, name)) = small {
        return format!("{sign}{}{name}", decimal(total, unit));
    }
    let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let fraction = value % unit;
    if fraction == 0 {
        return (value / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{}.{fraction:0width$}", value / unit).trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("1m30s"), Some(90_000_000_000));
        assert_eq!(parse_duration("0.1ms"), Some(100_000));
        assert_eq!(parse_duration("1.5h"), Some(5_400_000_000_000));
        assert_eq!(parse_duration("-2us"), Some(-2_000));
        assert_eq!(parse_duration("0"), Some(0));
        for text in ["", "1", "s", ".s", "1x", "99999999h", "1..2s", "-"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_in_their_shortest_form() {
        for text in ["1m30s", "0s", "500ms", "1.5ms", "3h0m0.25s", "7ns", "-2µs", "1h0m0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
