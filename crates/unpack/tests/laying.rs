//! What only this crate has: the order of packages, refusals, and laying without a database.

// A test says what broke by panicking, and that it was skipped by printing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use osb_testrepo::Deb;
use osb_unpack::{
    Filter, Layer, Package, Store, UnpackError, essential, lay_plain, unpack_order, waves,
};

struct Place(tempfile::TempDir);

impl Place {
    /// `None`, visibly, for those who may not give files away.
    fn new() -> Option<Place> {
        if rustix::process::geteuid().is_root() {
            return Some(Place(tempfile::tempdir().unwrap()));
        }
        eprintln!("SKIPPED: only root can take packages apart");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn folder(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.path(name)).unwrap();
        self.path(name)
    }

    fn open(&self, deb: &Deb) -> Result<Package, UnpackError> {
        let store = Store::new(self.folder("store"), Filter::default());
        let name = deb.file_name();
        fs::write(self.path("deb"), deb.bytes()).unwrap();
        if !store.has(&name) {
            store.take_apart(&self.path("deb"), &store.folder(&name), &|| Ok(()))?;
        }
        store.open(&name)
    }

    fn packages(&self, debs: &[Deb]) -> Vec<Package> {
        debs.iter().map(|deb| self.open(deb).unwrap()).collect()
    }

    /// Lays into `upper` and `files` over `below`.
    fn lay(&self, debs: &[Deb]) -> Result<(), UnpackError> {
        let (upper, files) = (self.folder("upper"), self.folder("files"));
        let below = [self.folder("below")];
        Layer::new(&upper, &files, &below, Filter::default()).lay(&self.packages(debs), false)
    }

    fn error(&self, debs: &[Deb]) -> String {
        self.lay(debs).unwrap_err().to_string()
    }
}

fn deb(name: &str) -> Deb {
    Deb::new(name, "1", "all")
}

fn names(packages: &[Package]) -> Vec<&str> {
    packages.iter().map(Package::name).collect()
}

#[test]
fn refusals_name_package_and_path() {
    let file = |name| deb(name).file("opt/x", 0o644, "");
    for (debs, expected) in [
        (
            vec![file("a"), file("b")],
            "package b: trying to overwrite /opt/x, which is also in package a (1)",
        ),
        (vec![file("a"), file("a")], "package a: dpkg's database has it already"),
        (
            vec![file("a"), deb("b").field("Replaces", "(")],
            // Read only when it matters.
            "",
        ),
        (vec![file("a"), file("b").field("Replaces", "(")], "package b: Replaces: "),
        (
            vec![deb("a").directory("opt/d", 0o755), deb("b").file("opt/d", 0o644, "")],
            "package b: trying to overwrite /opt/d, which is also in package a (1)",
        ),
        (
            vec![
                deb("a").directory("opt/d", 0o755),
                deb("b").field("Replaces", "a").file("opt/d", 0o644, ""),
            ],
            "package b: /opt/d is a directory, and the package brings a file",
        ),
        (
            vec![deb("a").file("opt/d", 0o644, ""), deb("b").hostile(b"opt/d/x", b"")],
            "/opt/d: not a directory",
        ),
        (
            vec![deb("a").control_file("conffiles", 0o644, "etc/x\n")],
            "package a: its conffiles file has \"etc/x\"",
        ),
        (
            vec![deb("a").control_file("conffiles", 0o644, "keep-for-ever /etc/x\n")],
            "package a: its conffiles file has \"keep-for-ever /etc/x\"",
        ),
        (
            vec![deb("a").control_file("triggers", 0o644, "interest ../../../../../x\n")],
            "package a: its triggers file has \"interest ../../../../../x\"",
        ),
    ] {
        let Some(place) = Place::new() else { return };
        match (place.lay(&debs), expected) {
            (Ok(()), "") => {}
            (Ok(()), _) => panic!("laid in spite of {expected}"),
            (Err(error), _) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.starts_with(expected), "{error}");
            }
        }
    }
}

