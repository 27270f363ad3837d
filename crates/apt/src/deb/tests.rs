//! Whole packages, taken apart; the host's dpkg-deb is a referee where present.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::samples::{TarBuilder, package, raw_entry};
use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// An empty directory to unpack into.
    fn root(&self, name: &str) -> PathBuf {
        fs::create_dir(self.path(name)).unwrap();
        self.path(name)
    }
}

/// Takes `deb` apart in a new folder; returns its data.
fn take_apart(place: &Place, name: &str, deb: &Path) -> Result<PathBuf, DebError> {
    let folder = place.root(name);
    explode(deb, &folder, &Limits::default(), &all).map(|_| folder.join("data"))
}

fn all(_: &Entry) -> std::io::Result<bool> {
    Ok(true)
}

fn data() -> Vec<u8> {
    TarBuilder::new()
        .directory("./", 0o755)
        .directory("./usr/bin/", 0o755)
        .file("./usr/bin/tool", 0o4755, &vec![b'x'; 300_001])
        .hard_link("./usr/bin/same", "./usr/bin/tool")
        .symlink("./usr/bin/link", "tool")
        .file("./usr/bin/setuid", 0o4755, b"")
        .directory("./var/spool/", 0o2775)
        .file("./var/spool/empty", 0o600, b"")
        .finish()
}

#[test]
fn every_compression_gives_the_same_package() {
    let place = Place::new();
    let mut first = None;
    for ending in ["", ".gz", ".xz", ".zst"] {
        let deb = place.write("in.deb", &package(ending, &data()));
        assert_eq!(Deb::open(&deb).unwrap().control().unwrap().get("Version"), Some("1.0-1"));
        let folder = place.root(&format!("out{ending}"));
        let entries = explode(&deb, &folder, &Limits::default(), &all).unwrap();
        assert_eq!((entries.len(), entries[2].size), (8, 300_001));
        assert_eq!(fs::read_dir(folder.join("control")).unwrap().count(), 1);
        let made = listing(&folder);
        assert_eq!(*first.get_or_insert(made.clone()), made, "{ending:?}");
    }
}

/// Whoever asks for a package may stop in the middle of it.
#[test]
fn an_error_of_the_caller_ends_it() {
    let place = Place::new();
    let deb = place.write("a.deb", &package(".gz", &data()));
    let stop = |entry: &Entry| match entry.path.as_slice() {
        b"usr/bin/same" => Err(std::io::Error::other("enough")),
        _ => Ok(true),
    };
    let folder = place.root("out");
    let error = explode(&deb, &folder, &Limits::default(), &stop).unwrap_err();
    assert!(format!("{error:?}").contains("enough"), "{error:?}");
    assert!(folder.join("data/usr/bin/tool").exists());
    assert!(!folder.join("data/var").exists());
}

#[test]
fn unpacked_files_are_as_described() {
    let place = Place::new();
    let deb = place.write("a.deb", &package(".gz", &data()));
    let root = take_apart(&place, "root", &deb).unwrap();
    let stat = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
    let tool = stat("usr/bin/tool");
    assert_eq!((tool.len(), tool.mtime()), (300_001, 1_700_000_000));
    // As dpkg does it: the last entry of a file says what it is.
    assert_eq!(tool.mode() & 0o7777, 0o644);
    assert_eq!((stat("usr/bin/same").ino(), tool.nlink()), (tool.ino(), 2));
    assert_eq!(fs::read_link(root.join("usr/bin/link")).unwrap(), Path::new("tool"));
    assert_eq!(stat("usr/bin/link").mtime(), 1_700_000_000);
    assert_eq!(stat("usr/bin/setuid").mode() & 0o7777, 0o4755);
    assert_eq!(stat("var/spool").mode() & 0o7777, 0o2775);
    assert_eq!(stat("usr/bin").mtime(), 1_700_000_000);
    // var has no entry of its own.
    assert_eq!(stat("var").mode() & 0o7777, 0o755);
}

#[test]
fn a_package_is_taken_apart_into_a_new_place_only() {
    let place = Place::new();
    let deb = place.write("a.deb", &package("", &data()));
    let folder = place.root("root");
    explode(&deb, &folder, &Limits::default(), &all).unwrap();
    let error = explode(&deb, &folder, &Limits::default(), &all).unwrap_err().to_string();
    assert!(error.contains("making the directory to unpack into"), "{error}");
}

#[test]
fn links_in_the_root_lead_nowhere_else() {
    let place = Place::new();
    let outside = place.root("outside");
    let tar = TarBuilder::new()
        .file("./etc/x", 0o644, b"x")
        .file("./up/y", 0o644, b"y")
        .file("./link-to-file", 0o644, b"new")
        .finish();
    let deb = place.write("a.deb", &package("", &tar));
    let root = place.root("root");
    fs::create_dir(root.join("outside")).unwrap();
    symlink(&outside, root.join("etc")).unwrap();
    symlink("../outside", root.join("up")).unwrap();
    let victim = place.write("victim", b"old");
    symlink(&victim, root.join("link-to-file")).unwrap();
    extract_files(&deb, &root, &["up/y"]).unwrap();
    assert_eq!(fs::read(root.join("outside/y")).unwrap(), b"y");
    for refused in ["etc/x", "link-to-file"] {
        let error = extract_files(&deb, &root, &[refused]).unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(&victim).unwrap(), b"old", "a link was written through");
}

