//! The long proofs: a second cold build gives the same bytes, builds that are killed leave nothing
//! behind and can go on, builds do not disturb each other, and `osb check` notices what is wrong.

use crate::beside;
use crate::kills::{self, Series};
use crate::mutate;
use crate::project::{Image, Project};
use crate::steps::Steps;

/// Runs every long proof on an image that is built.
pub(crate) fn check(steps: &mut Steps, project: &Project, image: &Image, series: &Series) {
    mutate::prove(steps, project, image);
    let Some(site) = kills::site(steps, project, &image.recipe, &image.out) else { return };
    if kills::check(steps, &site, series).is_some() {
        beside::check(steps, &site);
    }
}
