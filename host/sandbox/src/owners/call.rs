//! A change of an owner, read off the system call that asks for it.

use std::sync::LazyLock;

use crate::seccomp;
use crate::sys::Notification;

/// `AT_FDCWD`, `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH` of `linux/fcntl.h`.
const CURRENT_DIRECTORY: i32 = -100;
const NO_FOLLOW: u64 = 0x100;
const EMPTY_PATH: u64 = 0x1000;

/// What is to be changed, and how. An id that is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// Which file a call names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An open file of the process.
    Descriptor(i32),
    /// The path at an address of the process, from a directory that it has open, or its working directory.
    Path { directory: Option<i32>, address: u64, follows: bool, may_be_empty: bool },
}

impl Change {
    /// `None` for a call that is none of ours.
    pub(super) fn of(notification: &Notification) -> Option<Self> {
        static NAMES: LazyLock<Vec<(u32, u32, &'static str)>> = LazyLock::new(seccomp::owner_calls);
        let (architecture, number) = (notification.architecture, u32::try_from(notification.number).ok()?);
        let (.., name) = NAMES.iter().find(|(a, n, _)| (*a, *n) == (architecture, number))?;
        let [first, second, third, fourth, fifth, _] = notification.arguments;
        // The older calls of 32-bit programs have ids of 16 bits.
        let is_short = matches!(*name, "chown" | "lchown" | "fchown") && seccomp::is_32_bit(architecture);
        let id = |value: u64| {
            let value = value as u32;
            if is_short { Some(value & 0xffff).filter(|id| *id != 0xffff) } else { Some(value).filter(|id| *id != u32::MAX) }
        };
        let path = |follows| Place::Path { directory: None, address: first, follows, may_be_empty: false };
        Some(match *name {
            "chown" | "chown32" => Self { place: path(true), uid: id(second), gid: id(third) },
            "lchown" | "lchown32" => Self { place: path(false), uid: id(second), gid: id(third) },
            "fchown" | "fchown32" => Self { place: Place::Descriptor(first as i32), uid: id(second), gid: id(third) },
            "fchownat" => {
                let directory = Some(first as i32).filter(|directory| *directory != CURRENT_DIRECTORY);
                let (follows, may_be_empty) = (fifth & NO_FOLLOW == 0, fifth & EMPTY_PATH != 0);
                let place = Place::Path { directory, address: second, follows, may_be_empty };
                Self { place, uid: id(third), gid: id(fourth) }
            }
            _ => return None,
        })
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn change(architecture: u32, number: i32, arguments: [u64; 6]) -> Option<Change> {
        Change::of(&Notification { architecture, number, arguments, ..Notification::default() })
    }

    #[test]
    fn arguments_mean_what_the_call_says() {
        let (long, short) = (0xc000_003e, 0x4000_0003);
        let path = |directory, follows, may_be_empty| Place::Path { directory, address: 0x1000, follows, may_be_empty };
        let nobody = 0xffff_ffff;
        for (architecture, number, arguments, expected) in [
            (long, 92, [0x1000, 1, 2, 0, 0, 0], Change { place: path(None, true, false), uid: Some(1), gid: Some(2) }),
            (long, 94, [0x1000, nobody, 2, 0, 0, 0], Change { place: path(None, false, false), uid: None, gid: Some(2) }),
            (long, 93, [5, 1, nobody, 0, 0, 0], Change { place: Place::Descriptor(5), uid: Some(1), gid: None }),
            (
                long,
                260,
                [0xffff_ff9c, 0x1000, 1, 2, 0x100, 0],
                Change { place: path(None, false, false), uid: Some(1), gid: Some(2) },
            ),
            (long, 260, [7, 0x1000, 1, 2, 0x1000, 0], Change { place: path(Some(7), true, true), uid: Some(1), gid: Some(2) }),
            (short, 182, [0x1000, 0xffff, 2, 0, 0, 0], Change { place: path(None, true, false), uid: None, gid: Some(2) }),
            (
                short,
                212,
                [0x1000, 0xffff, 2, 0, 0, 0],
                Change { place: path(None, true, false), uid: Some(0xffff), gid: Some(2) },
            ),
        ] {
            assert_eq!(change(architecture, number, arguments), Some(expected), "{number}");
        }
        assert_eq!(change(long, 0, [0; 6]), None);
    }
}
