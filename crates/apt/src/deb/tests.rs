//! Whole packages, re-wrapped and unpacked; the host's dpkg-deb is a referee where present.

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

fn everything(_: &[u8]) -> bool {
    true
}

fn data() -> Vec<u8> {
    TarBuilder::new()
        .directory("./", 0o755)
        .directory("./usr/", 0o755)
        .directory("./usr/bin/", 0o755)
        .file("./usr/bin/tool", 0o4755, &vec![b'x'; 300_001])
        .hard_link("./usr/bin/same", "./usr/bin/tool")
        .symlink("./usr/bin/link", "tool")
        .directory("./var/spool/", 0o2775)
        .file("./var/spool/empty", 0o600, b"")
        .finish()
}

fn has_dpkg_deb() -> bool {
    Command::new("dpkg-deb").arg("--version").output().is_ok_and(|o| o.status.success())
}

#[test]
fn every_compression_gives_the_same_package() {
    let place = Place::new();
    for ending in ["", ".gz", ".xz", ".zst"] {
        let deb = place.write("in.deb", &package(ending, &data()));
        assert_eq!(Deb::open(&deb).unwrap().control().unwrap().get("Version"), Some("1.0-1"));
        let out = place.path("out.deb");
        let summary = rewrap_plain(&deb, &out, &Limits::default()).unwrap();
        assert_eq!(summary, Summary { installed_bytes: 300_001, entries: 8 });
        let bytes = fs::read(&out).unwrap();
        assert_eq!(bytes[bytes.len() - data().len()..], data(), "{ending:?}");
        assert_eq!(fs::metadata(&out).unwrap().mode() & 0o777, 0o644);
        // Wrapped again it stays as it is.
        let again = place.path("again.deb");
        rewrap_plain(&out, &again, &Limits::default()).unwrap();
        assert!(fs::read(&again).unwrap() == bytes);
        if has_dpkg_deb() {
            let list = |path: &Path| {
                let output = Command::new("dpkg-deb").arg("-c").arg(path).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            // The version of dpkg decides whether it reads zstd; what we write it always reads.
            let listed = list(&out);
            assert_eq!(listed.lines().count(), 8, "{listed}");
            assert!(listed.contains("-rwsr-xr-x"), "{listed}");
        }
    }
}

#[test]
fn unpacked_files_are_as_described() {
    let place = Place::new();
    let deb = place.write("a.deb", &package(".gz", &data()));
    let root = place.root("root");
    // Twice: files are replaced the second time, and directories stay.
    for round in 0..2 {
        extract(&deb, &root, &everything).unwrap();
        let stat = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
        let tool = stat("usr/bin/tool");
        assert_eq!(
            (tool.mode() & 0o7777, tool.len(), tool.mtime()),
            (0o4755, 300_001, 1_700_000_000)
        );
        assert_eq!((stat("usr/bin/same").ino(), tool.nlink()), (tool.ino(), 2));
        assert_eq!(fs::read_link(root.join("usr/bin/link")).unwrap(), Path::new("tool"));
        assert_eq!(stat("usr/bin/link").mtime(), 1_700_000_000);
        assert_eq!(stat("var/spool").mode() & 0o7777, 0o2775);
        if round == 0 {
            assert_eq!(stat("usr/bin").mtime(), 1_700_000_000);
        }
        // var has no entry of its own.
        assert_eq!(stat("var").mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(root.join("usr/bin")).unwrap().count(), 3, "no temporary names");
    }
}

#[test]
fn the_filter_drops_entries_and_parents_are_still_made() {
    let place = Place::new();
    let deb = place.write("a.deb", &package("", &data()));
    let root = place.root("root");
    extract(&deb, &root, &|path| path == b"usr/bin/tool").unwrap();
    assert!(root.join("usr/bin/tool").exists());
    assert!(!root.join("usr/bin/link").exists() && !root.join("var").exists());
}

#[test]
fn merged_usr_links_are_followed_inside_the_root() {
    let place = Place::new();
    let tar = TarBuilder::new()
        .directory("./", 0o755)
        .directory("./lib/", 0o755)
        .directory("./lib/firmware/", 0o755)
        .file("./lib/firmware/blob", 0o644, b"blob")
        .file("./abs/x", 0o644, b"x")
        .finish();
    let deb = place.write("a.deb", &package("", &tar));
    let root = place.root("root");
    // Neither target exists yet; the second one is absolute and climbs.
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("/../../deep/er", root.join("abs")).unwrap();
    extract(&deb, &root, &everything).unwrap();
    assert_eq!(fs::read(root.join("usr/lib/firmware/blob")).unwrap(), b"blob");
    assert!(root.join("lib").is_symlink());
    assert_eq!(fs::read(root.join("deep/er/x")).unwrap(), b"x");
}

#[test]
fn links_in_the_root_lead_nowhere_else() {
    let place = Place::new();
    let outside = place.root("outside");
    let tar = TarBuilder::new().file("./etc/x", 0o644, b"x").file("./up/y", 0o644, b"y").finish();
    let deb = place.write("a.deb", &package("", &tar));
    let root = place.root("root");
    symlink(&outside, root.join("etc")).unwrap();
    symlink("../outside", root.join("up")).unwrap();
    extract(&deb, &root, &everything).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(root.join("outside/y")).unwrap(), b"y");
}

