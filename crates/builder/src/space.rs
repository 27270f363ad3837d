//! Is there room? Asked before anything is started.

use std::path::Path;

use osb_apt::Lock;

use crate::error::BuildError;
use crate::job::Job;
use crate::options::Only;
use crate::plan::{Half, Plan};
use crate::survey::Survey;
use crate::tools;

/// Unpacked size of a .deb against its own: between 3 and 4.5 for the default recipe, larger for
/// packages of plain data; without what the recipe leaves out.
const UNPACKED: u64 = 4;

/// Bytes that a build writes, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Into the cache folder.
    pub(crate) cache: u64,
    /// Into the output folder.
    pub(crate) output: u64,
}

/// Checks the cache and the output folder against what the plan will write there.
pub(crate) fn check(
    job: &Job,
    lock: &Lock,
    plan: &Plan,
    survey: &Survey,
) -> Result<(), BuildError> {
    let Room { cache, output } = needed(job, lock, plan, |half| survey.lacks(half));
    let output_folder = job.options.output.as_path();
    if same_file_system(&job.cache.root, output_folder)? {
        return room(&job.cache.root, cache + output);
    }
    room(&job.cache.root, cache)?;
    room(output_folder, output)
}

/// What the plan will write; `lacks` tells whether a half must be built.
pub(crate) fn needed(job: &Job, lock: &Lock, plan: &Plan, lacks: impl Fn(Half) -> bool) -> Room {
    let image: u64 = plan.packages.iter().map(|package| package.size).sum();
    let missing: u64 = plan
        .layers
        .iter()
        .enumerate()
        .filter(|(index, _)| lacks(Half::Packages(*index)))
        .flat_map(|(_, planned)| &planned.packages)
        .map(|package| package.size)
        .sum();
    // Each missing package lies there three times: as downloaded, taken apart, and in its layer.
    let mut cache = missing * (1 + 2 * UNPACKED);
    let tools = tools::for_layers(job, lock);
    if plan.halves().into_iter().any(&lacks)
        && !tools.is_empty()
        && !tools::folder(job, "build", &tools).is_dir()
    {
        // The same for tools.
        cache += tools.iter().map(|package| package.size).sum::<u64>() * (1 + 2 * UNPACKED);
    }
    let dressed = plan.layers.iter().enumerate().filter(|(n, _)| lacks(Half::Dressing(*n)));
    for artifact in dressed.flat_map(|(_, planned)| &planned.layer.artifacts) {
        // As downloaded, read through, and in its layer.
        cache += artifact.size * (1 + 2 * UNPACKED);
    }
    // Their share of what is compressed is kept in pieces.
    let compressed = match job.options.only {
        Some(Only::Tree | Only::Disk) => 0,
        Some(Only::Rootfs | Only::Sd) => 1,
        None => 2,
    };
    cache += compressed * missing * UNPACKED / 2;
    let unpacked = image * UNPACKED;
    let output = match job.options.only {
        Some(Only::Tree) => 0,
        Some(Only::Rootfs | Only::Sd) => unpacked / 2,
        Some(Only::Disk) => unpacked,
        None => unpacked * 2,
    };
    Room { cache, output }
}

/// Fails unless so many bytes are free at `path`.
pub(crate) fn room(path: &Path, need: u64) -> Result<(), BuildError> {
    const MIB: u64 = 1 << 20;
    let stat = rustix::fs::statvfs(existing(path))
        .map_err(|error| BuildError::io("asking for the free space of", path)(error.into()))?;
    let have = stat.f_bavail * stat.f_frsize;
    if have < need {
        let path = path.to_owned();
        return Err(BuildError::Space { path, need: need.div_ceil(MIB), have: have / MIB });
    }
    Ok(())
}

fn same_file_system(a: &Path, b: &Path) -> Result<bool, BuildError> {
    let device = |path: &Path| {
        std::fs::metadata(existing(path))
            .map(|stat| std::os::unix::fs::MetadataExt::dev(&stat))
            .map_err(BuildError::io("looking at", path))
    };
    Ok(device(a)? == device(b)?)
}

/// The path itself, or the nearest folder above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(if path.is_absolute() {
        Path::new("/")
    } else {
        Path::new(".")
    })
}
