//! What makes package managers work where there is one id: calls that change users are answered with success, and another
//! process is told of those that change owners ([`owners`](crate::owners)).

use super::assemble::{Rule, Table, Verdict};

const SUCCESS: Verdict = Verdict::Answer(0);

/// Changes of owners; with the 32-bit calls of the same meaning.
pub(super) const OWNERS: [&str; 7] = ["chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"];
/// Changes of users and groups, and of capabilities; with the 32-bit calls of the same meaning.
const PRETENDED: [&str; 19] = [
    "capset",
    "setuid",
    "setuid32",
    "setgid",
    "setgid32",
    "setreuid",
    "setreuid32",
    "setregid",
    "setregid32",
    "setresuid",
    "setresuid32",
    "setresgid",
    "setresgid32",
    "setgroups",
    "setgroups32",
    "setfsuid",
    "setfsuid32",
    "setfsgid",
    "setfsgid32",
];
/// Calls that make a device node, with the place of the mode among their arguments.
const NODES: [(&str, u32); 2] = [("mknod", 1), ("mknodat", 2)];

const TYPE_MASK: u32 = 0o170_000; // S_IFMT
const CHARACTER_DEVICE: u32 = 0o020_000; // S_IFCHR
const BLOCK_DEVICE: u32 = 0o060_000; // S_IFBLK

/// Changes a table so that these calls succeed without being made.
pub(super) fn pretend(table: &mut Table) {
    for name in OWNERS {
        if let Some(number) = table.names.get(name) {
            table.verdicts.insert(*number, Verdict::Notify);
        }
    }
    for name in PRETENDED {
        if let Some(number) = table.names.get(name) {
            table.verdicts.insert(*number, SUCCESS);
        }
    }
    for (name, argument) in NODES {
        if let Some(number) = table.names.get(name) {
            let values = vec![CHARACTER_DEVICE, BLOCK_DEVICE];
            let rule = Rule { argument, mask: TYPE_MASK, values, verdict: SUCCESS };
            table.verdicts.insert(*number, Verdict::Depends(vec![rule], Box::new(Verdict::Allow)));
        }
    }
}
