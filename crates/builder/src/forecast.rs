//! What a build would do, without doing it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use osb_apt::{Lock, LockedPackage};
use osb_recipe::{Artifact, Format, Layer};
use osb_unpack::Store;

use crate::error::BuildError;
use crate::job::Job;
use crate::options::Only;
use crate::plan::{Half, Plan};
use crate::record::{self, Record, stage_name};
use crate::space::{self, Room};
use crate::{packages, stack, tools};

/// What a build with these options would do now.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// The artifacts are there already: nothing would be done.
    pub unchanged: Option<Vec<crate::Artifact>>,
    /// Everything that layers are made of, lowest first.
    pub steps: Vec<Step>,
    /// What is written at the end, by the names of the stages.
    pub writing: Vec<Step>,
    /// Bytes to download, tools included.
    pub download: u64,
    /// How many files are to be downloaded, tools included.
    pub downloads: usize,
    /// Bytes that the cache folder will need.
    pub cache_bytes: u64,
    /// Bytes that the output folder will need.
    pub output_bytes: u64,
    /// The output folder.
    pub output: PathBuf,
    /// Seconds that the steps to be done took the last time; `None` if one of them is not known.
    pub seconds: Option<f64>,
}

/// One stage of a build.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name, as in [`crate::Event::Begin`].
    pub stage: &'static str,
    /// The layer that it is for.
    pub layer: Option<String>,
    /// What would be done.
    pub state: State,
    /// Packages that it has to do with.
    pub packages: usize,
    /// Bytes to download for it.
    pub download: u64,
    /// Seconds that it took when it was last done, if that is known.
    pub seconds: Option<f64>,
}

/// What a build would do about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing: the cache has it.
    Cached,
    /// Do it.
    Build,
    /// Do it if what it is made from turns out to have changed.
    Depends,
}

impl State {
    /// One word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Cached => "cached",
            State::Build => "build",
            State::Depends => "depends",
        }
    }
}

/// Forecasts a build from this lock. Changes nothing.
pub(crate) fn forecast(job: &Job, lock: &Lock, plan: &Plan) -> Result<Forecast, BuildError> {
    let last = record::last(job);
    let store = packages::store(job);
    let unchanged = record::still_good(job, lock, plan);
    // What made the artifacts may be gone: nothing is to be done all the same.
    let has = |half| unchanged.is_some() || plan.folder(job, half).is_dir();
    // By digest: the image and the tools have packages in common.
    let mut downloads: BTreeMap<&str, u64> = BTreeMap::new();
    let mut steps = Vec::new();
    for half in plan.halves() {
        if half == Half::Seal {
            let state = match unchanged {
                Some(_) => State::Cached,
                None => initramfs(job, plan)?,
            };
            steps.push(step("initramfs", Some("image"), state, last.as_ref()));
        }
        let cached = has(half);
        let (count, lacking) = match half {
            Half::Packages(index) => {
                let packages = &plan.layers[index].packages;
                (packages.len(), to_download(job, &store, packages))
            }
            Half::Dressing(index) => (0, artifacts(job, plan.layers[index].layer)),
            Half::Seal => (0, Vec::new()),
        };
        let lacking = if cached { Vec::new() } else { lacking };
        let (stage, layer) = plan.stage(half);
        let state = if cached { State::Cached } else { State::Build };
        steps.push(step(stage, Some(layer), state, last.as_ref()).of(count, &lacking));
        downloads.extend(lacking);
    }
    if steps.iter().any(|step| step.state != State::Cached) {
        let tools = tools::for_layers(job, lock);
        if !tools.is_empty() && !tools::folder(job, "build", &tools).is_dir() {
            let store = tools::store(job);
            let lacking = to_download(job, &store, &tools);
            let step = step("unpack tools", None, State::Build, last.as_ref());
            steps.insert(0, step.of(tools.len(), &lacking));
            downloads.extend(lacking);
        }
    }
    let written = if unchanged.is_some() { State::Cached } else { State::Build };
    let writing = match job.options.only {
        Some(Only::Tree) => Vec::new(),
        _ => ["write", "check"]
            .into_iter()
            .filter(|stage| job.options.check || *stage != "check")
            .map(|stage| step(stage, None, written, last.as_ref()))
            .collect(),
    };
    let Room { cache, output } =
        space::needed(job, lock, plan, |half| unchanged.is_none() && !has(half));
    let to_do = || steps.iter().chain(&writing).filter(|step| step.state == State::Build);
    let seconds = to_do().map(|step| step.seconds).sum();
    Ok(Forecast {
        download: downloads.values().sum(),
        downloads: downloads.len(),
        cache_bytes: cache,
        output_bytes: if unchanged.is_some() { 0 } else { output },
        output: job.options.output.clone(),
        seconds,
        unchanged,
        steps,
        writing,
    })
}

fn step(stage: &'static str, layer: Option<&str>, state: State, last: Option<&Record>) -> Step {
    let seconds = last.and_then(|record| record.seconds.get(&stage_name(stage, layer)).copied());
    Step { stage, layer: layer.map(str::to_owned), state, packages: 0, download: 0, seconds }
}

impl Step {
    fn of(self, packages: usize, lacking: &[(&str, u64)]) -> Self {
        Step { packages, download: lacking.iter().map(|(_, size)| size).sum(), ..self }
    }
}

/// Whether the initramfs is there can be told only when everything that it is made from is.
fn initramfs(job: &Job, plan: &Plan) -> Result<State, BuildError> {
    Ok(match stack::standing(job, plan)? {
        Some(standing) if standing.has_initramfs() => State::Cached,
        Some(_) => State::Build,
        None => State::Depends,
    })
}

/// Digests and sizes of the packages that are neither taken apart nor downloaded.
fn to_download<'a>(
    job: &Job,
    store: &Store,
    packages: &[&'a LockedPackage],
) -> Vec<(&'a str, u64)> {
    let lacking = |package: &&&LockedPackage| {
        !store.has(&package.sha256) && !job.cache.deb(&package.sha256).exists()
    };
    let lacking = packages.iter().filter(lacking);
    lacking.map(|package| (package.sha256.as_str(), package.size)).collect()
}

/// Digests and sizes of the pinned files that are not downloaded. Pinned packages are among the
/// packages.
fn artifacts<'a>(job: &Job, layer: &'a Layer) -> Vec<(&'a str, u64)> {
    let lacking =
        |a: &&Artifact| a.format != Format::Deb && !job.cache.artifact(&a.sha256).exists();
    layer.artifacts.iter().filter(lacking).map(|a| (a.sha256.as_str(), a.size)).collect()
}
