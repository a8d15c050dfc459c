//! Docker's default profile for its default capabilities: what `profile.txt` lists, with its conditions.

use std::collections::BTreeMap;

use super::assemble::{Rule, Table, Verdict};

const PROFILE: &str = include_str!("profile.txt");
const EPERM: u16 = 1;
const ENOSYS: u16 = 38;
/// The newest call that `profile.txt` decides about, by listing it or not (`open_tree_attr`).
const NEWEST: u32 = 467;

/// `CLONE_NEW…` of all namespaces but that of time, which `clone` cannot make.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// `AF_VSOCK`: it is not bound to a network namespace.
const VSOCK: u32 = 40;
/// Linux, 32-bit (`PER_LINUX32`), either without address randomisation for `uname26`, and the question for the current one.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The architectures whose programs this machine runs, with their column in `profile.txt` and their `AUDIT_ARCH_…`.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [(usize, u32); 2] = [(1, 0xc000_003e), (2, 0x4000_0003)];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [(usize, u32); 2] = [(3, 0xc000_00b7), (4, 0x4000_0028)];

/// One table an architecture.
pub(super) fn tables() -> Vec<Table> {
    let mut tables = ARCHITECTURES.map(|(_, architecture)| Table {
        architecture,
        names: BTreeMap::new(),
        verdicts: BTreeMap::new(),
        default: Verdict::Answer(EPERM),
        newest: NEWEST,
        newer: Verdict::Answer(ENOSYS),
    });
    for line in PROFILE.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        for (table, (column, _)) in tables.iter_mut().zip(ARCHITECTURES) {
            let number = fields.get(column).and_then(|field| field.parse().ok());
            if let (Some(name), Some(number)) = (fields.first(), number) {
                table.names.insert(name, number);
                table.verdicts.insert(number, verdict(fields.get(5).copied()));
            }
        }
    }
    tables.into()
}

fn verdict(condition: Option<&str>) -> Verdict {
    let only_if = |argument, mask, values| {
        let rule = Rule { argument, mask, values, verdict: Verdict::Allow };
        Verdict::Depends(vec![rule], Box::new(Verdict::Answer(EPERM)))
    };
    match condition {
        // The flags of `clone`, whose namespaces are for CAP_SYS_ADMIN.
        Some("no-namespaces") => only_if(0, NEW_NAMESPACES, vec![0]),
        Some("personality") => only_if(0, u32::MAX, PERSONALITIES.to_vec()),
        Some("no-vsock") => Verdict::Depends(
            vec![Rule { argument: 0, mask: u32::MAX, values: vec![VSOCK], verdict: Verdict::Answer(EPERM) }],
            Box::new(Verdict::Allow),
        ),
        // The flags of `clone3` lie in memory, where a filter cannot look: C libraries are to use `clone`.
        Some("absent") => Verdict::Answer(ENOSYS),
        _ => Verdict::Allow,
    }
}
