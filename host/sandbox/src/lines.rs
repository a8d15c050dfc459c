//! Output cut into lines, in bounded memory.

/// A longer line is handed on in pieces of this many bytes.
pub(crate) const LIMIT: usize = 16 * 1024;

/// Collects bytes until a line is complete.
#[derive(Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what was read, and gives every line that is complete, without its newline.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.finish_line(&bytes[..end], emit);
            bytes = &bytes[end + 1..];
        }
        self.begun.extend_from_slice(bytes);
        self.cut(emit);
    }

    /// Gives what is left when there is no more to come.
    pub(crate) fn end(&mut self, emit: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            emit(&self.begun);
            self.begun.clear();
        }
    }

    fn finish_line(&mut self, rest: &[u8], emit: &mut impl FnMut(&[u8])) {
        if self.begun.is_empty() && rest.len() <= LIMIT {
            return emit(rest);
        }
        self.begun.extend_from_slice(rest);
        self.cut(emit);
        emit(&self.begun);
        self.begun.clear();
    }

    fn cut(&mut self, emit: &mut impl FnMut(&[u8])) {
        let mut from = 0;
        while self.begun.len() - from > LIMIT {
            let end = character_boundary(&self.begun, from + LIMIT);
            emit(&self.begun[from..end]);
            from = end;
        }
        self.begun.drain(..from);
    }
}

/// The last place not after `end` at which no UTF-8 sequence is cut in two.
fn character_boundary(bytes: &[u8], end: usize) -> usize {
    (end.saturating_sub(3)..=end).rev().find(|place| bytes[*place] & 0xC0 != 0x80).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut emit = |line: &[u8]| seen.push(line.to_vec());
        for chunk in chunks {
            lines.feed(chunk, &mut emit);
        }
        lines.end(&mut emit);
        seen
    }

    #[test]
    fn lines_are_joined_across_reads_and_the_last_needs_no_newline() {
        assert_eq!(split(&[b"a\nb", b"c\n\n", b"d"]), [&b"a"[..], b"bc", b"", b"d"]);
    }

    #[test]
    fn a_huge_line_comes_in_pieces_of_whole_characters() {
        let text = "é".repeat(LIMIT);
        let pieces = split(&[b"x", text.as_bytes(), b"\nend\n"]);
        assert!(pieces.iter().all(|piece| piece.len() <= LIMIT && str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.concat(), [b"x", text.as_bytes(), b"end"].concat());
        assert_eq!(pieces.last().unwrap(), b"end");
    }

    #[test]
    fn odd_bytes_do_not_stop_the_cutting() {
        let pieces = split(&[&[0x80; 3 * LIMIT]]);
        assert_eq!(pieces.len(), 3);
    }
}