#[test]
fn a_link_loop_in_the_root_is_an_error() {
    let place = Place::new();
    let deb =
        place.write("a.deb", &package("", &TarBuilder::new().file("a/x", 0o644, b"").finish()));
    let root = place.root("root");
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    let error = extract(&deb, &root, &everything).unwrap_err().to_string();
    assert!(error.contains("a/x"), "{error}");
}

#[test]
fn what_is_in_the_way_is_replaced_as_dpkg_does() {
    let place = Place::new();
    let tar = TarBuilder::new()
        .file("./link-to-file", 0o644, b"new")
        .symlink("./file", "target")
        .symlink("./directory", "target")
        .finish();
    let deb = place.write("a.deb", &package("", &tar));
    let root = place.root("root");
    let victim = place.write("victim", b"old");
    symlink(&victim, root.join("link-to-file")).unwrap();
    fs::write(root.join("file"), b"old").unwrap();
    fs::create_dir(root.join("directory")).unwrap();
    extract(&deb, &root, &everything).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"old", "a link was written through");
    assert_eq!(fs::read(root.join("link-to-file")).unwrap(), b"new");
    assert!(root.join("file").is_symlink());
    assert!(!root.join("directory").is_symlink());

    let deb = place
        .write("b.deb", &package("", &TarBuilder::new().file("directory", 0o644, b"").finish()));
    let error = extract(&deb, &root, &everything).unwrap_err().to_string();
    assert!(error.contains("directory"), "{error}");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 3, "no temporary name is left");
}

#[test]
fn hostile_packages_are_refused_and_leave_nothing() {
    let place = Place::new();
    let root = place.root("root");
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
            let out = place.path("out.deb");
            let error = rewrap_plain(&deb, &out, &Limits::default()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("evil.deb"), "{error}");
            extract(&deb, &root, &everything).unwrap_err();
            let left: Vec<_> = fs::read_dir(place.0.path()).unwrap().flatten().collect();
            assert_eq!(left.len(), 2, "{left:?}");
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
            let result = rewrap_plain(&deb, &place.path("out.deb"), &Limits::default());
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
    let out = place.path("out.deb");
    let small = Limits { data_bytes: 1 << 20, ..Limits::default() };
    let error = rewrap_plain(&deb, &out, &small).unwrap_err();
    assert!(matches!(error.fault, DebFault::TooLarge(_)), "{error}");
    let few = Limits { entries: 2, ..Limits::default() };
    let deb = place.write("many.deb", &package(".xz", &data()));
    let error = rewrap_plain(&deb, &out, &few).unwrap_err();
    assert!(matches!(error.fault, DebFault::TooLarge(_)), "{error}");
    assert!(!out.exists());
}

/// The referee: a package of the host's dpkg-deb, unpacked by it and by us, gives equal trees.
#[test]
fn a_package_of_dpkg_deb_unpacks_as_dpkg_deb_does() {
    if !has_dpkg_deb() || !rustix::process::geteuid().is_root() {
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
        let plain = place.path("plain.deb");
        rewrap_plain(&deb, &plain, &Limits::default()).unwrap();
        let theirs = place.root(&format!("theirs-{compression}"));
        assert!(
            Command::new("dpkg-deb").arg("-x").args([&plain, &theirs]).status().unwrap().success()
        );
        let ours = place.root(&format!("ours-{compression}"));
        extract(&deb, &ours, &everything).unwrap();
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
            lines.push(format!("{name} {mode:o} {uid}:{gid} {links} {size} {}", meta.mtime()));
        }
    }
    lines.sort();
    lines
}
