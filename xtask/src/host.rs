//! What a machine shows of builds that are over: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What a build could leave behind outside of its folders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Host {
    mounts: String,
    /// Names below `/proc/sys/fs/binfmt_misc`, with what they say.
    formats: BTreeSet<(String, String)>,
    /// All folders of the control groups. Other services come and go: only new ones count.
    groups: BTreeSet<PathBuf>,
}

impl Host {
    /// How it is now.
    pub(crate) fn now() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
        let formats = names(Path::new("/proc/sys/fs/binfmt_misc"))
            .into_iter()
            .map(|path| {
                let text = fs::read_to_string(&path).unwrap_or_default();
                (path.display().to_string(), text)
            })
            .collect();
        let mut groups = BTreeSet::new();
        folders(Path::new("/sys/fs/cgroup"), &mut groups);
        Ok(Self { mounts, formats, groups })
    }

    /// Fails unless it is still like this.
    pub(crate) fn check(&self) -> Result<()> {
        let now = Self::now()?;
        ensure!(now.mounts == self.mounts, "mounts are left:\n{}\n{}", self.mounts, now.mounts);
        ensure!(now.formats == self.formats, "binfmt_misc has changed: {:?}", now.formats);
        let new: Vec<_> = now.groups.difference(&self.groups).collect();
        ensure!(new.is_empty(), "control groups are left: {new:?}");
        Ok(())
    }
}

/// The processes of a run: its children, theirs, and everything in their pid namespaces.
#[derive(Debug)]
pub(crate) struct Family {
    program: PathBuf,
    members: BTreeSet<u32>,
    namespaces: BTreeSet<PathBuf>,
}

impl Family {
    /// The family of the process `pid`, which runs `program`.
    pub(crate) fn of(pid: u32, program: &Path) -> Result<Self> {
        let own = fs::read_link("/proc/self/ns/pid").context("reading the pid namespace")?;
        let mut members = BTreeSet::from([pid]);
        let all = processes();
        // Parents may have higher numbers than their children: until nothing changes.
        loop {
            let before = members.len();
            let child = |pid: &&u32| parent(**pid).is_some_and(|parent| members.contains(&parent));
            let children: Vec<u32> = all.iter().filter(child).copied().collect();
            members.extend(children);
            if members.len() == before {
                break;
            }
        }
        let namespaces = members.iter().filter_map(|pid| namespace(*pid));
        let namespaces = namespaces.filter(|namespace| *namespace != own).collect();
        Ok(Self { program: program.canonicalize()?, members, namespaces })
    }

    /// Waits until nobody is left; returns how long it took.
    pub(crate) fn gone(&self, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < limit, "processes are left: {}", left.join(", "));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn left(&self) -> Vec<String> {
        let is_ours = |pid: &u32| {
            self.members.contains(pid)
                || namespace(*pid).is_some_and(|namespace| self.namespaces.contains(&namespace))
                || fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.program)
        };
        let name = |pid: u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} {}", name.trim_end())
        };
        processes().into_iter().filter(is_ours).map(name).collect()
    }
}

fn processes() -> Vec<u32> {
    let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
    names(Path::new("/proc")).into_iter().filter_map(number).collect()
}

/// The parent's number: field 4 of `/proc/PID/stat`, counted behind the parenthesised name.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn namespace(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// The paths in a folder; what cannot be read has none.
pub(crate) fn names(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}

fn folders(root: &Path, found: &mut BTreeSet<PathBuf>) {
    for path in names(root).into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        folders(&path, found);
        found.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_family_is_seen_until_it_is_gone() {
        let sleep = Path::new("/bin/sleep");
        let mut shell = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let mut family = Family::of(shell.id(), sleep).unwrap();
        while family.members.len() < 2 {
            family = Family::of(shell.id(), sleep).unwrap();
        }
        family.program = PathBuf::from("/nowhere");
        assert!(family.gone(Duration::ZERO).is_err());
        for pid in &family.members {
            let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        shell.wait().unwrap();
        family.gone(Duration::from_secs(10)).unwrap();
    }
}
