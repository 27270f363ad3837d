//! Is the image right? The rules of `osb check`, before anything gets its name.
//!
//! What is checked is what is written, as values: the tree, the boot files, the layout. So it goes on
//! beside the writing, on a processor that the writing leaves free, and reads files that the writing
//! reads, too. `osb check` on the artifacts themselves reads the same from what was written.

use osb_check::{Allow, Context, Memo, Outcome, Place, Report, Severity, Subject};
use osb_image::{Partition, Table, TableKind};
use osb_recipe::{Location, Project};
use osb_tree::Tree;

use crate::cache::{self, sums};
use crate::describe;
use crate::disk::Disk;
use crate::error::BuildError;
use crate::job::Job;

/// Findings of one rule that are told.
const TOLD: usize = 10;

/// Holds the image against all rules.
pub(crate) fn check(job: &Job, disk: &Disk, tree: &Tree) -> Report {
    let described = describe::partition_table(disk);
    let number = job.options.project.recipe.disk.root() as u32 + 1;
    let place = |wanted: u32| {
        let found = described.partitions.iter().find(|each| each.number == wanted);
        found.map(|each| Place {
            partition: Some(each.number),
            uuid: each.uuid.clone(),
            label: each.label.clone(),
        })
    };
    let boot = described.partitions.iter().find(|each| each.filesystem == "vfat");
    let boot = boot.and_then(|each| place(each.number)).unwrap_or_default();
    let subject = Subject {
        root_place: place(number).unwrap_or_default(),
        boot_place: boot,
        root: Some(tree.clone()),
        boot: Some(disk.boot.files.clone()),
        // Only the written file system knows what is left of it.
        boot_space: None,
        // The other partitions are empty when they are written.
        others: Vec::new(),
        unread: Vec::new(),
        table: Some(Table {
            kind: if described.kind == "mbr" { TableKind::Mbr } else { TableKind::Gpt },
            id: described.guid,
            sector_size: described.sector_size,
            partitions: described.partitions.into_iter().map(partition).collect(),
            problems: Vec::new(),
        }),
    };
    remembering(job, |memo| osb_check::check(&subject, &context(job, tree), memo))
}

/// Checks with the sums of the last build, and keeps those of this one.
fn remembering(job: &Job, check: impl FnOnce(&Memo) -> Report) -> Report {
    let path = job.cache.sums();
    let known = sums::read(&path).map_err(|error| {
        job.warn(format!("{}: {error}; the sums in it are made again", path.display()));
    });
    // For whoever prunes the cache by age.
    cache::touch(&path);
    let memo = Memo::with_sums(known.clone().unwrap_or_default());
    let report = check(&memo);
    let seen = memo.sums();
    // Those that this image has not go: the file cannot grow without end.
    if known.as_ref() != Ok(&seen)
        && let Err(error) = sums::write(&path, &seen)
    {
        job.warn(format!("sums of contents cannot be kept in the cache: {error}"));
    }
    report
}

fn partition(info: osb_metadata::PartitionInfo) -> Partition {
    Partition {
        number: info.number,
        name: info.name,
        kind: info.type_guid,
        id: info.guid,
        first_lba: info.first_lba,
        last_lba: info.last_lba,
        flags: 0,
    }
}

/// Folders of this machine that no file may name, unless the image has such a folder, too; and hosts
/// that the recipe wants apt to ask.
fn context(job: &Job, tree: &Tree) -> Context {
    let options = job.options;
    let folders = [Some(options.cache.as_path()), options.lock_path.parent()];
    let folders = folders.into_iter().flatten().map(|path| path.to_string_lossy().into_owned());
    let build_paths = folders.filter(|path| tree.resolve(path).is_err()).collect();
    Context { build_paths, jobs: options.jobs, ..wanted(&options.project) }
}

/// What a recipe wants of the rules: hosts that apt may ask, and findings that are allowed.
pub fn wanted(project: &Project) -> Context {
    // Whoever names a mirror of one network in a recipe builds for that network.
    let sources = project.recipe.sources.iter();
    let mirrors = sources.filter_map(|source| match &source.location {
        Location::Url(url) => url.split_once("://")?.1.split('/').next().map(str::to_owned),
        Location::Mirror(_) => None,
    });
    // What names no rule is refused where the recipe is read.
    let allow = project.allow();
    let allow = allow.iter().filter_map(|text| Allow::parse(text).ok());
    Context { mirrors: mirrors.collect(), allow: allow.collect(), ..Context::default() }
}

/// Tells what was found; fails if a rule of severity error does not hold.
pub(crate) fn judge(job: &Job, report: &Report) -> Result<String, BuildError> {
    let mut wrong = Vec::new();
    for allow in &report.unused {
        job.warn(format!("[check] allow = {:?} allows nothing: take it out", allow.to_string()));
    }
    for result in report.results.iter() {
        let (findings, more, proven) = match &result.outcome {
            Outcome::Found { findings, more } => (findings, more, true),
            Outcome::NotProven { findings, more } => (findings, more, false),
            Outcome::Holds | Outcome::DoesNotApply(_) => continue,
        };
        let rule = result.rule;
        let mut lines: Vec<String> = findings
            .iter()
            .take(TOLD)
            .map(|finding| {
                let path = finding.path.as_ref().map(|path| format!("/{}: ", path.escape_ascii()));
                format!("{}: {}{}", rule.id, path.unwrap_or_default(), finding.text)
            })
            .collect();
        let more = more + findings.len().saturating_sub(TOLD);
        if more > 0 {
            lines.push(format!("{}: and {more} more", rule.id));
        }
        match rule.severity {
            _ if !proven => lines.into_iter().for_each(|line| {
                job.warn(format!("not proven: {line}"));
            }),
            Severity::Error => wrong.extend(lines),
            Severity::Warning => lines.into_iter().for_each(|line| job.warn(line)),
            Severity::Note => {}
        }
    }
    match wrong.is_empty() {
        true => Ok(format!(
            "{} rules, {} warnings{}",
            report.results.len(),
            report.count(Severity::Warning),
            match report.allowed() {
                0 => String::new(),
                count => format!(", {count} allowed findings"),
            }
        )),
        false => Err(BuildError::Unfit(wrong)),
    }
}
