//! Messages on the wire (RFC 4251, section 5): lengths of four bytes before everything.

use std::io::{self, Read, Write};

/// What an agent says when it cannot or will not.
pub(super) const FAILURE: u8 = 5;
/// No message of the protocol comes near this.
const LARGEST: u32 = 256 << 10;

/// The next message, without its length; nothing at the end of the connection.
pub(super) fn read_frame(source: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match source.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if length > LARGEST {
        return Err(io::Error::other("a message to the ssh agent is too long"));
    }
    let mut message = vec![0; length as usize];
    source.read_exact(&mut message)?;
    Ok(Some(message))
}

pub(super) fn write_frame(target: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let mut framed = Vec::with_capacity(4 + message.len());
    put_text(&mut framed, message);
    target.write_all(&framed)
}

/// Appends bytes with their length before them.
pub(super) fn put_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys, signatures and messages are far below 4 GiB");
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

/// Appends a positive number: its bytes without leading zeros, but with one where its highest bit would be a sign.
pub(super) fn put_number(out: &mut Vec<u8>, bytes: &[u8]) {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let mut number = Vec::new();
    if bytes.get(first).is_some_and(|byte| byte & 0x80 != 0) {
        number.push(0);
    }
    number.extend(&bytes[first..]);
    put_text(out, &number);
}

/// Takes bytes with their length before them off the front of `rest`.
pub(super) fn take_text<'m>(rest: &mut &'m [u8]) -> Option<&'m [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(text)
}

/// Takes a number of four bytes off the front of `rest`.
pub(super) fn take_word(rest: &mut &[u8]) -> Option<u32> {
    let (word, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_written_and_read_back() {
        let mut out = Vec::new();
        put_text(&mut out, b"ab");
        put_number(&mut out, &[0, 0, 0x80, 1]);
        put_number(&mut out, &[0, 0x7f]);
        out.extend(7u32.to_be_bytes());
        let mut rest = out.as_slice();
        assert_eq!(take_text(&mut rest), Some(&b"ab"[..]));
        assert_eq!(take_text(&mut rest), Some(&[0, 0x80, 1][..]));
        assert_eq!(take_text(&mut rest), Some(&[0x7f][..]));
        assert_eq!((take_word(&mut rest), take_word(&mut rest), take_text(&mut rest)), (Some(7), None, None));
    }

    #[test]
    fn a_message_that_claims_too_much_is_refused_before_memory_is_taken() {
        assert!(read_frame(&mut &[0xff, 0xff, 0xff, 0xff][..]).is_err());
        assert_eq!(read_frame(&mut &[][..]).unwrap(), None);
    }
}
