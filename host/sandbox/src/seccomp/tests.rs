//! The filters are run by a small interpreter of their instructions.

use super::*;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const ERRNO: u32 = 0x0005_0000;

/// What the kernel would answer.
fn answer(program: &[Instruction], architecture: u32, number: u32, arguments: &[u32]) -> u32 {
    let mut data = vec![number, architecture, 0, 0];
    data.extend(arguments.iter().flat_map(|argument| [*argument, 0]));
    data.resize(16, 0);
    let (mut accumulator, mut next) = (0, 0);
    loop {
        let Instruction { code, if_true, if_false, operand } = program[next];
        next += 1;
        let branch = |taken: bool| usize::from(if taken { if_true } else { if_false });
        match code {
            0x20 => accumulator = data[operand as usize / 4],
            0x54 => accumulator &= operand,
            0x15 => next += branch(accumulator == operand),
            0x35 => next += branch(accumulator >= operand),
            0x05 => next += operand as usize,
            0x06 => return operand,
            _ => panic!("unknown instruction {code:#x}"),
        }
    }
}

#[test]
fn what_docker_allows_is_allowed_and_the_rest_refused() {
    let program = sandbox(false);
    assert!(program.len() < 4096, "{}", program.len());
    for (number, expected) in [
        (0, ALLOW),        // read
        (59, ALLOW),       // execve
        (161, ALLOW),      // chroot
        (101, ALLOW),      // ptrace
        (165, ERRNO | 1),  // mount
        (272, ERRNO | 1),  // unshare
        (250, ERRNO | 1),  // keyctl
        (304, ERRNO | 1),  // open_by_handle_at
        (425, ERRNO | 1),  // io_uring_setup
        (435, ERRNO | 38), // clone3
        (452, ALLOW),      // fchmodat2
        (467, ERRNO | 1),  // open_tree_attr
        (468, ERRNO | 38), // newer than the list
        (u32::MAX, ERRNO | 38),
    ] {
        assert_eq!(answer(&program, X86_64, number, &[]), expected, "{number}");
    }
}

#[test]
fn programs_of_32_bits_have_their_own_numbers() {
    let program = sandbox(false);
    assert_eq!(answer(&program, I386, 11, &[]), ALLOW, "execve");
    assert_eq!(answer(&program, I386, 21, &[]), ERRNO | 1, "mount");
    assert_eq!(answer(&program, I386, 403, &[]), ALLOW, "clock_gettime64");
    assert_eq!(answer(&program, 0x1234, 0, &[]), 0x8000_0000, "another architecture");
}

#[test]
fn arguments_decide_where_the_profile_says_so() {
    let program = sandbox(false);
    let ask = |number, arguments: &[u32]| answer(&program, X86_64, number, arguments);
    assert_eq!(ask(56, &[0x11]), ALLOW, "clone with SIGCHLD");
    assert_eq!(ask(56, &[0x1000_0011]), ERRNO | 1, "clone with a user namespace");
    assert_eq!(ask(41, &[2]), ALLOW, "socket of the Internet");
    assert_eq!(ask(41, &[40]), ERRNO | 1, "socket to the hypervisor");
    assert_eq!(ask(135, &[0x2_0008]), ALLOW, "personality");
    assert_eq!(ask(135, &[0x4_0000]), ERRNO | 1, "personality without address randomisation");
}

#[test]
fn with_one_id_changes_of_owners_are_told_and_those_of_users_pretended() {
    for program in [sandbox(true), insecure_single()] {
        let ask = |number, arguments: &[u32]| answer(&program, X86_64, number, arguments);
        assert_eq!(ask(260, &[]), NOTIFY, "fchownat");
        assert_eq!(ask(117, &[]), ERRNO, "setresuid");
        assert_eq!(answer(&program, I386, 212, &[]), NOTIFY, "chown32");
        assert_eq!(ask(133, &[0, 0o020_666, 0x103]), ERRNO, "mknod of a device");
        assert_eq!(ask(133, &[0, 0o010_666]), ALLOW, "mknod of a FIFO");
        assert_eq!(ask(0, &[]), ALLOW, "read");
    }
    assert_eq!(answer(&insecure_single(), X86_64, 165, &[]), ALLOW, "mount");
    assert!(filter(Security::Insecure, Isolation::Root).is_empty());
}

#[test]
fn a_filter_survives_its_way_to_the_command() {
    assert_eq!(from_bytes(filter(Security::Sandbox, Isolation::Root)), sandbox(false));
}

#[test]
fn no_number_is_listed_twice() {
    for table in profile::tables() {
        assert_eq!(table.names.len(), table.verdicts.len());
        assert!(table.names.len() > 300);
    }
}
