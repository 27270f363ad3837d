//! Which commit `osb --version` names: `build/commit.rs` on repositories made here.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // in helpers, too: a failed one is a failed test

#[path = "../build/commit.rs"]
mod commit;

use std::fs;
use std::path::Path;
use std::process::Command;

/// Git with nothing of the machine's configuration, and a clock that stands still.
fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(arguments);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
        git.env(name, "Somebody");
    }
    for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
        git.env(name, "somebody@example.org");
    }
    git.env("GIT_AUTHOR_DATE", "2026-01-31T12:00:00Z");
    git.env("GIT_COMMITTER_DATE", "2026-01-31T12:00:00Z");
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with sources and one commit; `None`, said aloud, on a machine without Git.
fn repository() -> Option<tempfile::TempDir> {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no git on this machine");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for folder in ["crates/osb/src", "crates/osb/tests", "docs"] {
        fs::create_dir_all(at.join(folder)).unwrap();
    }
    for file in ["crates/osb/src/main.rs", "crates/osb/tests/a.rs", "docs/a.md", "Cargo.toml"] {
        fs::write(at.join(file), "first\n").unwrap();
    }
    git(at, &["init", "--quiet", "--initial-branch=main"]);
    git(at, &["add", "."]);
    git(at, &["commit", "--quiet", "--message=first"]);
    Some(dir)
}

#[test]
fn the_commit_and_its_day_are_told() {
    let Some(dir) = repository() else { return };
    let clean = commit::of(dir.path()).unwrap();
    let (hash, day) = clean.text.split_once(' ').unwrap();
    assert!(hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert_eq!(day, "2026-01-31");
    // Cargo has to look again when one of these changes, and always if one is not there.
    assert!(clean.watch.iter().all(|path| path.is_file()), "{:?}", clean.watch);
    for name in [".git/HEAD", ".git/logs/HEAD", ".git/refs/heads/main", "crates/osb/src/main.rs"] {
        let path = dir.path().join(name);
        assert!(clean.watch.contains(&path), "{name} in {:?}", clean.watch);
    }

    fs::write(dir.path().join("Cargo.toml"), "second\n").unwrap();
    git(dir.path(), &["commit", "--quiet", "--all", "--message=second"]);
    assert_ne!(commit::of(dir.path()).unwrap().text, clean.text);
}

#[test]
fn changed_sources_are_dirty_and_nothing_else_is() {
    let Some(dir) = repository() else { return };
    let text = || commit::of(dir.path()).unwrap().text;
    let clean = text();
    for other in ["docs/a.md", "crates/osb/tests/a.rs", "out.img"] {
        fs::write(dir.path().join(other), "changed\n").unwrap();
        assert_eq!(text(), clean, "{other}");
    }
    fs::write(dir.path().join("crates/osb/src/main.rs"), "changed\n").unwrap();
    assert_eq!(text(), clean.replace(' ', "-dirty "));
    git(dir.path(), &["add", "--all"]);
    assert_eq!(text(), clean.replace(' ', "-dirty "), "staged");
}

#[test]
fn worktrees_packed_refs_and_a_detached_head_are_understood() {
    let Some(dir) = repository() else { return };
    let text = commit::of(dir.path()).unwrap().text;
    git(dir.path(), &["worktree", "add", "--quiet", "-b", "side", "other"]);
    let side = commit::of(&dir.path().join("other")).unwrap();
    assert_eq!(side.text, text);
    // Its HEAD and log are its own, its branch is everybody's.
    for name in [".git/worktrees/other/HEAD", ".git/worktrees/other/logs/HEAD", "refs/heads/side"] {
        assert!(side.watch.iter().any(|path| path.ends_with(name)), "{name} in {:?}", side.watch);
    }
    git(dir.path(), &["pack-refs", "--all"]);
    let packed = commit::of(dir.path()).unwrap();
    assert_eq!(packed.text, text);
    assert!(packed.watch.contains(&dir.path().join(".git/packed-refs")), "{:?}", packed.watch);
    git(dir.path(), &["checkout", "--quiet", "--detach"]);
    assert_eq!(commit::of(dir.path()).unwrap().text, text);
}

#[test]
fn a_source_archive_has_no_commit_wherever_it_lies() {
    let Some(dir) = repository() else { return };
    let archive = dir.path().join("unpacked/osb-0.1.0");
    fs::create_dir_all(&archive).unwrap();
    assert!(commit::of(&archive).is_none(), "in another project's repository");
    let alone = tempfile::tempdir().unwrap();
    assert!(commit::of(alone.path()).is_none(), "in none");
}

#[test]
fn a_packagers_text_is_one_short_line() {
    assert!(commit::is_printable("0123456789ab 2026-01-31"));
    for bad in ["two\nlines", "\u{1b}[31m", "Übersicht", &"x".repeat(101)] {
        assert!(!commit::is_printable(bad), "{bad:?}");
    }
}
