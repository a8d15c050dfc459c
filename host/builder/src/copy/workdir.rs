//! WORKDIR.

use std::path::Path;

use windlass_core::Finding;
use windlass_layer::Listing;

use super::place::Attributes;
use super::resolve::clean;
use super::target::{Owner, Target};
use super::{CopyError, Stage, owner};

/// The layer that `WORKDIR path` makes: the directories that are missing, with mode 755 and the owner that `user`, the stage's
/// USER, means, and what the user should know. It is empty when they are there.
///
/// # Errors
/// When a part of the path is no directory, or the user cannot be looked up.
pub fn workdir(stage: &Stage<'_>, path: &str, user: Option<&str>) -> Result<(Listing, Vec<Finding>), CopyError> {
    let mut warnings: Vec<Finding> = Vec::new();
    let path = clean(&Path::new("/").join(stage.workdir).join(path));
    let mut target = Target::new(stage.view.cloned());
    let place = target.resolve(&path)?;
    let exists = target.look(&place)?.is_some();
    let owner = match user.filter(|user| !user.is_empty() && !exists) {
        Some(user) => owner::resolve(user, stage.view, &mut warnings)?,
        None => Owner { uid: 0, gid: 0 },
    };
    let attributes = Attributes { owner: Some(owner), mode: None, created: stage.created };
    target.make_directories(&place, &attributes.parents())?;
    Ok((target.into_changes()?, warnings))
}
