//! Names and addresses that RUN steps know besides the machine's own: what goes into their `/etc/hosts` and `/etc/resolv.conf`.
//!
//! Both files are read line by line and word by word, so that no value may end a line or a word.

use std::fmt;
use std::net::IpAddr;

use windlass_core::text::quoted;

/// The address of this machine, in docker's words.
const GATEWAY: &str = "host-gateway";

/// The longest name, in bytes, as in docker.
const LONGEST_NAME: usize = 254;

/// An entry of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    name: String,
    address: HostAddress,
}

/// What the name of a [`HostEntry`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    /// This machine, wherever the step finds it.
    Gateway,
    /// An address.
    Ip(IpAddr),
}

/// A domain in which names are looked for; `.` is none, in place of this machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDomain(String);

impl HostEntry {
    /// Reads `HOST:ADDRESS` or `HOST=ADDRESS`. The address is IPv4 or IPv6, may stand in brackets, or is `host-gateway`.
    ///
    /// # Errors
    /// When a part is missing, the name has other characters than letters, digits, `-`, `.` and `_`, or the address is none; all
    /// that is wrong at once.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').or_else(|| text.split_once(':')).filter(|(name, _)| !name.is_empty());
        let Some((name, address)) = parts else {
            return Err(format!("{} is not HOST:ADDRESS", quoted(text)));
        };
        match (check_name(name), HostAddress::parse(address)) {
            (Ok(()), Ok(address)) => Ok(Self { name: name.to_owned(), address }),
            (name, address) => {
                let problems: Vec<String> = name.err().into_iter().chain(address.err()).collect();
                Err(problems.join("; "))
            }
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> HostAddress {
        self.address
    }
}

impl HostAddress {
    fn parse(text: &str) -> Result<Self, String> {
        if text == GATEWAY {
            return Ok(Self::Gateway);
        }
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let address = inner.trim().parse().map(Self::Ip);
        address.map_err(|_| format!("{} is not the address of a host: give an IPv4 or IPv6 address, or {GATEWAY}", quoted(text)))
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str(GATEWAY),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl SearchDomain {
    /// Reads a domain such as `corp.example`.
    ///
    /// # Errors
    /// When it is empty or has other characters than letters, digits, `-`, `.` and `_`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let domain = text.trim();
        check_name(domain).map(|()| Self(domain.to_owned()))
    }
}

impl fmt::Display for SearchDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the address of a name server.
///
/// # Errors
/// When it is neither IPv4 nor IPv6.
pub fn parse_name_server(text: &str) -> Result<IpAddr, String> {
    let wrong = |_| format!("{} is no address of a name server: give an IPv4 or IPv6 address", quoted(text));
    text.trim().parse().map_err(wrong)
}

/// Docker takes names with more in them, but nothing can look them up in the files.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("{} is not the name of a host or domain: give letters, digits, `-`, `.` and `_`", quoted(name)));
    }
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "{} has {} bytes; the name of a host or domain has at most {LONGEST_NAME}",
            quoted(name),
            name.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<(String, String), String> {
        HostEntry::parse(text).map(|entry| (entry.name().to_owned(), entry.address().to_string()))
    }

    #[test]
    fn hosts_are_written_as_docker_takes_them() {
        for (text, name, address) in [
            ("db:10.0.0.1", "db", "10.0.0.1"),
            ("db=10.0.0.1", "db", "10.0.0.1"),
            ("db: 10.0.0.1 ", "db", "10.0.0.1"),
            ("db:[10.0.0.1]", "db", "10.0.0.1"),
            ("My_db-2.corp.example.:2001:db8::6", "My_db-2.corp.example.", "2001:db8::6"),
            ("db=[::ffff:10.0.0.1]", "db", "::ffff:10.0.0.1"),
            ("bücher.example:::1", "bücher.example", "::1"),
            ("host.docker.internal:host-gateway", "host.docker.internal", "host-gateway"),
        ] {
            assert_eq!(host(text), Ok((name.to_owned(), address.to_owned())), "{text}");
        }
        for text in ["db", "", ":10.0.0.1", "=10.0.0.1", "db:", "db:[10.0.0.1", "db:[[::1]]", "db:01.2.3.4", "db:[host-gateway]"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_value_ends_its_line_or_word() {
        for end in ["\n", "\r", "\t", " ", "\0", "\u{b}", "\u{85}", "\u{2028}", "\u{202e}", "#", ":"] {
            assert!(host(&format!("db{end}x:10.0.0.1")).is_err(), "{end:?}");
            assert!(host(&format!("db:10.0.0.1{end}10.0.0.2")).is_err(), "{end:?}");
            assert!(SearchDomain::parse(&format!("a{end}nameserver")).is_err(), "{end:?}");
            assert!(parse_name_server(&format!("10.0.0.1{end}10.0.0.2")).is_err(), "{end:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_an_entry_is_told_with_the_value_escaped() {
        let message = host("d\nb:10.0.0\u{1b}").unwrap_err();
        assert!(
            message.contains(r"`d\nb` is not the name") && message.contains(r"`10.0.0\u{1b}` is not the address"),
            "{message}"
        );
        assert!(host(&format!("{}:::1", "x".repeat(255))).unwrap_err().contains("has 255 bytes"));
    }

    #[test]
    fn domains_and_name_servers_may_stand_between_blanks() {
        let domain = |text: &str| SearchDomain::parse(text).map(|domain| domain.to_string());
        assert_eq!((domain(" a.example. "), domain(".")), (Ok("a.example.".to_owned()), Ok(".".to_owned())));
        assert!(domain("").is_err());
        assert_eq!(parse_name_server(" ::1 "), Ok("::1".parse().unwrap()));
    }
}
