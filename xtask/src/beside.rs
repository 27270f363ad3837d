//! Runs beside each other: two builds on one cache, two into one folder, and `osb cache prune`.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::host::{Running, names};
use crate::kills::Site;
use crate::steps::{Steps, capture, show};
use crate::test::clear;

/// No build takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A build has begun to use the cache before this.
const SOON: Duration = Duration::from_secs(20);

/// After this, builds are in the middle of their work.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// Runs all of it; the cache is warm before, and empty afterwards.
pub(crate) fn check(steps: &mut Steps, site: &Site) {
    let outs = ["out-a", "out-b"].map(|name| site.project.work.join(name));
    steps.run("two builds into one folder", || {
        clear(&outs[0])?;
        let mut builds = [spawn(site.build(&outs[0]))?, spawn(site.build(&outs[0]))?];
        succeed(&mut builds)?;
        site.same_bytes(&outs[0])?;
        show(
            Command::new("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&outs[0]),
        )?;
        Ok(((), "one after the other".to_owned()))
    });
    steps.run("two cold builds and prune at once", || {
        let survived = site.put_aside()?;
        outs.iter().try_for_each(|out| clear(out))?;
        let mut builds = [spawn(site.build(&outs[0]))?, spawn(site.build(&outs[1]))?];
        until_in_use(&site.project.cache)?;
        let prune = || site.project.osb(&["cache", "prune", "--older-than", "0"]);
        let refused = prune().arg("--no-wait").output()?;
        ensure!(refused.status.code() == Some(1), "prune --no-wait: {refused:?}");
        let mut waiting = spawn(prune())?;
        std::thread::sleep(UNDER_WAY);
        // As every run does: prune must wait for this, too, and leave what is compared below.
        let lease = File::open(&site.project.cache)?;
        let shared = lease.try_lock_shared().is_ok();
        ensure!(shared && waiting.ended()?.is_none(), "prune did not wait for the builds");
        succeed(&mut builds)?;
        outs.iter().try_for_each(|out| site.same_bytes(out))?;
        let equal = same_entries(&survived, &site.project.cache)?;
        ensure!(waiting.ended()?.is_none(), "prune did not wait for a reader");
        drop(lease);
        succeed(&mut [waiting])?;
        clear(&survived)?;
        let left = capture(&mut site.project.osb(&["cache", "--json"]))?;
        let left: serde_json::Value = serde_json::from_str(&left).context("reading the list")?;
        let buckets = left["buckets"].as_array().context("a list of buckets")?;
        let strange: Vec<_> = buckets
            .iter()
            .filter(|bucket| bucket["entries"] != 0 && bucket["name"] != "releases-v1")
            .collect();
        ensure!(strange.is_empty(), "left after prune: {strange:?}");
        let text = format!("the same bytes twice, {equal} entries as those that survived kills");
        Ok(((), text))
    });
}

/// Fails unless the packages and tools that two caches both have are equal; returns how many they
/// are. Layers are not compared as they lie there: what scripts leave behind is cleaned when they
/// are merged, so that only the artifacts show that they are equal.
fn same_entries(a: &Path, b: &Path) -> Result<usize> {
    let mut count = 0;
    for bucket in ["packages-v2", "tools-v2"] {
        for entry in names(&a.join(bucket)) {
            let other = b.join(bucket).join(entry.file_name().unwrap_or_default());
            if other.exists() {
                same_tree(&entry, &other)?;
                count += 1;
            }
        }
    }
    ensure!(count > 0, "the caches have no entry in common");
    Ok(count)
}

/// Fails unless two paths are the same in kind, mode, owner and content, and all below them.
fn same_tree(a: &Path, b: &Path) -> Result<()> {
    let facts = |path: &Path| -> Result<_> {
        let stat = fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
        let size = if stat.is_file() { stat.size() } else { 0 };
        Ok((stat.mode(), stat.uid(), stat.gid(), stat.rdev(), size))
    };
    let differ = || format!("{} and {} differ", a.display(), b.display());
    let (one, two) = (facts(a)?, facts(b)?);
    // A manifest has the times of the folders around the files, too: those of the build.
    if a.extension().is_some_and(|extension| extension == "manifest") {
        return Ok(());
    }
    ensure!(one == two, "{}: {one:?}, {two:?}", differ());
    let kind = fs::symlink_metadata(a)?.file_type();
    if kind.is_file() {
        ensure!(fs::read(a)? == fs::read(b)?, "{}", differ());
    } else if kind.is_symlink() {
        ensure!(fs::read_link(a)? == fs::read_link(b)?, "{}", differ());
    } else if kind.is_dir() {
        let (inside, other) = (names(a), names(b));
        ensure!(inside.len() == other.len(), "{}", differ());
        for (a, b) in inside.iter().zip(&other) {
            ensure!(a.file_name() == b.file_name(), "{}", differ());
            same_tree(a, b)?;
        }
    }
    Ok(())
}

/// Waits until somebody uses the cache. Nobody but a build can be: nothing here holds a lock on it.
fn until_in_use(cache: &Path) -> Result<()> {
    let begun = Instant::now();
    loop {
        // Given up at the end of this line: a build that comes just then tries again.
        let lock = File::open(cache)?.try_lock();
        match lock {
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the cache"),
            Ok(()) if begun.elapsed() > SOON => bail!("no build holds a lock on the cache"),
            Ok(()) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn spawn(mut command: Command) -> Result<Running> {
    Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()))
}

fn succeed(runs: &mut [Running]) -> Result<()> {
    for run in runs {
        let status = run.end(PATIENCE)?;
        ensure!(status.success(), "it ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        let cache = |name: &str, text: &str| {
            let folder = dir.path().join(name).join("tools-v2/key");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), text).unwrap();
            std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
            dir.path().join(name)
        };
        let (a, b, c) = (cache("a", "x"), cache("b", "x"), cache("c", "y"));
        assert_eq!(same_entries(&a, &b).unwrap(), 1);
        assert!(same_entries(&a, &c).is_err());
        assert!(same_entries(&a, &dir.path().join("none")).is_err());
        fs::write(b.join("tools-v2/key/more"), "").unwrap();
        assert!(same_entries(&a, &b).is_err());
    }
}
