//! RUN where nothing can be mounted: on a copy of the root file system, which is compared before and after.

use windlass_layer::{Layer, Metadata, Snapshot, View};
use windlass_sandbox::Tree;

use super::error::Problem;
use super::session::Session;

/// Copies what `view` and `upper`, the beginning of the step's own layer, show together; has `run` change the copy; and
/// writes what it has changed to `upper`.
pub(crate) fn run_in_copy(
    session: &Session,
    upper: &Snapshot,
    view: &View,
    run: impl FnOnce(Tree) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let work = session.store.temporary_directory().map_err(Problem::from_error)?;
    let whole = view.with(Layer::directory(upper).map_err(Problem::from_error)?);
    let tree = windlass_layer::flatten(&whole, &work.path().join("tree"), session.format).map_err(Problem::from_error)?;
    let before = Metadata::read(&tree).map_err(Problem::from_error)?;
    run(Tree::Directory(tree.files()))?;
    let changes = windlass_layer::changes(&before, &tree).map_err(Problem::from_error)?;
    windlass_layer::materialise(&changes, upper, Some(view)).map_err(Problem::from_error)
}
