//! Owners by name and number.

use std::path::Path;

use windlass_core::Finding;
use windlass_layer::View;

use super::CopyError;
use super::target::Owner;

/// No passwd or group file is read past this size, in bytes.
const LARGEST: u64 = 16 << 20;

/// The largest id, as BuildKit has it.
const LARGEST_ID: u32 = i32::MAX.cast_unsigned();

/// The ids that `user[:group]` means in the image. A user without a group brings its primary group from the passwd file, or
/// the group of its own number. Names that are not there are root, as in BuildKit; `warnings` says so.
///
/// # Errors
/// When a name is given and there is no layer to look it up in, or an id is out of range.
pub(super) fn resolve(text: &str, stage: Option<&View>, warnings: &mut Vec<Finding>) -> Result<Owner, CopyError> {
    let invalid = || CopyError::Owner { owner: text.to_owned() };
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let view = || {
        let reason = "a layer that stands by itself (--link, or the first one on scratch) has no passwd file";
        stage.filter(|view| !view.layers().is_empty()).ok_or(CopyError::OwnerByName { owner: text.to_owned(), reason })
    };
    let mut owner = match parse_id(user).ok_or_else(invalid)? {
        Id::Number(id) => Owner { uid: id, gid: id },
        Id::Name(name) => match line(view()?, "etc/passwd", name)? {
            Some(fields) => Owner { uid: number(&fields, 2), gid: number(&fields, 3) },
            None => {
                warnings.push(unknown("user", name, text));
                Owner { uid: 0, gid: 0 }
            }
        },
    };
    if let Some(group) = group {
        owner.gid = match parse_id(group).ok_or_else(invalid)? {
            Id::Number(id) => id,
            Id::Name(name) => line(view()?, "etc/group", name)?.map_or_else(
                || {
                    warnings.push(unknown("group", name, text));
                    owner.gid
                },
                |fields| number(&fields, 2),
            ),
        };
    }
    Ok(owner)
}

fn unknown(kind: &str, name: &str, text: &str) -> Finding {
    Finding::warn("dockerfile/unknown-owner", format!("the image has no {kind} `{name}`: root is taken for it"))
        .about(text)
        .help("add it in an earlier RUN, or give a number")
}

enum Id<'a> {
    Number(u32),
    Name(&'a str),
}

/// `root` is a number as well, so that it needs no passwd file; an empty part is root's.
fn parse_id(text: &str) -> Option<Id<'_>> {
    if text.is_empty() || text == "root" {
        return Some(Id::Number(0));
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Id::Name(text));
    }
    let id: u32 = text.parse().ok()?;
    (id <= LARGEST_ID).then_some(Id::Number(id))
}

/// The fields of the first line of that name.
fn line(view: &View, path: &str, name: &str) -> Result<Option<Vec<String>>, CopyError> {
    let Some(content) = view.read_file(Path::new(path), LARGEST)? else { return Ok(None) };
    let content = String::from_utf8_lossy(&content);
    let mut lines = content.lines().map(|line| line.trim().split(':'));
    Ok(lines.find(|fields| fields.clone().next() == Some(name)).map(|fields| fields.map(str::to_owned).collect()))
}

fn number(fields: &[String], index: usize) -> u32 {
    fields.get(index).and_then(|field| field.trim().parse().ok()).unwrap_or(0)
}