#[test]
fn names_that_cannot_be_noted_are_refused() {
    let Some(place) = Place::new() else { return };
    for (path, expected) in [(&b"./a\xff"[..], "not UTF-8"), (b"./a\nb", "newline in")] {
        let error = place.open(&deb("a").hostile(path, b"")).unwrap_err().to_string();
        assert!(error.starts_with("package a: ") && error.contains(expected), "{error}");
        fs::remove_dir_all(place.path("store")).unwrap();
    }
}

#[test]
fn damaged_databases_are_named() {
    for (file, text, expected) in [
        ("diversions", "/a\n/b\n", "/var/lib/dpkg/diversions: not three lines"),
        ("statoverride", "root\n", "/var/lib/dpkg/statoverride: not understood: root"),
    ] {
        let Some(place) = Place::new() else { return };
        fs::write(place.folder("below/var/lib/dpkg").join(file), text).unwrap();
        let error = place.error(&[]);
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Packages and scripts may leave links anywhere: nothing is written through them.
#[test]
fn links_in_the_database_lead_nowhere() {
    let linked = deb("evil").symlink("var/lib/dpkg", "/nowhere");
    for (debs, upper) in [
        (vec![linked.clone()], ""),
        (vec![linked.clone(), deb("next")], ""),
        (vec![deb("a")], "var/lib/dpkg/info"),
        (vec![deb("a")], "var/lib/dpkg"),
        (vec![deb("a")], "var/lib/dpkg/status"),
    ] {
        let Some(place) = Place::new() else { return };
        let outside = place.folder("outside");
        fs::write(outside.join("status"), "").unwrap();
        if !upper.is_empty() {
            let link = place.folder("upper").join(upper);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            let target = if upper.ends_with("status") { "status" } else { "" };
            symlink(outside.join(target), link).unwrap();
        }
        // Whether it is refused or not.
        let _ = place.lay(&debs);
        let left: Vec<_> = fs::read_dir(&outside).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{upper}: {left:?}");
        assert_eq!(fs::read_to_string(outside.join("status")).unwrap(), "", "{upper}");
        assert!(!PathBuf::from("/nowhere").exists());
    }
}

#[test]
fn packages_come_after_what_they_need() {
    let Some(place) = Place::new() else { return };
    let debs = [
        deb("a").field("Depends", "c, missing | b"),
        deb("b").field("Pre-Depends", "dash (>= 1), d"),
        deb("base-files").field("Essential", "yes").field("Depends", "awk"),
        // A cycle.
        deb("c").field("Depends", "d"),
        deb("d").field("Depends", "c"),
        deb("dash").field("Essential", "yes").field("Pre-Depends", "libc"),
        deb("libc"),
        deb("mawk").field("Provides", "awk"),
    ];
    let packages = place.packages(&debs);
    let found = essential(&packages).unwrap();
    assert_eq!(found, ["base-files", "dash", "libc"].map(str::to_owned).into());
    let ordered = unpack_order(packages).unwrap();
    assert_eq!(names(&ordered), ["base-files", "libc", "dash", "d", "c", "b", "a", "mawk"]);
    let wrong = place.packages(&[deb("x").field("Depends", "a (1")]);
    assert!(essential(&wrong).unwrap_err().to_string().starts_with("package x: Depends: "));
    assert!(unpack_order(wrong).is_err());
}

#[test]
fn a_preinst_waits_for_what_it_may_count_on() {
    let Some(place) = Place::new() else { return };
    let needing =
        |name, needed| deb(name).field("Pre-Depends", needed).script("preinst", "#!/bin/sh\n");
    let debs = [
        deb("a"),
        needing("b", "a"),
        // Without a preinst it can come with the first.
        deb("c").field("Pre-Depends", "b"),
        needing("d", "b | x"),
        needing("e", "present"),
        deb("present"),
        needing("f", "c"),
    ];
    let present = BTreeSet::from(["present".to_owned()]);
    let waves = waves(place.packages(&debs), &present).unwrap();
    let all: Vec<Vec<&str>> = waves.iter().map(|wave| names(wave)).collect();
    assert_eq!(all, [vec!["a", "c", "e", "present"], vec!["b", "f"], vec!["d"]]);
}

#[test]
fn usable_packages_have_their_conffiles_in_place() {
    let Some(place) = Place::new() else { return };
    let debs =
        [deb("a").control_file("conffiles", 0o644, "/etc/x\n").file("etc/x", 0o644, "content")];
    // Its files have more names in the store then.
    lay_plain(&place.folder("tools"), &place.packages(&debs), Filter::default()).unwrap();
    let (upper, files) = (place.folder("upper"), place.folder("files"));
    let mut layer = Layer::new(&upper, &files, &[], Filter::default());
    layer.lay(&place.packages(&debs), true).unwrap();
    for name in ["etc/x", "etc/x.dpkg-new"] {
        assert_eq!(fs::read_to_string(files.join(name)).unwrap(), "content");
        assert_eq!(fs::metadata(files.join(name)).unwrap().nlink(), 1);
    }
    let status = fs::read_to_string(upper.join("var/lib/dpkg/status")).unwrap();
    assert!(status.contains("\nConffiles:\n /etc/x newconffile\n\n"), "{status}");
}

#[test]
fn plain_packages_lie_over_each_other() {
    let Some(place) = Place::new() else { return };
    let root = place.folder("root/usr/bin").join("../..");
    symlink("usr/bin", root.join("bin")).unwrap();
    let debs = [
        deb("a")
            .control_file("conffiles", 0o644, "/etc/x\n")
            .file("etc/x", 0o644, "a")
            .file("bin/tool", 0o755, "a")
            .file("opt/left-out", 0o644, ""),
        deb("b")
            .file("etc/x", 0o644, "b")
            .file("usr/bin/tool", 0o755, "b")
            .symlink("bin", "usr/bin"),
    ];
    let filter = Filter::parse(["path-exclude=/opt/*"]);
    lay_plain(&root, &place.packages(&debs), filter).unwrap();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(
        (read("etc/x"), read("usr/bin/tool"), read("bin/tool")),
        ("b".into(), "b".into(), "b".into())
    );
    let top: BTreeSet<_> = fs::read_dir(&root)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(top, ["bin", "etc", "opt", "usr"].map(str::to_owned).into());
    assert_eq!(fs::read_dir(root.join("opt")).unwrap().count(), 0);
}

/// A file system allows so many names for one file; the next tree gets a copy.
#[test]
fn files_with_too_many_names_are_copied() {
    let Some(place) = Place::new() else { return };
    let debs = [deb("a").file("opt/x", 0o4755, "content").hard_link("opt/y", "opt/x")];
    let packages = place.packages(&debs);
    let store = Store::new(place.path("store"), Filter::default());
    let source = store.folder(&debs[0].file_name()).join("data/opt/x");
    let links = place.folder("links");
    // ext4 has 65 000; others have no limit, or one nobody reaches.
    if (0..66_000).all(|n| fs::hard_link(&source, links.join(n.to_string())).is_ok()) {
        eprintln!("SKIPPED: the file system knows no limit of names for one file");
        return;
    }
    let root = place.folder("root");
    lay_plain(&root, &packages, Filter::default()).unwrap();
    let [x, y] = ["opt/x", "opt/y"].map(|name| fs::metadata(root.join(name)).unwrap());
    assert_eq!((x.ino(), x.nlink(), x.mtime()), (y.ino(), 2, 1_700_000_000));
    // As the last entry says.
    assert_eq!(x.mode() & 0o7777, 0o644);
    assert_eq!(fs::read_to_string(root.join("opt/y")).unwrap(), "content");
    assert_ne!(x.ino(), fs::metadata(source).unwrap().ino());
}
