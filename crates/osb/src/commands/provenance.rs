//! `provenance.json`: what a run of `osb build` knows of itself.
//!
//! Written when the artifacts have their names, and not named by `SHA256SUMS`: it tells one run, and
//! two runs that give the same bytes have one list.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use osb_builder::{Options, Report};
use osb_metadata::{BuildRun, Provenance, Revision, UNKNOWN_BUILDER};
use osb_recipe::Origin;
use osb_release::{METADATA, PROVENANCE, ReleaseError, Shelf};

use crate::cli::{Build, Form};
use crate::environment;
use crate::exit::{FAILED, Failure};

/// Names the machine or service that builds: a URI.
const BUILDER: &str = "OSB_BUILDER_ID";

/// What is known before a build begins, and could change while it runs.
pub(super) struct Start {
    at: i64,
    revision: Option<Revision>,
}

impl Start {
    /// Looks at the clock, and at the repository that the recipe lies in.
    pub(super) fn now(options: &Options) -> Start {
        let revision = match &options.project.origin {
            Origin::File(path) => revision(path),
            // It is osb's own, whatever this folder is.
            Origin::BuiltIn(_) => None,
        };
        Start { at: environment::now(), revision }
    }
}

/// Writes the provenance of a run, if it has built anything, or nothing says how that was built.
pub(super) fn write(
    arguments: &Build,
    options: &Options,
    report: &Report,
    start: Start,
) -> Result<(), Failure> {
    let subjects: Vec<(String, String)> = report
        .artifacts
        .iter()
        .filter_map(|artifact| {
            let name = artifact.path.file_name()?.to_str()?.to_owned();
            Some((name, artifact.sha256.clone()?))
        })
        .collect();
    // What was there already, an earlier run has built, and said so.
    if subjects.is_empty() || report.unchanged && is_told(&options.output, &subjects) {
        return Ok(());
    }
    let failed = |error: ReleaseError| Failure::from_error(FAILED, &error);
    let shelf = Shelf::Folder(options.output.clone());
    let text = shelf.small(METADATA).map_err(failed)?.unwrap_or_default();
    let metadata = osb_metadata::from_json(&String::from_utf8_lossy(&text))
        .map_err(|error| Failure::from_error(FAILED, &error))?;
    let lock = osb_checksum::sha256_file(&options.lock_path)
        .map_err(|error| Failure::from_error(FAILED, &error))?;
    let mirrors = osb_builder::bases(options);
    let run = BuildRun {
        recipe: recipe(arguments, options),
        set: arguments.project.set.clone(),
        architecture: report.architecture.clone(),
        only: arguments.only.map(form),
        source_date_epoch: metadata.source_date_epoch,
        mirrors: mirrors
            .into_iter()
            .map(|(name, url)| (name, osb_release::without_user(&url)))
            .collect(),
        lock_sha256: osb_checksum::to_hex(&lock),
        sources: metadata.sources,
        revision: start.revision,
        builder: environment::variable(BUILDER)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| UNKNOWN_BUILDER.to_owned()),
        osb_version: metadata.osb_version,
        started: start.at,
        finished: environment::now(),
    };
    let text = Provenance::new(run, subjects).to_json();
    osb_release::write_whole(&options.output.join(PROVENANCE), text.as_bytes()).map_err(failed)
}

/// The recipe as it was named, or the image of the built-in one; of a path that only this machine has, its last part.
fn recipe(arguments: &Build, options: &Options) -> String {
    let named = match (&arguments.project.recipe, &options.project.origin) {
        (Some(path), _) | (None, Origin::File(path)) => path,
        (None, Origin::BuiltIn(_)) => return options.project.recipe.image.name.clone(),
    };
    let path = match named.is_absolute() {
        true => Path::new(named.file_name().unwrap_or_default()),
        false => super::bare(named),
    };
    path.display().to_string()
}

fn form(form: Form) -> String {
    match form {
        Form::Tree => "tree",
        Form::Disk => "disk",
        Form::Rootfs => "rootfs",
        Form::Sd => "sd",
    }
    .to_owned()
}

/// Whether the provenance that lies there is of these artifacts.
fn is_told(output: &Path, subjects: &[(String, String)]) -> bool {
    let text = Shelf::Folder(output.to_owned()).small(PROVENANCE).ok().flatten();
    let told = text.and_then(|text| Provenance::read(&text).ok());
    told.is_some_and(|provenance| {
        let told: BTreeSet<(&str, &str)> = provenance.subjects().collect();
        let built = subjects.iter().map(|(name, digest)| (name.as_str(), digest.as_str()));
        told == built.collect()
    })
}

/// The state of the repository that a recipe lies in; none if it is in none, or there is no git.
fn revision(recipe: &Path) -> Option<Revision> {
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty());
    let git = |arguments: &[&str]| -> Option<String> {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder.unwrap_or(Path::new(".")));
        // A repository's own settings may name programs to run.
        command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
        command.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).stderr(Stdio::null());
        let told = command.args(arguments).output().ok()?;
        let text = String::from_utf8(told.stdout).ok()?;
        told.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    // Files that git does not keep are outputs more often than inputs.
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let remote = git(&["config", "--get", "remote.origin.url"]);
    let remote = remote.map(|url| osb_release::without_user(&url));
    // What cannot be asked is not vouched for.
    Some(Revision { commit, dirty: changed.is_none_or(|text| !text.is_empty()), remote })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_that_of_the_recipe_and_of_what_git_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
            let mut command = Command::new("git");
            command.arg("-C").arg(dir.path()).args(identity).args(arguments);
            command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let recipe = dir.path().join("osb.toml");
        std::fs::write(&recipe, "a").unwrap();
        if !git(&["init", "--quiet"]) {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("SKIPPED: there is no git");
            }
            return;
        }
        assert_eq!(revision(&recipe), None, "nothing is committed");
        assert!(git(&["add", "."]) && git(&["commit", "--quiet", "-m", "a"]));
        std::fs::write(dir.path().join("disk.img"), "output").unwrap();
        let found = revision(&recipe).unwrap();
        assert!(!found.dirty && found.commit.len() >= 40 && found.remote.is_none());
        std::fs::write(&recipe, "b").unwrap();
        assert!(revision(&recipe).unwrap().dirty);
    }
}
