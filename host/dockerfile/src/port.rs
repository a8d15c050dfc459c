//! The ports of `EXPOSE`: `[ip:][host:]port[-last][/protocol]`.

use std::collections::BTreeSet;

use crate::expand::clip;

/// Why a word names no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No number, or a range whose end is before its beginning.
    #[error("`{0}` is not a port: expected a number up to 65535 or a range such as 8000-8010")]
    Port(String),
    /// A protocol that there is not.
    #[error("`{0}` is not a protocol: expected tcp, udp or sctp")]
    Protocol(String),
    /// What stands before the last colons is no address.
    #[error("`{0}` is not an IP address")]
    Address(String),
    /// Two ranges of different lengths.
    #[error("the ranges {0} and {1} have different lengths")]
    Ranges(String, String),
    /// So many ports that listing them would take all memory.
    #[error("the ranges name more than {MAXIMUM_PORTS} ports")]
    TooMany,
}

/// How many ports one instruction may name, repetitions included: each of three protocols twice.
const MAXIMUM_PORTS: usize = 6 << 16;

/// The ports that the words name, as an image's configuration has them (`80/tcp`), each once, in order.
///
/// # Errors
/// When a word names none; the message names the word's part.
pub fn exposed(words: &[String]) -> Result<Vec<String>, PortError> {
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    let mut named = 0;
    for word in words {
        let (range, protocol) = parse(word)?;
        named += range.len();
        if named > MAXIMUM_PORTS {
            return Err(PortError::TooMany);
        }
        for port in range {
            if seen.insert((port, protocol)) {
                ports.push(format!("{port}/{protocol}"));
            }
        }
    }
    Ok(ports)
}

fn parse(word: &str) -> Result<(std::ops::RangeInclusive<u16>, &'static str), PortError> {
    let (rest, container) = word.rsplit_once(':').unwrap_or(("", word));
    let (ports, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return Err(PortError::Protocol(clip(protocol))),
    };
    let range = range(ports).ok_or_else(|| PortError::Port(clip(if ports.is_empty() { word } else { ports })))?;
    let (address, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    check_address(address)?;
    if !host.is_empty() {
        let host_range = self::range(host).ok_or_else(|| PortError::Port(clip(host)))?;
        // One port may be published at any of a range, but two ranges go together.
        if range.len() > 1 && host_range.len() != range.len() {
            return Err(PortError::Ranges(clip(ports), clip(host)));
        }
    }
    Ok((range, protocol))
}

fn check_address(address: &str) -> Result<(), PortError> {
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    if bare.is_empty() || bare.parse::<std::net::IpAddr>().is_ok() { Ok(()) } else { Err(PortError::Address(clip(address))) }
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        exposed(&words).map(|ports| ports.join(" ")).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn ports_ranges_and_protocols_are_read() {
        assert_eq!(show(&["80", "53/UDP", "8000-8002/sctp", "80/tcp"]), "80/tcp 53/udp 8000/sctp 8001/sctp 8002/sctp");
        assert_eq!(show(&["127.0.0.1:8080:80", "[::1]::443", "9000-9001:9"]), "80/tcp 443/tcp 9/tcp");
    }

    #[test]
    fn what_is_no_port_is_named() {
        for (word, named) in [
            ("eighty", "eighty"),
            ("80/http", "http"),
            ("65536", "65536"),
            ("9-8", "9-8"),
            ("nohost:1:2", "nohost"),
            ("1-3:4-5", "1-3"),
            ("", "not a port"),
            ("+1", "+1"),
        ] {
            assert!(show(&[word]).contains(named), "{word}: {}", show(&[word]));
        }
    }
}
