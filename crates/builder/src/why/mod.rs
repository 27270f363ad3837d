//! Why something is in the image, or is built anew.

mod layer;
mod package;
mod path;

use osb_apt::Lock;

use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;

pub use layer::{Cause, Changed, HalfWhy, LayerWhy};
pub use package::{Link, PackageWhy};
pub use path::{Origin, PathWhy};

/// The answer to a question about a layer, a package or a path.
#[derive(Debug, Clone)]
pub enum Why {
    /// What changed in a layer since the last build.
    Layer(LayerWhy),
    /// Who asked for a package.
    Package(PackageWhy),
    /// Where a path comes from.
    Path(PathWhy),
}

/// Answers for `what`: a path if it has a slash, else a layer of that name, else a package.
pub(crate) fn why(job: &Job, lock: &Lock, plan: &Plan, what: &str) -> Result<Why, BuildError> {
    if what.contains('/') {
        return path::why(job, plan, what).map(Why::Path);
    }
    if plan.layers.iter().any(|planned| planned.layer.name == what) {
        return Ok(Why::Layer(layer::why(job, plan, what)));
    }
    package::why(job, lock, plan, what).map(Why::Package)
}
