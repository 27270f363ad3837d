//! Which commit a checkout of osb is at, by asking Git.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of: a change there makes it another one than its commit's.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "osb.toml",
    "layers",
    "crates",
    ":(exclude)crates/*/tests/*",
    ":(exclude)crates/bench",
    ":(exclude)crates/fuzz",
    ":(exclude)crates/testrepo",
];

/// As many digits of the commit are shown.
const DIGITS: usize = 12;

/// A commit, for people, and for cargo.
pub(crate) struct Commit {
    /// `0123456789ab 2026-01-31`: the commit, and the day it was made on; `0123456789ab-dirty …` if
    /// the sources are others than the commit's.
    pub(crate) text: String,
    /// When one of these changes, the text may.
    pub(crate) watch: Vec<PathBuf>,
}

/// The commit of the repository whose top folder is `root`. `None` without Git, and in a source
/// archive, wherever that was unpacked.
pub(crate) fn of(root: &Path) -> Option<Commit> {
    let git = |arguments: &[&str]| git(root, arguments);
    // An archive may lie somewhere in the repository of another project.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let line = git(&["log", "-1", "--no-show-signature", "--format=%H %cs"])?;
    let (hash, day) = line.split_once(' ')?;
    let hash = hash.get(..DIGITS)?;
    let sources = |words: &[&str]| git(&[words, &["--"], &SOURCES].concat());
    let changed = sources(&["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };

    let mut watch: Vec<PathBuf> = Vec::new();
    // What moves when HEAD does. Not all are there: refs may be packed, and the log of HEAD (which
    // every commit, checkout and reset adds to) turned off. Cargo would run us always for a path
    // that is not there.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", "logs/HEAD", "packed-refs", &branch] {
        let path = git(&["rev-parse", "--git-path", name]).map(|path| root.join(path));
        watch.extend(path.filter(|path| !name.is_empty() && path.is_file()));
    }
    let files = sources(&["ls-files", "-z"])?;
    watch.extend(files.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name)));
    Some(Commit { text: format!("{hash}{dirty} {day}"), watch })
}

/// Whether a packager's text can stand in the one line of `--version`.
pub(crate) fn is_printable(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// What Git prints, without the line's end; `None` if it is not there, or refuses.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // Set by Git itself for its hooks, and then of the repository that the hook is of.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(name);
    }
    let output =
        git.arg("--no-optional-locks").arg("-C").arg(root).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
