//! What a program file that cannot be executed is, for the message about it. The file is hostile input.

use std::fs::File;
use std::io::Read;

/// More of a file than its first line, or its ELF header with the program headers, takes.
const HEAD: u64 = 16 * 1024;
/// ELF program header type of the dynamic loader's path (`PT_INTERP`).
const INTERPRETER: u32 = 3;

/// The interpreter that a file asks for: of its first line, or its dynamic loader.
pub(super) fn of(path: &str) -> String {
    let head = head(path);
    let found = match head.strip_prefix(b"#!") {
        Some(line) => line
            .split(|byte| *byte == b'\n')
            .next()
            .and_then(|line| String::from_utf8_lossy(line).split_whitespace().next().map(ToOwned::to_owned)),
        None => dynamic_loader(&head),
    };
    found.unwrap_or_else(|| "an interpreter".to_owned())
}

/// What a file that is no program for this machine looks like.
pub(super) fn format(path: &str) -> String {
    let head = head(path);
    match (&head[..], number(&head, 18, 2)) {
        ([], _) => "the file is empty".to_owned(),
        ([0x7f, b'E', b'L', b'F', ..], Some(machine)) => {
            format!(
                "it is made for {}, this is {}; binfmt_misc has no emulator for it",
                architecture(machine),
                std::env::consts::ARCH
            )
        }
        _ => "it has neither a `#!` line nor the header of a program".to_owned(),
    }
}

fn head(path: &str) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read is told as a file without content; the message has the kernel's answer besides.
    let _ = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    head
}

/// The path in the `PT_INTERP` header of a 64-bit ELF file.
fn dynamic_loader(head: &[u8]) -> Option<String> {
    let (table, size, count) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
    for index in 0..count {
        let header = usize::try_from(table.checked_add(size.checked_mul(index)?)?).ok()?;
        if number(head, header, 4)? == u64::from(INTERPRETER) {
            let from = usize::try_from(number(head, header.checked_add(8)?, 8)?).ok()?;
            let path = head.get(from..)?.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    None
}

/// A little-endian number of `size` bytes.
fn number(head: &[u8], from: usize, size: usize) -> Option<u64> {
    let bytes = head.get(from..from.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// The names of `e_machine` values that images are made for.
fn architecture(machine: u64) -> String {
    match machine {
        3 => "i386".to_owned(),
        8 => "mips".to_owned(),
        20 | 21 => "powerpc64".to_owned(),
        22 => "s390x".to_owned(),
        40 => "arm".to_owned(),
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv64".to_owned(),
        258 => "loongarch64".to_owned(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_absurd_numbers_is_no_panic() {
        for fill in [0x00, 0xff, 0x7f] {
            let head = [vec![0x7f, b'E', b'L', b'F'], vec![fill; 200]].concat();
            assert!(dynamic_loader(&head).is_none_or(|path| path.len() < 300));
        }
    }
}
