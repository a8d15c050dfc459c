//! `WWW-Authenticate`: RFC 9110, section 11.6.1. Several challenges may stand in one header or in several.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// More than any registry sends; the rest is left unread.
const LONGEST: usize = 8 * 1024;

/// One challenge; names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Every challenge that can be made out; what cannot be is passed over.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = String::from_utf8_lossy(&value.as_bytes()[..value.len().min(LONGEST)]);
        found.extend(Reader { rest: &text }.challenges());
    }
    found
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn challenges(mut self) -> Vec<Challenge> {
        let mut found: Vec<Challenge> = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            let Some(word) = self.token() else {
                // Not the beginning of anything: go on behind the next comma.
                match self.rest.split_once(',') {
                    Some((_, rest)) => self.rest = rest,
                    None => return found,
                }
                continue;
            };
            let behind = self.rest.trim_start_matches([' ', '\t']);
            match behind.strip_prefix('=') {
                Some(value) if !found.is_empty() => {
                    self.rest = value.trim_start_matches([' ', '\t']);
                    let value = self.value();
                    if let Some(challenge) = found.last_mut() {
                        challenge.parameters.push((word.to_ascii_lowercase(), value));
                    }
                }
                Some(value) => self.rest = value,
                None => found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() }),
            }
        }
    }

    fn token(&mut self) -> Option<String> {
        let end =
            self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_owned())
    }

    fn value(&mut self) -> String {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return value.to_owned();
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in quoted.char_indices() {
            match c {
                '"' if !escaped => {
                    self.rest = &quoted[at + 1..];
                    return value;
                }
                '\\' if !escaped => escaped = true,
                c => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        self.rest = "";
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Vec<Challenge> {
        challenges(&values.iter().map(|text| (WWW_AUTHENTICATE, text.parse().unwrap())).collect())
    }

    #[test]
    fn commas_and_quotes_in_values_belong_to_the_value() {
        let found = read(&[r#"Bearer realm="https://a.example/token",service="r \"x\"",scope="repository:a/b:pull,push""#]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].parameter("service"), Some(r#"r "x""#));
        assert_eq!(found[0].parameter("scope"), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn several_challenges_are_told_apart_in_one_header_and_in_two() {
        for values in [
            &[r#"Negotiate, Basic realm="r", BEARER realm=x , service=y"#][..],
            &["Negotiate", "Basic realm=r", "Bearer realm=x,service=y"],
        ] {
            let found = read(values);
            let schemes: Vec<&str> = found.iter().map(|c| c.scheme.as_str()).collect();
            assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
            assert_eq!(found[2].parameter("realm"), Some("x"));
            assert_eq!(found[2].parameter("service"), Some("y"));
        }
    }

    #[test]
    fn malformed_headers_give_what_they_can_and_never_hang() {
        for text in
            ["", "=", "\"", ",,,", "Bearer realm=\"no end", "=x,Basic", "Bearer realm", "a=b=c", "\u{1F600}", "Bearer realm=\"\\"]
        {
            let headers =
                HeaderMap::from_iter([(WWW_AUTHENTICATE, reqwest::header::HeaderValue::from_bytes(text.as_bytes()).unwrap())]);
            let _ = challenges(&headers);
        }
        assert_eq!(read(&["Bearer realm=\"no end"])[0].parameter("realm"), Some("no end"));
        assert!(challenges(&HeaderMap::from_iter([(WWW_AUTHENTICATE, "x,".repeat(100_000).parse().unwrap())])).len() < 10_000);
    }
}
