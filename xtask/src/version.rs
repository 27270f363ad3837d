//! A new version, everywhere it is written: `Cargo.toml`, `Cargo.lock`, the recipes that are
//! released, and the changelog. Nothing is committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::changelog;
use crate::exit::{BadInput, demand};
use crate::project::{Project, RECIPES};
use crate::reproduce::Git;
use crate::steps::{Steps, capture};

/// The version of this workspace.
pub(crate) const CURRENT: &str = env!("CARGO_PKG_VERSION");

/// Which version.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The new version, X.Y.Z
    version: String,
    /// The day of the release [default: that of SOURCE_DATE_EPOCH, else today, UTC]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

/// Writes it into every file, if all of them can be had.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let project = Project::find()?;
    Git { root: &project.root }.is_clean().map_err(|error| BadInput(format!("{error:#}")))?;
    let date = match &arguments.date {
        Some(date) => date.clone(),
        None => today()?,
    };
    let files = changes(&project.root, CURRENT, &arguments.version, &date)?;
    let mut steps = Steps::default();
    steps.run(&format!("version {}", arguments.version), || {
        for (path, text) in &files {
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        // The lock names the workspace's own packages, too; nothing else moves.
        project.cargo(&["update", "--workspace", "--offline", "--quiet"])?;
        let text =
            format!("{} files; next: review, commit, tag (docs/release.md)", files.len() + 1);
        Ok(((), text))
    });
    Ok(steps)
}

/// The files that a version stands in, with their new texts.
fn changes(root: &Path, old: &str, new: &str, date: &str) -> Result<Vec<(PathBuf, String)>> {
    let numbers = |text: &str| -> Option<[u64; 3]> {
        let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Option<Vec<u64>> =
            text.split('.').map(|part| Some(part).filter(digits)?.parse().ok()).collect();
        parts?.try_into().ok()
    };
    demand!(numbers(new).is_some(), "{new:?} is no version X.Y.Z");
    // The present version has no section of the changelog before its release.
    demand!(numbers(new) >= numbers(old), "{new} is older than {old}");
    let day = date.len() == 10
        && date.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    demand!(day, "{date:?} is no day YYYY-MM-DD");
    let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let manifests =
        RECIPES.map(|(name, folder)| root.join(folder).join(name).with_extension("toml"));
    let mut files = Vec::new();
    for path in [root.join("Cargo.toml")].into_iter().chain(manifests) {
        let text = read(&path)?;
        let line = |version: &str| format!("\nversion = \"{version}\"\n");
        demand!(
            text.matches(&line(old)).count() == 1,
            "{} should have one line `{}`",
            path.display(),
            line(old).trim()
        );
        let text = text.replace(&line(old), &line(new));
        files.push((path, text));
    }
    let path = root.join("CHANGELOG.md");
    let text = changelog::release(&read(&path)?, new, date)?;
    files.push((path, text));
    Ok(files)
}

/// The present day, or that of the clock that builds are to see.
fn today() -> Result<String> {
    let mut date = Command::new("date");
    date.args(["-u", "+%F"]);
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        date.arg("--date").arg(format!("@{epoch}"));
    }
    Ok(capture(&mut date)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repository's own files, in a folder that can be changed.
    fn copy() -> tempfile::TempDir {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let recipes = RECIPES.map(|(name, folder)| format!("{folder}/{name}.toml"));
        for name in ["Cargo.toml".to_owned()].iter().chain(&recipes) {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::copy(root.join(name), dir.path().join(name)).unwrap();
        }
        // What the repository's says changes with every release.
        fs::write(dir.path().join("CHANGELOG.md"), "## [Unreleased]\n\n- This.\n").unwrap();
        dir
    }

    #[test]
    fn a_version_goes_into_every_file() {
        let dir = copy();
        let files = changes(dir.path(), CURRENT, "987.6.5", "2026-11-21").unwrap();
        assert_eq!(files.len(), 2 + RECIPES.len());
        for (path, text) in &files {
            assert!(text.contains("987.6.5"), "{}", path.display());
            fs::write(path, text).unwrap();
        }
        // It is the current one now, it has been released, and the next one finds it.
        assert!(changes(dir.path(), CURRENT, "988.0.0", "2026-11-21").is_err());
        assert!(changes(dir.path(), "987.6.5", "987.6.5", "2026-11-21").is_err());
        let log = dir.path().join("CHANGELOG.md");
        let text = fs::read_to_string(&log).unwrap().replace("ed]\n", "ed]\n\n- That.\n");
        fs::write(&log, text).unwrap();
        changes(dir.path(), "987.6.5", "988.0.0", "2026-11-21").unwrap();
    }

    #[test]
    fn what_is_no_version_or_no_day_is_refused() {
        let dir = copy();
        for (version, date, told) in [
            ("1.2", "2026-11-21", "no version"),
            ("v1.2.3", "2026-11-21", "no version"),
            ("1.2.3-rc.1", "2026-11-21", "no version"),
            ("1.+2.3", "2026-11-21", "no version"),
            ("0.0.9", "2026-11-21", "is older"),
            ("987.6.5", "21.11.2026", "no day"),
            ("987.6.5", "2026-11-2x", "no day"),
        ] {
            let error = changes(dir.path(), CURRENT, version, date).unwrap_err();
            assert!(error.is::<BadInput>() && error.to_string().contains(told), "{error}");
        }
    }
}
