//! `key=value` fields in one line, separated by commas, as docker's options have them: a line of CSV (RFC 4180).

/// The fields of `text`. A field in double quotes may hold commas; `""` is a quote in it.
///
/// # Errors
/// When a quote is not closed, or something follows a closed one.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted, text)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("`{text}` has something behind a closed quote")),
        }
    }
}

fn take_quoted<'t>(quoted: &'t str, whole: &str) -> Result<(String, &'t str), String> {
    let (mut field, mut rest) = (String::new(), quoted);
    loop {
        let Some((part, after)) = rest.split_once('"') else { return Err(format!("`{whole}` has a quote that is not closed")) };
        field += part;
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

/// `true` or `false`, as Go's `strconv.ParseBool` reads them; a field without a value is true.
pub(crate) fn flag(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(format!("{name} is true or false, not `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_field_may_hold_commas_and_quotes() {
        assert_eq!(split("type=image,\"name=a,b\",push").unwrap(), ["type=image", "name=a,b", "push"]);
        assert_eq!(split("\"a\"\"b\",").unwrap(), ["a\"b", ""]);
        assert!(split("\"a").is_err() && split("\"a\"b").is_err());
    }

    #[test]
    fn flags_are_read_as_go_reads_them() {
        assert_eq!((flag("x", None), flag("x", Some("F"))), (Ok(true), Ok(false)));
        assert!(flag("x", Some("yes")).is_err());
    }
}
