//! `provenance.json`: what a run of `osb build` knows of itself.
//!
//! Written when the artifacts have their names, and not named by `SHA256SUMS`: it tells one run, and
//! two runs that give the same bytes have one list.

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

/// Writes the provenance of a run that has begun at `started`, if it has built anything.
pub(super) fn write(
    arguments: &Build,
    options: &Options,
    report: &Report,
    started: i64,
) -> Result<(), Failure> {
    let subjects: Vec<(String, String)> = report
        .artifacts
        .iter()
        .filter_map(|artifact| {
            let name = artifact.path.file_name()?.to_str()?.to_owned();
            Some((name, artifact.sha256.clone()?))
        })
        .collect();
    // What was there already, an earlier run has built.
    if report.unchanged || subjects.is_empty() {
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
        mirrors: mirrors.into_iter().map(|(name, url)| (name, without_user(&url))).collect(),
        lock_sha256: osb_checksum::to_hex(&lock),
        sources: metadata.sources,
        revision: revision(&options.output),
        builder: environment::variable(BUILDER)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| UNKNOWN_BUILDER.to_owned()),
        osb_version: metadata.osb_version,
        started,
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

/// The state of the repository that this folder is in; none if it is in none, or there is no git.
fn revision(output: &Path) -> Option<Revision> {
    let git = |arguments: &[&str]| -> Option<String> {
        let mut command = Command::new("git");
        // A repository's own settings may name programs to run.
        command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
        command.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).stderr(Stdio::null());
        let told = command.args(arguments).output().ok()?;
        let text = String::from_utf8(told.stdout).ok()?;
        told.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    // What was built is not what it was built from.
    let but_output = format!(":(exclude){}", output.display());
    let changed = git(&["status", "--porcelain", "--", ":/", &but_output])
        .or_else(|| git(&["status", "--porcelain"]));
    let remote = git(&["config", "--get", "remote.origin.url"]).map(|url| without_user(&url));
    // What cannot be asked is not vouched for.
    Some(Revision { commit, dirty: changed.is_none_or(|text| !text.is_empty()), remote })
}

/// An address without the user and password that it may have.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(without_user("https://me:p@ss@example.org/x@y"), "https://example.org/x@y");
        assert_eq!(without_user("http://ftp.debian.org/debian"), "http://ftp.debian.org/debian");
        assert_eq!(without_user("git@example.org:x.git"), "git@example.org:x.git");
    }
}
