//! The record of the last build into an output folder: what it was made from, how long its stages
//! took, and which files it wrote.
//!
//! With it a build that has nothing to do says so at once, `osb plan` knows how long a stage will
//! take, and `osb why` what has changed. It is no more than a memory: without it, or with one that
//! cannot be read, everything is built as if there had been no build.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use osb_apt::Lock;
use osb_checksum::{fingerprint, fingerprint_file, to_hex};
use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::event::Artifact;
use crate::inputs::Inputs;
use crate::job::Job;
use crate::plan::Plan;
use crate::{cache, emit};

/// What is remembered of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The osb that built: another one may write other artifacts from the same tree.
    program: String,
    /// What tells the image and its description from all others.
    image: String,
    /// Keys of the halves, with who made them.
    pub(crate) halves: Vec<String>,
    /// What the keys were made over.
    pub(crate) inputs: Inputs,
    /// How long each stage took when it last ran, in seconds, by the name that [`stage_name`] gives.
    pub(crate) seconds: BTreeMap<String, f64>,
    /// The files that were written.
    outputs: Vec<Output>,
    /// Whether the image was held against the rules of `osb check`.
    #[serde(default)]
    checked: bool,
    /// Findings that were allowed then.
    #[serde(default)]
    allowed: Vec<String>,
}

/// A file as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Output {
    name: String,
    size: u64,
    inode: u64,
    /// Seconds since 1970 and nanoseconds of the last change of content, and of anything.
    modified: (i64, i64),
    changed: (i64, i64),
    /// Whether it was told as an artifact.
    told: bool,
    /// SHA-256 of an artifact, if that is told.
    sha256: Option<String>,
}

/// What a stage's time is remembered under.
pub(crate) fn stage_name(stage: &str, layer: Option<&str>) -> String {
    match layer {
        Some(layer) => format!("{stage} {layer}"),
        None => stage.to_owned(),
    }
}

/// The record of the last build with these options, if there is one.
pub(crate) fn last(job: &Job) -> Option<Record> {
    let path = place(job).ok()?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The artifacts, if the last build made exactly these from exactly this, and nobody has touched
/// them since.
pub(crate) fn still_good(job: &Job, lock: &Lock, plan: &Plan) -> Option<Vec<Artifact>> {
    let record = last(job)?;
    let same = record.image == image(lock, plan) && record.program == program(job).ok()?;
    let same_rules = record.checked && record.allowed == job.options.project.allow();
    let checked = same_rules || !job.options.check;
    if !same || !checked || record.outputs.is_empty() {
        return None;
    }
    // A file that was changed in the moment after it was recorded may have kept its times, on a file
    // system that counts whole seconds, or two (vfat).
    let path = place(job).ok()?;
    let recorded = fs::metadata(&path).ok()?.ctime();
    if record.outputs.iter().any(|known| known.coarse() && known.changed.0 + 2 >= recorded) {
        return None;
    }
    let mut artifacts = Vec::new();
    for known in record.outputs {
        let file = job.options.output.join(&known.name);
        if Output::look(&file, &known.name).ok()?.with(known.told, &known.sha256) != known {
            return None;
        }
        if known.told {
            artifacts.push(Artifact { path: file, size: known.size, sha256: known.sha256 });
        }
    }
    Some(artifacts)
}

/// Marks the record as used now: it is, though nothing is made of it.
pub(crate) fn touch(job: &Job) {
    if let Ok(path) = place(job) {
        cache::touch(&path);
    }
}

/// Remembers a build that has ended.
pub(crate) fn keep(
    job: &Job,
    lock: &Lock,
    plan: &Plan,
    artifacts: &[Artifact],
) -> Result<(), BuildError> {
    let mut seconds = last(job).map(|record| record.seconds).unwrap_or_default();
    for stage in job.stages().iter() {
        seconds.insert(stage_name(stage.name, stage.layer.as_deref()), stage.wall);
    }
    let mut outputs = Vec::new();
    let look = |name: &str| {
        let path = job.options.output.join(name);
        Output::look(&path, name).map_err(BuildError::io("looking at", path))
    };
    for artifact in artifacts {
        let name = artifact.path.file_name().unwrap_or_default().to_string_lossy();
        outputs.push(look(&name)?.with(true, &artifact.sha256));
    }
    // Without artifacts, what lies there is not of this build.
    for name in emit::written().into_iter().filter(|_| !artifacts.is_empty()) {
        let known = outputs.iter().any(|output| output.name == name);
        if !known && job.options.output.join(&name).exists() {
            outputs.push(look(&name)?);
        }
    }
    let record = Record {
        program: program(job)?,
        image: image(lock, plan),
        halves: plan.halves().into_iter().map(|half| plan.made(plan.key(half))).collect(),
        inputs: Inputs::of(job, plan),
        seconds,
        outputs,
        checked: job.options.check,
        allowed: job.options.project.allow(),
    };
    let path = place(job)?;
    let scratch = job.cache.scratch("record")?.join("record");
    // Strings, numbers and maps with string keys always have a JSON form.
    let text = serde_json::to_vec(&record).unwrap_or_default();
    fs::write(&scratch, text)
        .and_then(|()| fs::rename(&scratch, &path))
        .map_err(BuildError::io("writing", path))
}

/// Names the image, who makes it, and what is told of it besides: the description has the sources of
/// the lock and of each package, and what is pinned.
fn image(lock: &Lock, plan: &Plan) -> String {
    let sources: Vec<&str> = plan.packages.iter().map(|package| package.source.as_str()).collect();
    let (image, pinned) = (plan.made(plan.image_key()), &lock.artifacts);
    let text = format!("{image} {:?} {sources:?} {pinned:?}", lock.sources);
    to_hex(&fingerprint(text.as_bytes()))
}

/// One record for each lock, output folder and choice of forms.
fn place(job: &Job) -> Result<PathBuf, BuildError> {
    let options = job.options;
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(BuildError::io("finding", path.to_owned()));
    let (lock, output) = (absolute(&options.lock_path)?, absolute(&options.output)?);
    let text = format!("{lock:?} {output:?} {:?}", options.only);
    Ok(job.cache.record(&to_hex(&fingerprint(text.as_bytes()))))
}

/// Names the osb that runs.
fn program(job: &Job) -> Result<String, BuildError> {
    let path = &job.options.launcher;
    Ok(to_hex(&fingerprint_file(path).map_err(BuildError::io("reading", path))?))
}

impl Output {
    fn look(path: &Path, name: &str) -> io::Result<Self> {
        let stat = fs::symlink_metadata(path)?;
        Ok(Output {
            name: name.to_owned(),
            size: stat.len(),
            inode: stat.ino(),
            modified: (stat.mtime(), stat.mtime_nsec()),
            changed: (stat.ctime(), stat.ctime_nsec()),
            told: false,
            sha256: None,
        })
    }

    /// Whether its times may be those of a clock of whole seconds.
    fn coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }

    fn with(self, told: bool, sha256: &Option<String>) -> Self {
        Output { told, sha256: sha256.clone(), ..self }
    }
}
