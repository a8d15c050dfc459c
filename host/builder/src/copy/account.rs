//! The user that a process runs as.

use std::path::Path;

use windlass_layer::View;

use super::CopyError;

/// No passwd or group file is read past this size, in bytes.
const LARGEST: u64 = 16 << 20;

/// Who a process is, as `USER` names it in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// The home directory, when the passwd file names one.
    pub home: Option<String>,
}

/// The account that `user[:group]`, names or numbers, means in the image; the empty text is root.
///
/// # Errors
/// When a name is not in the image's passwd or group file, or a number is none.
pub fn account(view: &View, text: &str) -> Result<Account, CopyError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let user = if user.is_empty() { "0" } else { user };
    let passwd = lines(view, "etc/passwd")?;
    let groups = lines(view, "etc/group")?;
    let entry = passwd.iter().find(|fields| fields[0] == user).or_else(|| {
        let id = user.parse::<u32>().ok()?;
        passwd.iter().find(|fields| field(fields, 2) == Some(id))
    });
    let unknown =
        |what: &'static str, name: &str| CopyError::UnknownAccount { what, name: name.to_owned(), owner: text.to_owned() };
    let mut account = match entry {
        Some(fields) => Account {
            // A number that is none must not become root's.
            uid: field(fields, 2).ok_or_else(|| unknown("user", user))?,
            gid: field(fields, 3).unwrap_or(0),
            groups: Vec::new(),
            home: fields.get(5).filter(|home| !home.is_empty()).cloned(),
        },
        None => Account { uid: user.parse().map_err(|_| unknown("user", user))?, ..Account::default() },
    };
    match group.filter(|group| !group.is_empty()) {
        Some(group) => {
            let named = groups.iter().find(|fields| fields[0] == group).and_then(|fields| field(fields, 2));
            account.gid = named.or_else(|| group.parse().ok()).ok_or_else(|| unknown("group", group))?;
        }
        None => account.groups = supplementary(&groups, entry),
    }
    Ok(account)
}

/// The groups that list the user as a member.
fn supplementary(groups: &[Vec<String>], entry: Option<&Vec<String>>) -> Vec<u32> {
    let Some(name) = entry.and_then(|fields| fields.first()) else { return Vec::new() };
    let is_member =
        |fields: &&Vec<String>| fields.get(3).is_some_and(|members| members.split(',').any(|member| member.trim() == name));
    groups.iter().filter(is_member).filter_map(|fields| field(fields, 2)).collect()
}

fn lines(view: &View, path: &str) -> Result<Vec<Vec<String>>, CopyError> {
    let content = view.read_file(Path::new(path), LARGEST)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    Ok(text.lines().map(|line| line.trim().split(':').map(str::to_owned).collect()).collect())
}

fn field(fields: &[String], index: usize) -> Option<u32> {
    fields.get(index)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use windlass_layer::{Content, Entry, EntryKind, Layer, Timestamp};

    use super::*;

    fn view() -> View {
        let file = |path: &str, text: &str| Entry {
            kind: EntryKind::File { size: text.len() as u64, content: Content::Inline(Arc::from(text.as_bytes())) },
            ..Entry::directory(path, Timestamp::default())
        };
        let passwd = file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n");
        let group = file("etc/group", "root:x:0:\ntools:x:2000:app,other\n");
        View::new(vec![Layer::listing(vec![Entry::directory("etc", Timestamp::default()), passwd, group])])
    }

    #[test]
    fn names_and_numbers_find_the_same_account() {
        let app = Account { uid: 1000, gid: 1001, groups: vec![2000], home: Some("/home/app".to_owned()) };
        assert_eq!(account(&view(), "app").unwrap(), app);
        assert_eq!(account(&view(), "1000").unwrap(), app);
        assert_eq!(account(&view(), "").unwrap().home.as_deref(), Some("/root"));
    }

    #[test]
    fn a_group_stands_in_for_the_supplementary_ones() {
        let account = account(&view(), "app:tools").unwrap();
        assert_eq!((account.gid, account.groups), (2000, vec![]));
    }

    #[test]
    fn who_is_not_there_is_named() {
        assert!(account(&view(), "ghost").unwrap_err().to_string().contains("ghost"));
        assert!(account(&view(), "app:ghosts").unwrap_err().to_string().contains("ghosts"));
        assert_eq!(account(&View::empty(), "7:8").unwrap(), Account { uid: 7, gid: 8, ..Account::default() });
    }
}
