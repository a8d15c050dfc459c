//! The modes of `--chmod`: octal, or symbolic as chmod(1) has them.

use crate::go;

/// What `--chmod` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileMode {
    /// These bits, up to 7777.
    Octal(u32),
    /// Changes to the bits that a file has.
    Symbolic(Vec<Change>),
}

/// One change, such as `go-w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The bits of those whose permissions change: 700, 070, 007 and the sum of them.
    who: u32,
    /// Whether the change says whose; else it is for all.
    is_addressed: bool,
    operator: Operator,
    permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Permissions {
    /// r, w and x in one digit.
    bits: u32,
    /// `X`: x for directories and for what has an x already.
    conditional_execute: bool,
    /// `s`
    set_id: bool,
    /// `t`
    sticky: bool,
    /// `u`, `g` or `o`: the shift of the digit to copy.
    copy_from: Option<u32>,
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mode: expected an octal number up to 7777 such as 644, or changes such as u=rwX,go=rX")]
pub struct FileModeError {
    text: String,
}

const EXECUTE: u32 = 0o111;
const EVERYBODY: u32 = 0o777;
const USER: u32 = 0o700;
const GROUP: u32 = 0o070;
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;
const STICKY: u32 = 0o1000;

impl FileMode {
    /// Reads an octal number or symbolic changes separated by commas.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, FileModeError> {
        let error = || FileModeError { text: crate::expand::clip(text) };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return go::parse_number(text, 8).filter(|mode| *mode <= 0o7777).map(Self::Octal).ok_or_else(error);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            read_clause(clause, &mut changes).ok_or_else(error)?;
        }
        Ok(Self::Symbolic(changes))
    }

    /// The mode of a file that has `mode`.
    #[must_use]
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(bits) => *bits,
            Self::Symbolic(changes) => changes.iter().fold(mode & 0o7777, |mode, change| change.apply(mode, is_directory)),
        }
    }
}

/// `ugo+rw-x` is several changes of the same users.
fn read_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let actions = clause.find(['+', '-', '='])?;
    let mut who = 0;
    for user in clause[..actions].chars() {
        who |= match user {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    let is_addressed = who != 0;
    let who = if is_addressed { who } else { EVERYBODY };
    let mut rest = &clause[actions..];
    while let Some(first) = rest.chars().next() {
        let operator = match first {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            _ => Operator::Set,
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        changes.push(Change { who, is_addressed, operator, permissions: read_permissions(&rest[1..end])? });
        rest = &rest[end..];
    }
    Some(())
}

fn read_permissions(text: &str) -> Option<Permissions> {
    let mut permissions = Permissions::default();
    match text {
        "u" | "g" | "o" => {
            permissions.copy_from = Some(match text {
                "u" => 6,
                "g" => 3,
                _ => 0,
            });
            return Some(permissions);
        }
        _ => {}
    }
    for permission in text.chars() {
        match permission {
            'r' => permissions.bits |= 4,
            'w' => permissions.bits |= 2,
            'x' => permissions.bits |= 1,
            'X' => permissions.conditional_execute = true,
            's' => permissions.set_id = true,
            't' => permissions.sticky = true,
            _ => return None,
        }
    }
    Some(permissions)
}

impl Change {
    fn apply(self, mode: u32, is_directory: bool) -> u32 {
        let permissions = self.permissions;
        let mut digit = permissions.copy_from.map_or(permissions.bits, |shift| (mode >> shift) & 7);
        if permissions.conditional_execute && (is_directory || mode & EXECUTE != 0) {
            digit |= 1;
        }
        let bits = (digit << 6 | digit << 3 | digit) & self.who;
        match self.operator {
            Operator::Add => mode | bits | self.special(),
            Operator::Remove if permissions.sticky && self.who != EVERYBODY => mode & !(bits | self.special() & !STICKY),
            Operator::Remove => mode & !(bits | self.special()),
            Operator::Set if self.is_only_sticky() => mode | STICKY,
            Operator::Set => (mode & !self.replaced()) | bits | self.special(),
        }
    }

    /// The bits beyond r, w and x that the change names. Others than user and group have none.
    fn special(self) -> u32 {
        let of = |wanted: bool, whose: u32, bit: u32| if wanted && self.who & whose != 0 { bit } else { 0 };
        of(self.permissions.set_id, USER, SET_USER_ID)
            | of(self.permissions.set_id, GROUP, SET_GROUP_ID)
            | of(self.permissions.sticky, USER | GROUP, STICKY)
    }

    /// What `=` takes away first: all that those addressed have, but for the bits of set-id where permissions are only
    /// copied, and but for the sticky bit.
    fn replaced(self) -> u32 {
        let of = |whose: u32, bit: u32| if self.permissions.copy_from.is_none() && self.who & whose != 0 { bit } else { 0 };
        self.who | of(USER, SET_USER_ID) | of(GROUP, SET_GROUP_ID)
    }

    /// `=t`, which BuildKit takes for `+t`.
    fn is_only_sticky(self) -> bool {
        let only = Permissions { sticky: true, ..Permissions::default() };
        !self.is_addressed && self.permissions == only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, mode: u32, is_directory: bool) -> u32 {
        FileMode::parse(text).unwrap().apply(mode, is_directory)
    }

    #[test]
    fn octal_modes_replace_and_symbolic_ones_change() {
        assert_eq!(apply("0640", 0o4777, false), 0o640);
        assert_eq!(apply("u=rwX,go=rX", 0o600, false), 0o644);
        assert_eq!(apply("u=rwX,go=rX", 0o600, true), 0o755);
        assert_eq!(apply("+x", 0o644, false), 0o755);
        assert_eq!(apply("a-w+x", 0o666, false), 0o555);
        assert_eq!(apply("g=u,o=", 0o751, false), 0o770);
        assert_eq!(apply("u+s,+t", 0o755, false), 0o5755);
        assert_eq!(apply("go-rwx", 0o777, false), 0o700);
    }

    /// All from BuildKit.
    #[test]
    fn special_bits_go_with_user_and_group() {
        let cases = [
            ("=", 0o1000),
            ("ug=", 0o1001),
            ("g=r", 0o5741),
            ("o=r", 0o7754),
            ("g=u", 0o7771),
            ("a=u", 0o7777),
            ("g=s", 0o7701),
            ("a=s", 0o7000),
            ("o=s", 0o7750),
            ("-t", 0o6751),
            ("u-t", 0o7751),
            ("o-s", 0o7751),
            ("u-s", 0o3751),
            ("u=t", 0o3051),
            ("=t", 0o7751),
            ("ugo=rwx", 0o1777),
            ("a=X", 0o1111),
        ];
        for (text, mode) in cases {
            assert_eq!(apply(text, 0o7751, false), mode, "{text}");
        }
        assert_eq!((apply("o+t", 0o640, false), apply("u+t", 0o640, true), apply("=t", 0o640, false)), (0o640, 0o1640, 0o1640));
    }

    #[test]
    fn what_is_no_mode_is_refused_by_name() {
        for text in ["99x", "10000", "8", "", "u", "u+q", "z+x", "u+x,"] {
            assert!(FileMode::parse(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
