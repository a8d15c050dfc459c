//! The signals of `STOPSIGNAL`, as Linux has them.

/// Why a text is no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal: expected a name such as SIGTERM, or a number")]
pub struct SignalError(String);

const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF", "PWR",
    "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH",
    "XCPU", "XFSZ", "UNUSED",
];

/// Whether `text` is a signal: a number but 0, or a name with or without `SIG`, in any case.
///
/// # Errors
/// When it is not.
pub fn check(text: &str) -> Result<(), SignalError> {
    let error = || SignalError(crate::expand::clip(text));
    if let Ok(number) = text.parse::<i64>() {
        return if number == 0 { Err(error()) } else { Ok(()) };
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if NAMES.contains(&name) || is_real_time(name) { Ok(()) } else { Err(error()) }
}

/// `RTMIN`, `RTMIN+1` … `RTMIN+15`, `RTMAX-14` … `RTMAX`.
fn is_real_time(name: &str) -> bool {
    let offset = |text: &str, sign: char, maximum: u8| match text.strip_prefix(sign) {
        Some(digits) => digits.parse::<u8>().is_ok_and(|n| (1..=maximum).contains(&n) && n.to_string() == digits),
        None => text.is_empty(),
    };
    name.strip_prefix("RTMIN").is_some_and(|rest| offset(rest, '+', 15))
        || name.strip_prefix("RTMAX").is_some_and(|rest| offset(rest, '-', 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for text in ["15", "SIGTERM", "term", "sigquit", "SIGRTMIN+3", "RTMAX-14", "RTMIN"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["", "0", "SIGNOPE", "RTMIN+16", "RTMIN+03", "RTMAX+1", "SIG"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
