//! Which system calls the command may make, as a seccomp filter.
//!
//! The filter is assembled here: a crate for it would kill 32-bit programs, which run in docker, and set
//! `no_new_privs`, which makes `sudo` in a `RUN` fail.

mod assemble;
mod profile;
mod single_id;

use std::sync::LazyLock;

use assemble::{Verdict, assemble};

use crate::isolation::Isolation;
use crate::spec::Security;
use crate::sys::Instruction;

/// The filter for a command, as bytes; made once, by the caller, who may run many.
pub(crate) fn filter(security: Security, isolation: Isolation) -> &'static [u8] {
    static SANDBOX: LazyLock<Vec<u8>> = LazyLock::new(|| to_bytes(&sandbox(false)));
    static SANDBOX_SINGLE: LazyLock<Vec<u8>> = LazyLock::new(|| to_bytes(&sandbox(true)));
    static INSECURE_SINGLE: LazyLock<Vec<u8>> = LazyLock::new(|| to_bytes(&insecure_single()));
    match (security, isolation == Isolation::SingleId) {
        (Security::Sandbox, false) => &SANDBOX,
        (Security::Sandbox, true) => &SANDBOX_SINGLE,
        (Security::Insecure, false) => &[],
        (Security::Insecure, true) => &INSECURE_SINGLE,
    }
}

fn to_bytes(program: &[Instruction]) -> Vec<u8> {
    let parts = |one: &Instruction| (one.code.to_ne_bytes(), [one.if_true, one.if_false], one.operand.to_ne_bytes());
    program.iter().map(parts).flat_map(|(code, jumps, operand)| code.into_iter().chain(jumps).chain(operand)).collect()
}

/// The filter that [`filter`] has written.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<Instruction> {
    let instruction = |bytes: &[u8; 8]| {
        let [code_low, code_high, if_true, if_false, operand @ ..] = *bytes;
        let code = u16::from_ne_bytes([code_low, code_high]);
        Instruction { code, if_true, if_false, operand: u32::from_ne_bytes(operand) }
    };
    bytes.as_chunks().0.iter().map(instruction).collect()
}

/// The filter of a sandboxed command.
fn sandbox(is_single_id: bool) -> Vec<Instruction> {
    let mut tables = profile::tables();
    if is_single_id {
        tables.iter_mut().for_each(single_id::pretend);
    }
    assemble(&tables)
}

/// The filter of a command with all rights, where ownership has to be pretended.
fn insecure_single() -> Vec<Instruction> {
    let mut tables = profile::tables();
    for table in &mut tables {
        table.verdicts.clear();
        (table.default, table.newer) = (Verdict::Allow, Verdict::Allow);
        single_id::pretend(table);
    }
    assemble(&tables)
}

/// The calls that change owners: architecture, number and name.
pub(crate) fn owner_calls() -> Vec<(u32, u32, &'static str)> {
    let of = |table: &assemble::Table| {
        let numbers = single_id::OWNERS.into_iter().filter_map(|name| Some((table.architecture, *table.names.get(name)?, name)));
        numbers.collect::<Vec<_>>()
    };
    profile::tables().iter().flat_map(of).collect()
}

/// Whether programs of an architecture (`AUDIT_ARCH_…`) have 32 bits.
pub(crate) fn is_32_bit(architecture: u32) -> bool {
    const HAS_64_BITS: u32 = 0x8000_0000; // __AUDIT_ARCH_64BIT
    architecture & HAS_64_BITS == 0
}

#[cfg(test)]
mod tests;
