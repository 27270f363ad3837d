//! Picks the packages that a request needs, as apt would pick them.
//!
//! Only candidates are considered (or the versions that the request names), Recommends are not
//! followed. The request becomes a [`problem`] over whole packages, which `resolvo` solves: what is
//! forced is decided first, then open choices in the order in which packages came in, each for its
//! first alternative that is possible, unless another one is there already. That is what apt's own
//! solver of version 3 does, with which the results were compared (see `examples/resolve.rs`); its
//! older one decides some choices before it has seen everything that is forced, and so, in large
//! sets, sometimes installs a package more. The result is a function of indices and request.

mod error;
mod explain;
mod problem;
mod provider;
mod stuck;

use std::collections::{BTreeMap, BTreeSet};

use resolvo::{DenseIndex, SolvableId, UnsolvableOrCancelled};

pub use error::ResolveError;
pub(crate) use stuck::stuck;

use crate::universe::{RecordId, Universe};
use problem::Problem;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The Debian architecture of the system, as `arm64`.
    pub architecture: String,
    /// `name` or `name=version`; a virtual name is allowed if exactly one package provides it.
    pub packages: Vec<String>,
    /// Whether everything that is `Essential: yes` is wanted, too.
    pub essential: bool,
    /// Names and exact versions that were chosen before and are kept.
    pub favoured: Vec<(String, String)>,
    /// Names, and the digests of the packages that are taken if anything of that name is needed:
    /// in place of what the sources prefer, unless a version is asked for by number.
    pub kept: BTreeMap<String, String>,
}

/// A package that was picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture: that of the request, or `all`.
    pub architecture: String,
    /// SHA-256 of the .deb, in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes of the .deb.
    pub size: u64,
    /// Where the .deb is, relative to the root URL of its source.
    pub path: String,
    /// The name of its source.
    pub source: String,
}

/// Picks packages; the result is sorted by name.
///
/// # Errors
/// A name that does not exist, or needs that cannot all be met, explained in terms of packages.
pub fn resolve(universe: &Universe, request: &Request) -> Result<Vec<Chosen>, ResolveError> {
    let problem = Problem::build(universe, request)?;
    let chosen = solve(&problem)?;
    let mut packages: Vec<Chosen> =
        chosen.into_iter().map(|node| describe(universe, problem.nodes[node].id)).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The nodes that are installed.
fn solve(problem: &Problem<'_>) -> Result<BTreeSet<usize>, ResolveError> {
    let (requirements, provider) = provider::Provider::new(problem);
    let mut solver = resolvo::Solver::new(provider);
    let wanted = resolvo::Problem::<SolvableId>::new().requirements(requirements);
    match solver.solve(wanted) {
        Ok(solution) => {
            let solution = solution.into_iter().map(DenseIndex::to_index).collect();
            Ok(problem.reachable(&solution))
        }
        Err(UnsolvableOrCancelled::Unsolvable(_) | UnsolvableOrCancelled::Cancelled(_)) => {
            Err(ResolveError::Unsatisfiable { reason: explain::explain(problem) })
        }
    }
}

fn describe(universe: &Universe, id: RecordId) -> Chosen {
    let record = universe.record(id);
    Chosen {
        name: record.name.clone(),
        version: record.version.to_string(),
        architecture: record.architecture.clone(),
        sha256: record.sha256.clone(),
        size: record.size,
        path: record.filename.clone(),
        source: universe.repository(id).name.clone(),
    }
}

#[cfg(test)]
mod tests;
