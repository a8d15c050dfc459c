//! The smallest program of each architecture: it ends at once with success.

use windlass_core::Platform;

/// How an architecture writes its programs, and its instructions for `exit(0)`.
struct Machine {
    /// `e_machine` of the ELF header.
    number: u16,
    is_64_bit: bool,
    is_big_endian: bool,
    /// `e_flags`.
    flags: u32,
    code: &'static [u8],
}

/// An executable file (ELF) for Linux of that platform; nothing for one that is not known.
pub(super) fn exits(platform: &Platform) -> Option<Vec<u8>> {
    (platform.os() == "linux").then(|| machine(platform.architecture()))?.map(|machine| machine.file())
}

fn machine(architecture: &str) -> Option<Machine> {
    let little = |number, is_64_bit, flags, code| Machine { number, is_64_bit, is_big_endian: false, flags, code };
    Some(match architecture {
        // xor edi, edi; mov eax, 60; syscall
        "amd64" => little(62, true, 0, &[0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05]),
        // xor ebx, ebx; mov eax, 1; int 0x80
        "386" => little(3, false, 0, &[0x31, 0xdb, 0xb8, 1, 0, 0, 0, 0xcd, 0x80]),
        // mov x0, #0; mov x8, #93; svc #0
        "arm64" => little(183, true, 0, &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4]),
        // mov r0, #0; mov r7, #1; svc #0
        "arm" => little(40, false, 0x0500_0000, &[0, 0, 0xa0, 0xe3, 1, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef]),
        // li a0, 0; li a7, 93; ecall
        "riscv64" => little(243, true, 0, &[0x13, 5, 0, 0, 0x93, 8, 0xd0, 5, 0x73, 0, 0, 0]),
        // li r0, 1; li r3, 0; sc
        "ppc64le" => little(21, true, 2, &[1, 0, 0, 0x38, 0, 0, 0x60, 0x38, 2, 0, 0, 0x44]),
        // li v0, 5058; li a0, 0; syscall
        "mips64le" => little(8, true, 0x8000_0000, &[0xc2, 0x13, 2, 0x24, 0, 0, 4, 0x24, 0x0c, 0, 0, 0]),
        // ori a0, zero, 0; ori a7, zero, 93; syscall 0
        "loong64" => little(258, true, 0x43, &[4, 0, 0x80, 3, 0x0b, 0x74, 0x81, 3, 0, 0, 0x2b, 0]),
        // lghi r2, 0; svc 1
        "s390x" => Machine { number: 22, is_64_bit: true, is_big_endian: true, flags: 0, code: &[0xa7, 0x29, 0, 0, 0x0a, 1] },
        _ => return None,
    })
}

/// Where the program is loaded.
const ADDRESS: u64 = 0x10000;

impl Machine {
    /// ELF header, one program header, the code.
    fn file(&self) -> Vec<u8> {
        let (header, entry) = if self.is_64_bit { (64u16, 56u16) } else { (52, 32) };
        let begin = u64::from(header + entry);
        let size = begin + self.code.len() as u64;
        let mut out = Vec::new();
        out.extend([0x7f, b'E', b'L', b'F', 1 + u8::from(self.is_64_bit), 1 + u8::from(self.is_big_endian), 1]);
        out.extend([0; 9]);
        self.half(&mut out, 2); // an executable
        self.half(&mut out, self.number);
        self.word(&mut out, 1); // version
        self.long(&mut out, ADDRESS + begin); // where it begins
        self.long(&mut out, u64::from(header)); // the program header's place
        self.long(&mut out, 0); // no sections
        self.word(&mut out, self.flags);
        for value in [header, entry, 1, 0, 0, 0] {
            self.half(&mut out, value);
        }
        let (load, read_and_execute) = (1, 5);
        self.word(&mut out, load);
        if self.is_64_bit {
            self.word(&mut out, read_and_execute);
        }
        for value in [0, ADDRESS, ADDRESS, size, size] {
            self.long(&mut out, value); // offset, address, physical address, size in the file, size in memory
        }
        if !self.is_64_bit {
            self.word(&mut out, read_and_execute);
        }
        self.long(&mut out, ADDRESS); // alignment
        out.extend(self.code);
        out
    }

    fn half(&self, out: &mut Vec<u8>, value: u16) {
        out.extend(if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&self, out: &mut Vec<u8>, value: u32) {
        out.extend(if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    /// An address or offset, as wide as the architecture has them.
    fn long(&self, out: &mut Vec<u8>, value: u64) {
        if self.is_64_bit {
            out.extend(if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
        } else {
            self.word(out, u32::try_from(value).expect("every address here is small"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_this_machine_runs_and_ends_with_success() {
        let path = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempfile().unwrap();
        std::fs::write(path.path(), exits(&Platform::host()).unwrap()).unwrap();
        let path = path.into_temp_path();
        assert!(std::process::Command::new(&path).status().unwrap().success());
    }

    #[test]
    fn a_platform_without_linux_or_without_known_instructions_has_no_program() {
        assert!(exits(&Platform::new("windows", "amd64", None)).is_none());
        assert!(exits(&Platform::new("linux", "vax", None)).is_none());
    }
}
