//! What a build would do, without doing it.

use std::path::PathBuf;

use osb_apt::{Lock, LockedPackage};
use osb_recipe::Format;
use osb_unpack::Store;

use crate::error::BuildError;
use crate::event::Artifact;
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
    pub unchanged: Option<Vec<Artifact>>,
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
    let has = |half| plan.folder(job, half).is_dir();
    let mut downloads: Vec<&LockedPackage> = Vec::new();
    let mut artifacts: Vec<u64> = Vec::new();
    let mut steps = Vec::new();
    for half in plan.halves() {
        if half == Half::Seal {
            steps.push(initramfs_step(job, plan, last.as_ref())?);
        }
        let cached = has(half);
        let (mut count, mut lacking) = (0, Vec::new());
        if let Half::Packages(index) = half {
            count = plan.layers[index].packages.len();
            if !cached {
                lacking = to_download(job, &store, &plan.layers[index].packages);
            }
        }
        let (stage, layer) = plan.stage(half);
        let state = if cached { State::Cached } else { State::Build };
        let mut download = bytes(&lacking);
        if let (Half::Dressing(index), false) = (half, cached) {
            let pinned = plan.layers[index].layer.artifacts.iter();
            // Pinned packages are among the packages.
            let lacking = pinned
                .filter(|a| a.format != Format::Deb && !job.cache.artifact(&a.sha256).exists());
            let sizes: Vec<u64> = lacking.map(|artifact| artifact.size).collect();
            download += sizes.iter().sum::<u64>();
            artifacts.extend(sizes);
        }
        steps.push(step(stage, Some(layer), state, last.as_ref()).of(count, download));
        downloads.extend(lacking);
    }
    if steps.iter().any(|step| step.state != State::Cached) {
        let tools = tools::for_layers(job, lock);
        if !tools.is_empty() && !tools::folder(job, "build", &tools).is_dir() {
            let store = tools::store(job);
            let lacking = to_download(job, &store, &tools);
            let download = bytes(&lacking);
            let step = step("unpack tools", None, State::Build, last.as_ref());
            steps.insert(0, step.of(tools.len(), download));
            downloads.extend(lacking);
        }
    }
    let unchanged = record::still_good(job, lock, plan);
    let written = if unchanged.is_some() { State::Cached } else { State::Build };
    let writing = match job.options.only {
        Some(Only::Tree) => Vec::new(),
        _ => vec![step("write", None, written, last.as_ref())],
    };
    let Room { cache, output } =
        space::needed(job, lock, plan, |half| unchanged.is_none() && !has(half));
    let to_do = || steps.iter().chain(&writing).filter(|step| step.state == State::Build);
    let seconds = to_do().map(|step| step.seconds).sum();
    Ok(Forecast {
        download: bytes(&downloads) + artifacts.iter().sum::<u64>(),
        downloads: downloads.len() + artifacts.len(),
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
    fn of(self, packages: usize, download: u64) -> Self {
        Step { packages, download, ..self }
    }
}

/// Whether the initramfs is there can be told only when everything that it is made from is.
fn initramfs_step(job: &Job, plan: &Plan, last: Option<&Record>) -> Result<Step, BuildError> {
    let state = match stack::standing(job, plan)? {
        Some(standing) if standing.has_initramfs() => State::Cached,
        Some(_) => State::Build,
        None => State::Depends,
    };
    Ok(step("initramfs", Some("image"), state, last))
}

/// The packages that are neither taken apart nor downloaded.
fn to_download<'a>(
    job: &Job,
    store: &Store,
    packages: &[&'a LockedPackage],
) -> Vec<&'a LockedPackage> {
    let lacking = |package: &&&LockedPackage| {
        !store.has(&package.sha256) && !job.cache.deb(&package.sha256).exists()
    };
    packages.iter().filter(lacking).copied().collect()
}

fn bytes(packages: &[&LockedPackage]) -> u64 {
    packages.iter().map(|package| package.size).sum()
}
