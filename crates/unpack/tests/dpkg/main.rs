//! The host's dpkg is the referee: what it unpacks and what this crate lays must be equal, then
//! and after dpkg has configured both. As it chroots for scripts, the packages have none.

// A test says what broke by panicking, and that it was skipped by printing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod random;
mod referee;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use osb_testrepo::Deb;
use referee::{Referee, architecture, can_compare};

fn deb(name: &str) -> Deb {
    Deb::new(name, "1.0-1", "all")
}

fn bare(_: &Path) {}

/// With the links of merged-/usr.
fn merged(root: &Path) {
    for name in ["bin", "lib"] {
        fs::create_dir_all(root.join("usr").join(name)).unwrap();
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
}

/// A package made by dpkg-deb from a folder: with owners and times.
fn built(name: &str, fill: impl Fn(&Path)) -> Deb {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(tree.join("DEBIAN/control"), deb(name).control()).unwrap();
    fill(&tree);
    let file = dir.path().join("built.deb");
    let output =
        Command::new("dpkg-deb").args(["-Znone", "-b"]).args([&tree, &file]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    deb(name).with_bytes(fs::read(file).unwrap())
}

#[test]
fn ordinary_packages() {
    if !can_compare() {
        return;
    }
    let architecture = architecture();
    let mut referee = Referee::new(&[], merged);
    let base = built("base", |tree| {
        for folder in ["usr/bin", "var/sticky", "var/empty", "srv/data"] {
            fs::create_dir_all(tree.join(folder)).unwrap();
        }
        for (path, mode, uid, gid) in
            [("usr/bin/su", 0o4755, 0, 0), ("srv/data/mine", 0o640, 70_000, 33)]
        {
            fs::write(tree.join(path), path).unwrap();
            chown(tree.join(path), Some(uid), Some(gid)).unwrap();
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::hard_link(tree.join("srv/data/mine"), tree.join("srv/data/again")).unwrap();
        symlink("mine", tree.join("srv/data/link")).unwrap();
        std::os::unix::fs::lchown(tree.join("srv/data/link"), Some(5), Some(6)).unwrap();
        chown(tree.join("srv/data"), Some(7), Some(8)).unwrap();
        fs::set_permissions(tree.join("var/sticky"), fs::Permissions::from_mode(0o3777)).unwrap();
        Command::new("touch")
            .args(["-h", "-d", "@1234567890"])
            .args(["var/empty", "var/sticky", "srv/data/link", "srv/data/mine"])
            .current_dir(tree)
            .status()
            .unwrap();
    });
    let library = Deb::new("library", "2:1.0~rc1-2", &architecture)
        .field("Multi-Arch", "same")
        .field("Description", "short\n long  \n .\n\tmore \n .")
        .field("Homepage", "https://example.org")
        .control_file("shlibs", 0o644, "libx 1 library\n")
        .control_file("symbols", 0o644, "libx.so.1 library\n")
        .control_file("odd.name", 0o644, "not kept\n")
        .control_file("md5sums", 0o644, "")
        .control_file("triggers", 0o644, "activate-noawait ldconfig\n")
        // Through the links of merged-/usr, both ways.
        .file("lib/libx.so.1", 0o644, "elf")
        .symlink("usr/lib/libx.so", "libx.so.1")
        .directory("lib/empty", 0o700);
    let tool = deb("tool")
        .field("Depends", "library")
        .file("usr/bin/tool", 0o755, "#!")
        .hard_link("usr/bin/alias", "usr/bin/tool")
        .symlink("usr/bin/dangling", "/nowhere")
        .symlink("usr/share/to-directory", "doc-like")
        .directory("usr/share/doc-like", 0o755);
    referee.layer(&[base, library, tool]);
    // A link where there is a directory, a link to the same one, to another one; directories over
    // links; and one of its own owner and mode that exists.
    referee.layer(&[
        deb("later")
            .symlink("usr/share/doc-like", "other")
            .symlink("usr/share/same", "doc-like")
            .file("usr/share/to-directory/through", 0o644, "x")
            .directory("var/sticky", 0o755)
            .symlink("bin", "usr/bin"),
        deb("last").symlink("lib", "/usr/lib").file("bin/last", 0o755, ""),
    ]);
}

#[test]
fn conffiles() {
    if !can_compare() {
        return;
    }
    let mut referee = Referee::new(&[], |root| {
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("../real", root.join("etc/linked")).unwrap();
        symlink("../real/elsewhere", root.join("etc/redirected")).unwrap();
    });
    referee.layer(&[
        deb("a")
            .control_file(
                "conffiles",
                0o644,
                "/etc/a\n/etc/linked/in\n/etc/redirected\n\nremove-on-upgrade /etc/gone\n/etc/no\n",
            )
            .file("etc/a", 0o600, "a")
            .hard_link("etc/a.link", "etc/a")
            .file("etc/linked/in", 0o644, "in")
            .file("etc/redirected", 0o644, "r")
            .file("etc/plain", 0o644, "p"),
        deb("b")
            .control_file("conffiles", 0o644, "/etc/b/b \n")
            .file("etc/b/b", 0o644, "b")
            .file("srv/b", 0o644, ""),
    ]);
    // One that takes over a conffile in the same layer, one in the next; and one left to another.
    referee.layer(&[
        deb("c")
            .field("Replaces", "a, b (<< 2)")
            .control_file("conffiles", 0o644, "/etc/a\n/etc/b/b\n")
            .file("etc/a", 0o644, "a")
            .file("etc/b/b", 0o644, "b"),
        deb("d")
            .control_file("conffiles", 0o644, "/etc/d\n/etc/e\n")
            .file("etc/d", 0o644, "")
            .file("etc/e", 0o644, "e"),
        deb("e")
            .field("Replaces", "d")
            .control_file("conffiles", 0o644, "/etc/d\n")
            .file("etc/d", 0o644, ""),
        deb("f")
            .field("Replaces", "g")
            .control_file("conffiles", 0o644, "/etc/f\n")
            .file("etc/f", 0o644, "f"),
        deb("g")
            .control_file("conffiles", 0o644, "/etc/f\n/etc/g\n")
            .file("etc/f", 0o644, "g")
            .file("etc/g", 0o644, "g"),
    ]);
}

#[test]
fn excluded_paths() {
    if !can_compare() {
        return;
    }
    let lines = [
        "path-exclude=/opt/docs/*",
        "path-include=/opt/docs/*/copyright",
        "path-exclude=/opt/man/?[a-c]*",
        "path-exclude=/opt/odd/[!x-z]\\*",
        "path-include=/opt/man/*/keep[.]me",
        "path-exclude=/opt/none",
        "path-exclude=/opt/none/*",
    ];
    let mut referee = Referee::new(&lines, bare);
    referee.layer(&[deb("watcher")
        .control_file("triggers", 0o644, "interest /opt/docs/a\ninterest-noawait /opt/none/x\n")
        .file("srv/watcher", 0o644, "")]);
    let contents = |deb: Deb| {
        deb.file("opt/docs/a/README", 0o644, "r")
            .file("opt/docs/a/copyright", 0o644, "c")
            .symlink("opt/docs/b", "a")
            .file("opt/man/da/x", 0o644, "x")
            .file("opt/man/da/keep.me", 0o644, "x")
            .file("opt/man/dd/x", 0o644, "x")
            .file("opt/odd/a*", 0o644, "")
            .file("opt/odd/x*", 0o644, "")
            .file("opt/odd/ab", 0o644, "")
            .file("opt/none/x", 0o644, "")
            .control_file("conffiles", 0o644, "/opt/docs/a/README\n")
    };
    // The second one takes over what was left out, too.
    referee.layer(&[
        contents(deb("a")).file("srv/a", 0o644, ""),
        contents(deb("b")).field("Replaces", "a").file("srv/b", 0o644, ""),
        deb("c")
            .field("Replaces", "a, b")
            .file("opt/docs/a/README", 0o644, "")
            .file("srv/c", 0o644, ""),
    ]);
    // A file that its owner left out has an owner nevertheless.
    let (theirs, ours) = Referee::new(&lines, bare)
        .refused(&[deb("a").file("opt/none/x", 0o644, ""), deb("b").file("opt/none/x", 0o644, "")]);
    for text in [theirs, ours] {
        assert!(text.contains("which is also in package a"), "{text}");
    }
}

#[test]
fn triggers() {
    if !can_compare() {
        return;
    }
    let architecture = architecture();
    let mut referee = Referee::new(&[], bare);
    referee.layer(&[
        deb("one")
            .control_file(
                "triggers",
                0o644,
                "# comment\ninterest /opt/a\n interest-noawait named\ninterest-await /opt/f\n",
            )
            .file("srv/one", 0o644, ""),
        Deb::new("two", "1", &architecture)
            .field("Multi-Arch", "same")
            .control_file(
                "triggers",
                0o644,
                "interest-noawait /opt/a\ninterest named\ninterest twice\ninterest-noawait twice\n\
                 interest /opt/t\ninterest-noawait /opt/t\n",
            )
            .file("opt/f", 0o644, ""),
        deb("zero").control_file("triggers", 0o644, "activate named\nactivate /opt/a/deep\n"),
    ]);
    referee.layer(&[
        deb("three")
            .control_file("triggers", 0o644, "activate-await named\n")
            .file("opt/a/x", 0o644, ""),
        Deb::new("four", "1", &architecture)
            .field("Multi-Arch", "same")
            .control_file("triggers", 0o644, "activate-noawait twice\ninterest /opt/a\n")
            .file("opt/t", 0o644, "")
            .symlink("opt/a/y", "x"),
    ]);
    for name in ["a_b", "/a/", "-a"] {
        let wrong = deb("x").control_file("triggers", 0o644, &format!("interest {name}\n"));
        let (theirs, ours) = Referee::new(&[], bare).refused(&[wrong]);
        assert!(theirs.contains("trigger") && ours.contains("triggers"), "{theirs} {ours}");
    }
}

#[test]
fn diversions_and_statoverrides() {
    if !can_compare() {
        return;
    }
    let mut referee = Referee::new(&[], |root| {
        let database = root.join("var/lib/dpkg");
        let diversions = "/opt/a\n/opt/a.owner\nowner\n/opt/b\n/opt/away/b\n:\n/etc/c\n/etc/c.x\n:\n\
                          /opt/watched\n/opt/moved\n:\n";
        fs::write(database.join("diversions"), diversions).unwrap();
        let overrides = "root root 4711 /opt/mine\n#7 #8 640 /opt/second\nroot root 700 /opt/dir\n\
                         #9 #9 644 /opt/link\n#3 #4 600 /etc/conf\n#3 #4 600 /opt/a\n";
        fs::write(database.join("statoverride"), overrides).unwrap();
        fs::create_dir_all(root.join("opt/away")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    });
    referee.layer(&[deb("watcher")
        .control_file("triggers", 0o644, "interest /opt/watched\ninterest /opt/moved\n")
        .file("srv/watcher", 0o644, "")]);
    referee.layer(&[
        deb("owner").file("opt/a", 0o644, "owner"),
        deb("other")
            .control_file("conffiles", 0o644, "/etc/c\n/etc/conf\n")
            .file("opt/a", 0o755, "other")
            .file("opt/b", 0o644, "b")
            .hard_link("opt/b.link", "opt/b")
            .file("etc/c", 0o644, "c")
            .file("etc/conf", 0o644, "conf")
            .file("opt/watched", 0o644, ""),
        deb("stats")
            .file("opt/mine", 0o755, "mine")
            .file("opt/first", 0o644, "group")
            .hard_link("opt/second", "opt/first")
            .hard_link("opt/third", "opt/first")
            .symlink("opt/link", "mine")
            .directory("opt/dir", 0o755),
    ]);
    let prepare = |root: &Path| {
        fs::write(root.join("var/lib/dpkg/diversions"), "/opt/a\n/opt/b\n:\n").unwrap();
    };
    let (theirs, ours) = Referee::new(&[], prepare).refused(&[deb("x").file("opt/b", 0o644, "")]);
    for text in [theirs, ours] {
        assert!(text.contains("which is the diverted version of"), "{text}");
    }
}

#[test]
fn replaced_files() {
    if !can_compare() {
        return;
    }
    let mut referee = Referee::new(&[], bare);
    referee.layer(&[
        deb("old")
            .file("opt/x", 0o644, "old")
            .file("opt/y", 0o644, "old")
            .file("opt/z", 0o644, "")
            .file("opt/own", 0o644, ""),
        deb("eager").field("Replaces", "old (= 1.0-1)").file("opt/x", 0o600, "eager").file(
            "opt/eager",
            0o644,
            "",
        ),
        deb("keeper").field("Replaces", "timid").file("opt/k", 0o644, "keeper"),
        deb("timid").file("opt/k", 0o644, "timid").file("opt/t", 0o644, ""),
        deb("file")
            .file("opt/node", 0o644, "f")
            .symlink("opt/link", "nowhere")
            .file("opt/file", 0o644, ""),
        deb("folder")
            .field("Replaces", "file")
            .directory("opt/node", 0o750)
            .file("opt/node/in", 0o644, "")
            .file("opt/link/in", 0o644, ""),
    ]);
    referee.layer(&[
        deb("new")
            .field("Replaces", "old, eager")
            .file("opt/x", 0o644, "new")
            .symlink("opt/y", "x"),
        deb("later").field("Replaces", "nobody").file("opt/l", 0o644, ""),
    ]);
    // Across the layers, in the other direction, and a list that was changed twice.
    referee.layer(&[
        deb("third")
            .field("Replaces", "new")
            .file("opt/x", 0o644, "third")
            .file("opt/more", 0o644, ""),
        deb("fourth").field("Replaces", "old").file("opt/z", 0o644, "4"),
    ]);
    for (first, second, expected) in [
        (deb("a").file("opt/x", 0o644, ""), deb("b").file("opt/x", 0o644, ""), "also in package a"),
        (
            deb("a").file("opt/x", 0o644, ""),
            deb("b").field("Replaces", "a (<< 1)").file("opt/x", 0o644, ""),
            "also in package a",
        ),
        (deb("a").symlink("opt/x", "y"), deb("b").file("opt/x/y", 0o644, ""), "also in package a"),
        // Only dpkg --configure puts it into its place.
        (
            deb("a").control_file("conffiles", 0o644, "/etc/x\n").file("etc/x", 0o644, ""),
            deb("b").control_file("conffiles", 0o644, "/etc/x\n").file("etc/x", 0o644, ""),
            "also in package a",
        ),
        (
            deb("a"),
            deb("b")
                .control_file("conffiles", 0o644, "remove-on-upgrade /etc/x\n")
                .file("etc/x", 0o644, ""),
            "marked for removal on upgrade",
        ),
    ] {
        let both = [first.clone(), second.clone()];
        let (theirs, ours) = Referee::new(&[], bare).refused(&both);
        assert!(theirs.contains(expected) && ours.contains(expected), "{theirs} / {ours}");
        let mut referee = Referee::new(&[], bare);
        referee.layer(&[first]);
        let (theirs, ours) = referee.refused(&[second]);
        assert!(theirs.contains(expected) && ours.contains(expected), "{theirs} / {ours}");
    }
}
