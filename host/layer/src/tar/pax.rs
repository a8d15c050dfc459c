//! PAX extended header records: `LENGTH KEY=VALUE\n`, where LENGTH counts itself.

/// Appends one record.
pub(crate) fn write_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + decimal_digits(length) != length {
        length = rest + decimal_digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Takes the first record off `text`; an error tells what is wrong with it.
pub(crate) fn read_record<'t>(text: &mut &'t [u8]) -> Result<(&'t [u8], &'t [u8]), &'static str> {
    let space = text.iter().take(20).position(|&b| b == b' ').ok_or("a PAX record has no length")?;
    let length: usize = std::str::from_utf8(&text[..space])
        .ok()
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or("a PAX record's length is not a number")?;
    if length <= space + 1 || length > text.len() {
        return Err("a PAX record is longer or shorter than it says");
    }
    let (record, rest) = text.split_at(length);
    let Some((b'\n', record)) = record[space + 1..].split_last() else {
        return Err("a PAX record does not end with a line feed");
    };
    let equals = record.iter().position(|&b| b == b'=').ok_or("a PAX record has no `=`")?;
    if equals == 0 {
        return Err("a PAX record has no key");
    }
    *text = rest;
    Ok((&record[..equals], &record[equals + 1..]))
}

/// A decimal number of a record.
pub(crate) fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// A time of a record: seconds, perhaps negative, with a fraction of any length.
pub(crate) fn time(value: &[u8]) -> Option<crate::Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = number(whole.as_bytes())?;
    let nanoseconds = fraction.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |sum, b| sum * 10 + u32::from(b - b'0'));
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(crate::Timestamp { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Some(crate::Timestamp { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_themselves() {
        for size in 0..2000 {
            let value = vec![b'v'; size];
            let mut out = Vec::new();
            write_record(&mut out, b"path", &value);
            let mut rest = out.as_slice();
            assert_eq!(read_record(&mut rest), Ok((b"path".as_slice(), value.as_slice())));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn broken_records_are_refused() {
        let broken: [&[u8]; 9] =
            [b"", b"x", b"5 a=b", b"999999999999999999999 a=b\n", b"3 \n", b"6 ab\n", b"7 =abc\n", b"100 a=b\n", b"-6 a=b\n"];
        for mut text in broken {
            assert!(read_record(&mut text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_may_be_negative_and_fractional() {
        let time = |text: &str| super::time(text.as_bytes()).map(|t| (t.seconds, t.nanoseconds));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("1.1234567899"), Some((1, 123_456_789)));
        assert_eq!(time("x"), None);
        assert_eq!(time("1.x"), None);
    }
}
