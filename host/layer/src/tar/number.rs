//! Numbers in header fields: octal text, or base-256 where the first bit is set (a GNU extension).

/// Reads a field; empty and blank ones are zero. Negative values exist in base-256 only.
pub(crate) fn read(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let text: &[u8] = field.split(|&b| b == 0).next().unwrap_or_default();
    let text = text.trim_ascii();
    let mut value: i64 = 0;
    for &byte in text {
        if !(b'0'..=b'7').contains(&byte) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(value)
}

fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let mut value: i128 = i128::from(field[0] & 0x3f);
    if negative {
        value -= 0x40;
    }
    for &byte in &field[1..] {
        value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
        if i64::try_from(value).is_err() {
            return None;
        }
    }
    i64::try_from(value).ok()
}

/// Writes octal digits with a closing zero byte; false when the number does not fit.
pub(crate) fn write_octal(field: &mut [u8], mut value: u64) -> bool {
    let (last, digits) = match field.split_last_mut() {
        Some(parts) => parts,
        None => return false,
    };
    *last = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_base_256_are_read() {
        assert_eq!(read(b"0000644\0"), Some(0o644));
        assert_eq!(read(b"    644 "), Some(0o644));
        assert_eq!(read(b"\0\0\0\0"), Some(0));
        assert_eq!(read(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(read(&[0xff; 12]), Some(-1));
    }

    #[test]
    fn nonsense_and_overflow_are_refused() {
        assert_eq!(read(b"12x4567\0"), None);
        assert_eq!(read(b"-1"), None);
        assert_eq!(read(&[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(read(b"7777777777777777777777777"), None);
    }

    #[test]
    fn octal_is_written_with_leading_zeros() {
        let mut field = [0; 8];
        assert!(write_octal(&mut field, 0o755));
        assert_eq!(&field, b"0000755\0");
        assert!(!write_octal(&mut field, 0o10_000_000));
    }
}
