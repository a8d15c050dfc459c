//! Values as they are written in an option or a setting, in docker's words.

use std::path::PathBuf;

use super::fields;
use super::{BuildSecret, Detail, Provenance, SecretSource, SshSource};

/// A size in bytes, with `b`, `k`, `m` or `g` for powers of 1024, as docker has it.
///
/// # Errors
/// When it is no number, is zero or has another unit.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: give a number with b, k, m or g, such as 128m");
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = lower.split_at(lower.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// `id=ID,src=PATH` or `id=ID,env=VARIABLE`; `id` alone is the variable of that name, or the file. With `type=env`, `src`
/// names a variable too.
///
/// # Errors
/// When a part is unknown, or there is no id.
pub fn parse_secret(text: &str) -> Result<BuildSecret, String> {
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for part in fields::split(text)? {
        match part.split_once('=') {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("src" | "source", value)) => file = Some(value.to_owned()),
            Some(("env", value)) => variable = Some(value.to_owned()),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value.to_owned()),
            Some(("type", value)) => return Err(format!("`{value}` is not a type of secret: there are file and env")),
            _ => return Err(format!("`{part}` is no part of a secret")),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| "a secret must have an id".to_owned())?;
    let source = match (kind.as_deref(), variable, file) {
        (Some("file"), Some(_), _) => return Err("a secret of type=file has no env".to_owned()),
        (_, Some(_), Some(_)) => return Err("a secret comes from src or from env, not from both".to_owned()),
        (_, Some(name), None) | (Some("env"), None, Some(name)) => SecretSource::Variable(name),
        (Some("env"), None, None) => SecretSource::Variable(id.clone()),
        (_, None, Some(path)) => SecretSource::File(PathBuf::from(path)),
        (Some(_), None, None) => SecretSource::File(PathBuf::from(&id)),
        (None, None, None) => SecretSource::Either(id.clone()),
    };
    Ok(BuildSecret { id, source })
}

/// `true`, `false`, or a list of `mode=min|max`, `builder-id=URI` and `version=v1`, as `docker buildx build --provenance` has it.
///
/// # Errors
/// When it is something else.
pub fn parse_provenance(text: &str) -> Result<Option<Provenance>, String> {
    let mut provenance = Provenance { detail: Detail::Min, builder_id: String::new() };
    match text {
        "" | "true" | "1" => return Ok(Some(provenance)),
        "false" | "0" => return Ok(None),
        _ => {}
    }
    for field in text.split(',') {
        match field.split_once('=').unwrap_or(("mode", field)) {
            ("mode", "min") => provenance.detail = Detail::Min,
            ("mode", "max") => provenance.detail = Detail::Max,
            ("builder-id", id) if url::Url::parse(id).is_ok() => id.clone_into(&mut provenance.builder_id),
            ("builder-id", id) => {
                return Err(format!("`{id}` is no builder-id: that is a URI such as https://ci.example/runner"));
            }
            ("version", "v1") => {}
            _ => {
                return Err(format!(
                    "`{field}` is not how provenance is asked for: write true, false, or a list of mode=min or mode=max, builder-id=URI and version=v1"
                ));
            }
        }
    }
    Ok(Some(provenance))
}

/// `ID[=SOCKET|KEYFILE[,KEYFILE…]]`
///
/// # Errors
/// When there is no id, or a path is empty.
pub fn parse_ssh(text: &str) -> Result<SshSource, String> {
    let (id, paths) = text.split_once('=').map_or((text, None), |(id, paths)| (id, Some(paths)));
    let paths: Vec<PathBuf> = paths.into_iter().flat_map(|paths| paths.split(',')).map(PathBuf::from).collect();
    if id.is_empty() || paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(format!("`{text}` is not ID, ID=SOCKET or ID=KEYFILE"));
    }
    Ok(SshSource { id: id.to_owned(), paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_docker() {
        assert_eq!((size("64"), size("1K"), size("2mb"), size("1g")), (Ok(64), Ok(1024), Ok(2 << 20), Ok(1 << 30)));
        assert!(["", "m", "0", "1t", "-1", "99999999999g"].iter().all(|text| size(text).is_err()));
    }

    #[test]
    fn secrets_are_named_by_file_or_variable() {
        assert_eq!(parse_secret("id=a,env=B").unwrap().source, SecretSource::Variable("B".to_owned()));
        assert_eq!(parse_secret("id=a").unwrap().source, SecretSource::Either("a".to_owned()));
        assert_eq!(parse_secret("type=env,id=a,src=B").unwrap().source, SecretSource::Variable("B".to_owned()));
        assert_eq!(parse_secret("id=a,\"src=b,c\"").unwrap().source, SecretSource::File("b,c".into()));
        assert!(
            ["src=x", "id=a,env=B,src=c", "type=file,id=a,env=B", "type=x,id=a"].iter().all(|text| parse_secret(text).is_err())
        );
    }

    #[test]
    fn provenance_is_asked_for_by_words_or_a_list() {
        let asked = |detail, id: &str| Ok(Some(Provenance { detail, builder_id: id.to_owned() }));
        assert_eq!((parse_provenance("true"), parse_provenance("false")), (asked(Detail::Min, ""), Ok(None)));
        assert_eq!(parse_provenance("max"), asked(Detail::Max, ""));
        assert_eq!(parse_provenance("builder-id=https://a.test/b,version=v1,mode=max"), asked(Detail::Max, "https://a.test/b"));
        for bad in ["maximal", "mode=all", "version=v0.2", "builder-id=", "builder-id=me", "mode=max,"] {
            assert!(parse_provenance(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn agents_are_named_by_socket_or_keys() {
        assert_eq!(parse_ssh("default").unwrap().paths, Vec::<PathBuf>::new());
        assert_eq!(parse_ssh("a=/k1,/k2").unwrap().paths, [PathBuf::from("/k1"), PathBuf::from("/k2")]);
        assert!(parse_ssh("=x").is_err() && parse_ssh("a=").is_err());
    }
}
