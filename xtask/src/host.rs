//! Builds that are under way, and what a machine shows of those that are over: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A process that does not outlive this value: a failed proof must not leave its builds running.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().context("starting osb")?))
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            ensure!(started.elapsed() < limit, "it did not end within {} s", limit.as_secs());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends it a signal.
    pub(crate) fn send(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), signal)?)
    }

    /// Its family as it is now, if it runs `program`.
    pub(crate) fn family(&self, program: &Path) -> Result<Family> {
        Family::of(self.0.id(), program)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing happens to one that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The stage of a run that has told nothing yet, and so has done nothing yet.
pub(crate) const BEGINNING: &str = "(beginning)";

/// The stage that a run was in, or had just ended, from its log.
pub(crate) fn stage(log: &Path) -> Result<String> {
    let mut stage = BEGINNING.to_owned();
    for line in fs::read_to_string(log)?.lines() {
        // The last line may be half-written.
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let name = event["stage"].as_str().unwrap_or_default();
        match event["event"].as_str() {
            Some("begin") => stage = name.to_owned(),
            Some("end") => stage = format!("after {name}"),
            Some("report") => stage = "(done)".to_owned(),
            _ => {}
        }
    }
    Ok(stage)
}

/// What a build could leave behind outside of its folders. Other programs of the machine mount and
/// make groups meanwhile: only what can be osb's is looked at.
#[derive(Debug)]
pub(crate) struct Host {
    /// What a line of the mount table has in it if it is osb's.
    ours: Vec<String>,
    /// Those lines.
    mounts: Vec<String>,
    /// Names below `/proc/sys/fs/binfmt_misc`, with what they say.
    formats: BTreeSet<(String, String)>,
    /// The control groups below the own ones, in which whatever osb made would be. Only new ones
    /// count: if the own one is the root, other services' come and go there.
    groups: BTreeSet<PathBuf>,
}

impl Host {
    /// How it is now; mounts on or of these folders would be osb's.
    pub(crate) fn now(folders: &[&Path]) -> Result<Self> {
        let mut ours = vec!["osb".to_owned()];
        for folder in folders {
            let real = folder.canonicalize().with_context(|| folder.display().to_string())?;
            // As the mount table writes it.
            ours.push(real.display().to_string().replace(' ', "\\040"));
        }
        Self::read(ours)
    }

    fn read(ours: Vec<String>) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
        let is_ours = |line: &&str| ours.iter().any(|name| line.contains(name.as_str()));
        let mounts = mounts.lines().filter(is_ours).map(str::to_owned).collect();
        let formats = names(Path::new("/proc/sys/fs/binfmt_misc"))
            .into_iter()
            .map(|path| {
                let text = fs::read_to_string(&path).unwrap_or_default();
                (path.display().to_string(), text)
            })
            .collect();
        let mut groups = BTreeSet::new();
        let own = fs::read_to_string("/proc/self/cgroup").context("reading the control groups")?;
        own_groups(&own).iter().for_each(|group| folders(group, &mut groups));
        Ok(Self { ours, mounts, formats, groups })
    }

    /// Fails unless it is still like this.
    pub(crate) fn check(&self) -> Result<()> {
        let now = Self::read(self.ours.clone())?;
        ensure!(
            now.mounts == self.mounts,
            "mounts have changed:\n{}\nnow:\n{}",
            self.mounts.join("\n"),
            now.mounts.join("\n")
        );
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

/// The folders of the groups that `/proc/self/cgroup` lists: `NUMBER:CONTROLLERS:/GROUP`, where
/// version 2 has no controllers.
fn own_groups(list: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let folder = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let hierarchy = match controllers {
            // Alone, or beside version 1.
            "" => [root.to_owned(), root.join("unified")]
                .into_iter()
                .find(|folder| folder.join("cgroup.procs").exists())?,
            controllers => root.join(controllers.trim_start_matches("name=")),
        };
        Some(hierarchy.join(group.trim_start_matches('/')))
    };
    list.lines().filter_map(folder).collect()
}

/// All folders below one.
fn folders(root: &Path, found: &mut BTreeSet<PathBuf>) {
    for path in names(root).into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        folders(&path, found);
        found.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_groups_are_found() {
        let groups = own_groups("4:memory:/a/b\n1:name=systemd:/\n\nstrange\n");
        let root = Path::new("/sys/fs/cgroup");
        assert_eq!(groups, [root.join("memory/a/b"), root.join("systemd")]);
    }

    #[test]
    fn a_mount_of_a_folder_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut host = Host::now(&[dir.path()]).unwrap();
        host.check().unwrap();
        host.mounts.push("one that has gone".to_owned());
        assert!(host.check().is_err());
        assert!(Host::now(&[Path::new("/nowhere")]).is_err());
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let start = || Running::start(Command::new("sleep").arg("60")).unwrap();
        let mut sleep = start();
        assert!(sleep.end(Duration::ZERO).is_err());
        let pid = sleep.0.id();
        assert_eq!(parent(pid), Some(std::process::id()));
        drop(sleep);
        assert_eq!(parent(pid), None);
        let mut sleep = start();
        sleep.send(Signal::TERM).unwrap();
        assert!(!sleep.end(Duration::from_secs(10)).unwrap().success());
    }

    #[test]
    fn the_stage_is_the_last_one_told() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let told = |text: &str| {
            fs::write(log.path(), text).unwrap();
            stage(log.path()).unwrap()
        };
        assert_eq!(told(""), BEGINNING);
        let begin = "{\"event\":\"begin\",\"stage\":\"unpack\"}\n";
        assert_eq!(told(&format!("{begin}{{\"event\":\"det")), "unpack");
        assert_eq!(told(&format!("{begin}{}", begin.replace("begin", "end"))), "after unpack");
    }

    #[test]
    fn a_family_is_seen_until_it_is_gone() {
        let sleep = Path::new("/bin/sleep");
        let mut shell = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let mut family = Family::of(shell.id(), sleep).unwrap();
        let begun = Instant::now();
        while family.members.len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the shell starts nothing");
            std::thread::sleep(Duration::from_millis(5));
            family = Family::of(shell.id(), sleep).unwrap();
        }
        family.program = PathBuf::from("/nowhere");
        assert!(family.gone(Duration::ZERO).is_err());
        for pid in &family.members {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
        shell.wait().unwrap();
        family.gone(Duration::from_secs(10)).unwrap();
    }
}
