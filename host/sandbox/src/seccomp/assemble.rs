//! From a table of system calls to the instructions of a filter (`linux/filter.h`, `linux/seccomp.h`).

use std::collections::BTreeMap;

use crate::sys::Instruction;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_NOT_LESS: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What becomes of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is made.
    Allow,
    /// It fails with this error; 0 means that it succeeds without being made.
    Answer(u16),
    /// Another process is told of it, and answers.
    Notify,
    /// It depends on the low 32 bits of an argument.
    Depends(Vec<Rule>, Box<Verdict>),
}

/// When an argument, with a mask, has one of these values, then the verdict (which depends on nothing else) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) argument: u32,
    pub(super) mask: u32,
    pub(super) values: Vec<u32>,
    pub(super) verdict: Verdict,
}

/// The system calls of one architecture.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// `AUDIT_ARCH_…`.
    pub(super) architecture: u32,
    pub(super) names: BTreeMap<&'static str, u32>,
    pub(super) verdicts: BTreeMap<u32, Verdict>,
    /// For numbers that have no verdict.
    pub(super) default: Verdict,
    /// For numbers that have none and are above this one.
    pub(super) newest: u32,
    pub(super) newer: Verdict,
}

/// Assembles a filter. A process of an architecture without a table is killed.
pub(super) fn assemble(tables: &[Table]) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE)];
    for table in tables {
        let body = body(table);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        program.push(jump(JUMP_EQUAL, table.architecture, 1, 0));
        program.push(Instruction { code: JUMP, if_true: 0, if_false: 0, operand: length });
        program.extend(body);
    }
    program.push(give(KILL_PROCESS));
    program
}

fn body(table: &Table) -> Vec<Instruction> {
    [vec![load(NUMBER)], search(&segments(table))].concat()
}

/// A binary search for the segment that a number is in: the kernel runs a new filter once for every number.
fn search(segments: &[(u32, Verdict)]) -> Vec<Instruction> {
    let (below, above) = match segments {
        [] => return Vec::new(),
        [(_, verdict)] => return block(verdict),
        _ => segments.split_at(segments.len() / 2),
    };
    let below = search(below);
    let first_above = above[0].0;
    let mut program = match u8::try_from(below.len()) {
        Ok(length) => vec![jump(JUMP_NOT_LESS, first_above, length, 0)],
        Err(_) => {
            let length = u32::try_from(below.len()).unwrap_or(u32::MAX);
            vec![jump(JUMP_NOT_LESS, first_above, 0, 1), Instruction { code: JUMP, if_true: 0, if_false: 0, operand: length }]
        }
    };
    program.extend(below);
    program.extend(search(above));
    program
}

/// Consecutive numbers with one verdict, as the first number of each and the verdict. The first segment begins with 0, the
/// last one has no end.
fn segments(table: &Table) -> Vec<(u32, Verdict)> {
    let mut segments: Vec<(u32, Verdict)> = Vec::new();
    let mut add = |first: u32, verdict: &Verdict| {
        if segments.last().is_none_or(|(_, last)| last != verdict) {
            segments.push((first, verdict.clone()));
        }
    };
    let after_newest = table.newest + 1;
    let mut next = 0;
    let numbers = table.verdicts.iter().map(|(number, verdict)| (*number, Some(verdict)));
    for (number, verdict) in numbers.chain([(u32::MAX, None)]) {
        if next < number.min(after_newest) {
            add(next, &table.default);
        }
        if number > after_newest {
            add(next.max(after_newest), &table.newer);
        }
        if let Some(verdict) = verdict {
            add(number, verdict);
            next = number + 1;
        }
    }
    segments
}

fn block(verdict: &Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Allow => vec![give(ALLOW)],
        Verdict::Notify => vec![give(NOTIFY)],
        Verdict::Answer(errno) => vec![give(ERRNO | u32::from(*errno))],
        Verdict::Depends(rules, otherwise) => {
            let mut program = Vec::new();
            for rule in rules {
                program.push(load(ARGUMENTS + 8 * rule.argument));
                program.push(Instruction { code: AND, if_true: 0, if_false: 0, operand: rule.mask });
                for value in &rule.values {
                    // The other way round where it differs: over the answer.
                    program.push(jump(JUMP_EQUAL, *value, 0, 1));
                    program.extend(block(&rule.verdict));
                }
            }
            program.extend(block(otherwise));
            program
        }
    }
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, if_true: 0, if_false: 0, operand: offset }
}

fn give(result: u32) -> Instruction {
    Instruction { code: RETURN, if_true: 0, if_false: 0, operand: result }
}

fn jump(code: u16, operand: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, operand }
}
