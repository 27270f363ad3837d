//! Two trees with the same packages: one unpacked by the host's dpkg, the other by this crate.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use osb_testrepo::Deb;
use osb_unpack::{Filter, Layer, Store, UnpackError};

const DATABASE: &str = "var/lib/dpkg";

/// Whether there is a dpkg to compare with and the right to let it work; says so if not.
pub(crate) fn can_compare() -> bool {
    let has_dpkg = Command::new("dpkg").arg("--version").output().is_ok();
    let comparable = has_dpkg && rustix::process::geteuid().is_root();
    if !comparable {
        eprintln!("SKIPPED: unpacking is compared with dpkg's by root, where there is a dpkg");
    }
    comparable
}

/// The architecture of the host's dpkg.
pub(crate) fn architecture() -> String {
    let output = Command::new("dpkg").arg("--print-architecture").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Both trees, layer upon layer.
pub(crate) struct Referee {
    dir: tempfile::TempDir,
    excludes: Vec<String>,
    /// Layers finished; the tree of the last one is `ours-N`.
    finished: usize,
    debs: usize,
}

impl Referee {
    /// With lines of dpkg's configuration, and what is in both trees before.
    pub(crate) fn new(excludes: &[&str], prepare: impl Fn(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["theirs", "ours-0"] {
            let root = dir.path().join(name);
            for folder in ["info", "updates", "triggers"] {
                fs::create_dir_all(root.join(DATABASE).join(folder)).unwrap();
            }
            for file in ["status", "available"] {
                fs::write(root.join(DATABASE).join(file), "").unwrap();
            }
            prepare(&root);
        }
        let excludes = excludes.iter().map(|line| (*line).to_owned()).collect();
        Referee { dir, excludes, finished: 0, debs: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Unpacks and configures a layer in both trees, which must be equal after each step.
    pub(crate) fn layer(&mut self, debs: &[Deb]) {
        let (theirs, ours) = self.unpack(debs);
        assert!(theirs.is_empty(), "dpkg: {theirs}");
        ours.unwrap();
        self.finish("");
    }

    /// Compares what was unpacked, configures it and compares again.
    pub(crate) fn finish(&self, what: &str) {
        self.compare(&format!("{what} unpacked"));
        for (step, arguments) in [
            ("configured", &["--force-confold", "--no-triggers", "--configure", "--pending"][..]),
            ("triggered", &["--triggers-only", "--pending"]),
        ] {
            for root in [self.path("theirs"), self.ours()] {
                let errors = dpkg(&root, &[], arguments, &[]);
                assert!(errors.is_empty(), "{step} {}: {errors}", root.display());
            }
            let step = &format!("{what} {step}");
            self.compare(step);
            let [theirs, ours] = [self.path("theirs"), self.ours()].map(|root| status(&root));
            same(step, &theirs, &ours);
        }
    }

    /// Both must refuse one of the packages; returns what both said.
    pub(crate) fn refused(mut self, debs: &[Deb]) -> (String, String) {
        let (theirs, ours) = self.unpack(debs);
        assert!(!theirs.is_empty(), "dpkg did not refuse");
        (theirs, ours.unwrap_err().to_string())
    }

    /// dpkg's complaints and the result of this crate, which has left its layer in `ours()`.
    pub(crate) fn unpack(&mut self, debs: &[Deb]) -> (String, Result<(), UnpackError>) {
        let filter = Filter::parse(self.excludes.iter().map(String::as_str));
        let store = Store::new(self.path("store"), filter.clone());
        fs::create_dir_all(self.path("store")).unwrap();
        let (mut files, mut packages) = (Vec::new(), Vec::new());
        for deb in debs {
            self.debs += 1;
            let file = self.path(&format!("{}.deb", self.debs));
            fs::write(&file, deb.bytes()).unwrap();
            let name = self.debs.to_string();
            store.take_apart(&file, &store.folder(&name), &|| Ok(())).unwrap();
            packages.push(store.open(&name).unwrap());
            files.push(file);
        }
        let arguments = ["--no-triggers", "--force-unsafe-io", "--unpack"];
        let errors = dpkg(&self.path("theirs"), &self.excludes, &arguments, &files);

        let [upper, new] = ["upper", "files"].map(|name| {
            let folder = self.path(&format!("{name}-{}", self.finished));
            fs::create_dir(&folder).unwrap();
            folder
        });
        let below = [self.ours()];
        let result = Layer::new(&upper, &new, &below, filter).lay(&packages, false);
        self.finished += 1;
        for layer in [&below[0], &new, &upper] {
            cover(layer, &self.ours(), &mut BTreeMap::new());
        }
        (errors, result)
    }

    /// Whether dpkg has left a conffile beside its place, in a link's. It would remove it when
    /// another package has that path; this crate removes nothing from finished layers.
    pub(crate) fn has_leftovers(&self) -> bool {
        let mut lines = Vec::new();
        describe(&self.ours(), Path::new(""), &mut BTreeMap::new(), &mut lines);
        lines.iter().any(|line| line.contains(".dpkg-new "))
    }

    fn ours(&self) -> PathBuf {
        self.path(&format!("ours-{}", self.finished))
    }

    fn compare(&self, step: &str) {
        let [theirs, ours] = [self.path("theirs"), self.ours()].map(|root| {
            let mut lines = Vec::new();
            describe(&root, Path::new(""), &mut BTreeMap::new(), &mut lines);
            lines.extend(triggers(&root));
            lines.extend(query(&root));
            lines.join("\n")
        });
        same(step, &theirs, &ours);
    }
}

/// Fails with the lines that differ.
fn same(step: &str, theirs: &str, ours: &str) {
    let only = |a: &str, b: &str, sign: &str| -> String {
        let lines = a.lines().filter(|line| !b.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    let differences = only(theirs, ours, "dpkg") + &only(ours, theirs, "ours");
    assert!(theirs == ours, "{step}:\n{differences}");
}

/// Runs dpkg on a tree; its complaints, empty if it succeeded.
fn dpkg(root: &Path, options: &[String], arguments: &[&str], files: &[PathBuf]) -> String {
    let output = Command::new("dpkg")
        .env("LC_ALL", "C")
        .arg(format!("--root={}", root.display()))
        .args(options.iter().map(|option| format!("--{option}")))
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    match output.status.success() {
        true => String::new(),
        false => format!("failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// dpkg's own view of each package.
fn query(root: &Path) -> Vec<String> {
    let output = Command::new("dpkg-query")
        .env("LC_ALL", "C")
        .arg(format!("--admindir={}", root.join(DATABASE).display()))
        .args(["--show", "--showformat=${binary:Package} ${Version}${Conffiles}\\n"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// dpkg's status, with the words of each line about triggers in order.
fn status(root: &Path) -> String {
    let text = fs::read_to_string(root.join(DATABASE).join("status")).unwrap();
    let line = |line: &str| {
        if !line.starts_with("Triggers-") {
            return format!("{line}\n");
        }
        let mut words: Vec<&str> = line.split(' ').collect();
        words[1..].sort_unstable();
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

/// The interests, sorted.
fn triggers(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(root.join(DATABASE).join("triggers")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if !matches!(name.as_str(), "Lock" | "Unincorp") {
            let text = fs::read_to_string(entry.path()).unwrap();
            lines.extend(text.lines().map(|line| format!("trigger {name}: {line}")));
        }
    }
    lines.sort();
    lines
}

/// A line for each entry of a tree; hard links by the first name.
fn describe(
    root: &Path,
    at: &Path,
    inodes: &mut BTreeMap<u64, String>,
    lines: &mut Vec<String>,
) -> bool {
    let mut names: Vec<_> =
        fs::read_dir(root.join(at)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in &names {
        let path = at.join(name);
        let text = path.display().to_string();
        let database = text.strip_prefix(DATABASE).unwrap_or_default().trim_start_matches('/');
        let (area, file) = database.split_once('/').unwrap_or((database, ""));
        // Compared otherwise, or of no meaning.
        let passed_over = ["lock", "status", "available", "updates"];
        if passed_over.iter().any(|start| area.starts_with(start))
            || !file.is_empty() && area == "triggers"
            || database == "info/format"
        {
            continue;
        }
        let full = root.join(&path);
        let stat = fs::symlink_metadata(&full).unwrap();
        let content = if stat.is_symlink() {
            format!("-> {}", fs::read_link(&full).unwrap().display())
        } else if stat.is_file() {
            let content = fs::read(&full).unwrap();
            format!("{:?}", String::from_utf8_lossy(&content))
        } else {
            String::new()
        };
        let empty = stat.is_dir() && !describe(root, &path, inodes, lines);
        // dpkg writes some of the files of its database when it runs.
        let timed = !text.starts_with(DATABASE) && (empty || !stat.is_dir());
        let time = if timed { stat.mtime() } else { 0 };
        // What belongs together is not shared with another tree's names.
        let first = match stat.is_dir() || area == "info" {
            true => &text,
            false => inodes.entry(stat.ino()).or_insert(text.clone()),
        };
        let (mode, uid, gid) = (stat.mode(), stat.uid(), stat.gid());
        lines.push(format!("/{text} {mode:o} {uid}:{gid} @{time} ={first} {content}"));
    }
    !names.is_empty()
}

/// Puts a layer over a tree, as overlayfs would show it.
fn cover(layer: &Path, tree: &Path, inodes: &mut BTreeMap<u64, PathBuf>) {
    let stat = fs::symlink_metadata(layer).unwrap();
    if !fs::symlink_metadata(tree).is_ok_and(|old| old.is_dir()) {
        let _ = fs::remove_file(tree);
        fs::create_dir(tree).unwrap();
    }
    for entry in fs::read_dir(layer).unwrap().flatten() {
        let (source, target) = (entry.path(), tree.join(entry.file_name()));
        let stat = fs::symlink_metadata(&source).unwrap();
        if stat.is_dir() {
            cover(&source, &target, inodes);
            continue;
        }
        if fs::symlink_metadata(&target).is_ok() {
            fs::remove_file(&target).unwrap();
        }
        if let Some(first) = inodes.get(&stat.ino()) {
            fs::hard_link(first, &target).unwrap();
            continue;
        }
        if stat.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
        like(&target, &stat);
        inodes.insert(stat.ino(), target);
    }
    like(tree, &stat);
}

fn like(path: &Path, stat: &Metadata) {
    lchown(path, Some(stat.uid()), Some(stat.gid())).unwrap();
    if stat.is_symlink() {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
        let time = Timespec { tv_sec: stat.mtime(), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        return;
    }
    fs::set_permissions(path, Permissions::from_mode(stat.mode() & 0o7777)).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(stat.mtime().try_into().unwrap());
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}
