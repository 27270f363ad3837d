//! The long proofs: a second cold build gives the same bytes, builds that are killed leave nothing
//! behind and can go on, and builds do not disturb each other.

use std::path::Path;

use crate::beside;
use crate::kills::{self, Series};
use crate::project::Project;
use crate::steps::Steps;

/// Runs every long proof; `out` holds a finished build.
pub(crate) fn check(
    steps: &mut Steps,
    project: &Project,
    recipe: &Path,
    out: &Path,
    series: &Series,
) {
    let Some(site) = kills::site(steps, project, recipe, out) else { return };
    if kills::check(steps, &site, series).is_some() {
        beside::check(steps, &site);
    }
}
