//! What the cache has of what a build needs, looked over; what is damaged is taken away, and told.

use std::path::Path;

use crate::cache;
use crate::cache::entry::{self, Entry, Found};
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Half, Plan};

/// The halves that the cache has, by the order of [`Plan::halves`].
pub(crate) struct Survey(pub(crate) Vec<Option<Entry>>);

impl Survey {
    /// Whether this half must be built.
    pub(crate) fn lacks(&self, half: Half) -> bool {
        // As many packages as dressings, and the seal.
        let layers = self.0.len() / 2;
        let index = match half {
            Half::Packages(index) => index,
            Half::Dressing(index) => layers + index,
            Half::Seal => 2 * layers,
        };
        self.0[index].is_none()
    }
}

/// Looks every half over that the cache has. A damaged one is taken away, and told.
pub(crate) fn survey(job: &Job, plan: &Plan) -> Result<Survey, BuildError> {
    let open = |half| {
        let (stage, name) = plan.stage(half);
        look_over(job, &format!("{stage} {name}"), &plan.folder(job, half))
    };
    Ok(Survey(plan.halves().into_iter().map(open).collect::<Result<_, _>>()?))
}

/// The entry `folder`, if it is there and whole; it is marked as used now. `what` it is, for people.
pub(crate) fn look_over(job: &Job, what: &str, folder: &Path) -> Result<Option<Entry>, BuildError> {
    found(job, what, folder, entry::open(folder)?)
}

/// As [`look_over`], contents included: for what programs read, or what is copied from.
pub(crate) fn read_over(job: &Job, what: &str, folder: &Path) -> Result<Option<Entry>, BuildError> {
    found(job, what, folder, entry::verify(folder, &|| job.go_on())?)
}

fn found(job: &Job, what: &str, folder: &Path, found: Found) -> Result<Option<Entry>, BuildError> {
    match found {
        Found::Whole(entry) => {
            cache::touch(folder);
            Ok(Some(entry))
        }
        Found::Missing => Ok(None),
        Found::Damaged(mismatch) => {
            job.warn(format!("{what}: damaged in the cache ({mismatch}); it is made anew"));
            job.discard(folder)?;
            Ok(None)
        }
    }
}