#[test]
fn hostile_packages_are_refused_and_leave_nothing_outside() {
    let place = Place::new();
    let raw =
        |name: &[u8], flag: u8| [raw_entry(name, flag, b"", 0o644, b""), vec![0; 1024]].concat();
    for (tar, expected) in [
        (raw(b"/etc/passwd", b'0'), "absolute"),
        (raw(b"../outside", b'0'), "\"..\""),
        (raw(b"dev/sda", b'4'), "device"),
        (
            TarBuilder::new().symlink("a", "/etc").file("a/passwd", 0o644, b"").finish(),
            "below a symbolic link",
        ),
        (TarBuilder::new().hard_link("a", "etc/shadow").finish(), "not an earlier file"),
        (
            TarBuilder::new().entry(b"a\0b", b'0', &[b't'; 101], 0o644, b"").finish()[..512]
                .to_vec(),
            "ends",
        ),
    ] {
        for ending in ["", ".xz"] {
            let deb = place.write("evil.deb", &package(ending, &tar));
            let error = take_apart(&place, "out", &deb).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("evil.deb"), "{error}");
            let left: Vec<_> = fs::read_dir(place.0.path()).unwrap().flatten().collect();
            assert_eq!(left.len(), 2, "{left:?}");
            assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 2);
            fs::remove_dir_all(place.path("out")).unwrap();
        }
    }
}

#[test]
fn damaged_compression_is_one_clear_error() {
    let place = Place::new();
    for ending in [".gz", ".xz", ".zst"] {
        let good = package(ending, &data());
        for cut in [good.len() - 9, good.len() - 200] {
            // The member's stored size must still fit, so its bytes are zeroed instead of removed.
            let mut bad = good.clone();
            bad[cut..cut + 8].fill(0);
            let deb = place.write("bad.deb", &bad);
            let result = take_apart(&place, &format!("{ending}-{cut}"), &deb);
            let error = result.unwrap_err().to_string();
            assert!(error.contains("bad.deb"), "{error}");
        }
    }
}

#[test]
fn limits_hold() {
    let place = Place::new();
    let bomb = TarBuilder::new().file("zeros", 0o644, &vec![0; 4 << 20]).finish();
    let deb = place.write("bomb.deb", &package(".xz", &bomb));
    let small = Limits { data_bytes: 1 << 20, ..Limits::default() };
    let error = explode(&deb, &place.root("small"), &small, &all).unwrap_err();
    assert!(matches!(error.fault, DebFault::TooLarge(_)), "{error}");
    let few = Limits { entries: 2, ..Limits::default() };
    let deb = place.write("many.deb", &package(".xz", &data()));
    let error = explode(&deb, &place.root("few"), &few, &all).unwrap_err();
    assert!(matches!(error.fault, DebFault::TooLarge(_)), "{error}");
}

/// The referee: a package of the host's dpkg-deb, unpacked by it and by us, gives equal trees.
#[test]
fn a_package_of_dpkg_deb_unpacks_as_dpkg_deb_does() {
    let has_dpkg_deb = Command::new("dpkg-deb").arg("--version").output().is_ok();
    if !has_dpkg_deb || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: unpacking is compared with dpkg-deb's by root, where there is one");
        return;
    }
    let place = Place::new();
    let source = place.root("source");
    fs::create_dir_all(source.join("DEBIAN")).unwrap();
    let control =
        "Package: ref\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n";
    fs::write(source.join("DEBIAN/control"), control).unwrap();
    let deep = source.join("usr/share").join("d".repeat(90)).join("e".repeat(90));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(100)), b"long").unwrap();
    fs::write(source.join("usr/a"), vec![1; 100_000]).unwrap();
    fs::hard_link(source.join("usr/a"), source.join("usr/b")).unwrap();
    symlink("x".repeat(300), source.join("usr/l")).unwrap();
    std::os::unix::fs::chown(source.join("usr/a"), Some(70_000), Some(33)).unwrap();
    for compression in ["xz", "gzip", "none"] {
        let deb = place.path(&format!("{compression}.deb"));
        let built = Command::new("dpkg-deb")
            .args(["-b", &format!("-Z{compression}")])
            .args([&source, &deb])
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        let theirs = place.root(&format!("theirs-{compression}"));
        assert!(
            Command::new("dpkg-deb").arg("-x").args([&deb, &theirs]).status().unwrap().success()
        );
        let ours = take_apart(&place, &format!("ours-{compression}"), &deb).unwrap();
        assert_eq!(listing(&ours), listing(&theirs));
        assert!(listing(&ours).len() > 6);
    }
}

/// One line an entry: path, mode, owner, links, size, time.
fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                directories.push(path.clone());
            }
            let size = if meta.is_dir() { 0 } else { meta.len() };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
            let links = if meta.is_dir() { 0 } else { meta.nlink() };
            // Directories without an entry of their own are made now, whenever that is.
            let time = if meta.mtime() > 1_700_000_000 { "now" } else { &meta.mtime().to_string() };
            lines.push(format!("{name} {mode:o} {uid}:{gid} {links} {size} {time}"));
        }
    }
    lines.sort();
    lines
}
