//! Layers made by hand.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn links_lead_through_all_layers_and_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let (upper, files, low) = (dir.path().join("u"), dir.path().join("f"), dir.path().join("l"));
    for folder in ["u", "f/usr/lib", "l/usr/lib/deep", "l/etc"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    symlink("usr/lib", upper.join("lib")).unwrap();
    symlink("/lib/deep", low.join("etc/link")).unwrap();
    symlink("../../../etc", files.join("usr/lib/out")).unwrap();
    fs::write(low.join("usr/lib/deep/file"), "text").unwrap();
    let mut view = View::new(&upper, &files, &[low]);
    for made in ["usr", "usr/lib"] {
        view.note_made(made);
    }
    assert_eq!(view.directory("lib").unwrap(), "usr/lib");
    assert_eq!(view.follow("etc/link/file").unwrap(), ("usr/lib/deep/file".to_owned(), false));
    assert_eq!(view.follow("usr/lib/out/link").unwrap(), ("usr/lib/deep".to_owned(), true));
    assert_eq!(view.follow("lib/new/thing").unwrap(), ("usr/lib/new/thing".to_owned(), false));
    assert_eq!(view.read("/etc/link/file").unwrap().as_deref(), Some("text"));
    assert_eq!(view.read("etc/none").unwrap(), None);
    symlink("b", upper.join("a")).unwrap();
    symlink("a", upper.join("b")).unwrap();
    assert!(view.follow("a").unwrap_err().to_string().contains("following"));
}

/// `u` over `f` over `l`.
fn layers(folders: &[&str]) -> (tempfile::TempDir, View) {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["u", "f", "l"].iter().chain(folders) {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let path = |name| dir.path().join(name);
    let view = View::new(&path("u"), &path("f"), &[path("l")]);
    (dir, view)
}

fn make_opaque(path: &Path) {
    rustix::fs::setxattr(path, OPAQUE, b"y", rustix::fs::XattrFlags::empty()).unwrap();
}

/// A whiteout, unless this process may not make one.
fn white_out(path: &Path) -> bool {
    let mode = rustix::fs::Mode::empty();
    let kind = rustix::fs::FileType::CharacterDevice;
    let made = rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).is_ok();
    if !made {
        eprintln!("SKIPPED: no right to make device nodes, which whiteouts are");
    }
    made
}

#[test]
fn an_opaque_directory_hides_and_is_uncovered() {
    let (dir, mut view) = layers(&["u/a", "u/b", "u/c", "f/c", "l/a"]);
    let path = |name| dir.path().join(name);
    for file in ["l/a/x", "f/c/x"] {
        fs::write(path(file), "").unwrap();
    }
    view.note_made("c");
    assert!(view.look("a/x").unwrap().is_some());
    assert!(view.look("c/x").unwrap().is_some());
    for name in ["u/a", "u/b", "u/c"] {
        make_opaque(&path(name));
    }
    view.refresh();
    assert!(view.look("a/x").unwrap().is_none());
    assert!(view.look("c/x").unwrap().is_none());
    view.uncover("b", true).unwrap();
    assert!(!is_opaque(&path("u/b")).unwrap());
    for hiding in ["a", "c"] {
        let error = view.uncover(hiding, true).unwrap_err().to_string();
        assert!(error.contains("maintainer script"), "{error}");
    }
}

#[test]
fn a_removed_file_comes_back_and_a_removed_directory_does_not() {
    let (dir, mut view) = layers(&["l/d", "l/e"]);
    let path = |name| dir.path().join(name);
    fs::write(path("l/file"), "old").unwrap();
    for name in ["u/file", "u/d", "u/e"] {
        if !white_out(&path(name)) {
            return;
        }
    }
    assert!(view.look("file").unwrap().is_none());
    view.uncover("file", false).unwrap();
    assert!(!path("u/file").exists());
    // A file hides the directory again; a directory would not.
    view.uncover("d", false).unwrap();
    assert!(view.uncover("e", true).unwrap_err().to_string().contains("removed or replaced"));
    assert!(fs::symlink_metadata(path("u/e")).is_ok());
    view.uncover("nothing", true).unwrap();
}

#[test]
fn only_files_are_read() {
    let (dir, mut view) = layers(&["l/status"]);
    assert!(view.read("status").unwrap_err().to_string().contains("/status: not a file"));
    // A link in `files` must not lead out of it where another layer has a directory.
    fs::create_dir(dir.path().join("u/x")).unwrap();
    fs::write(dir.path().join("secret"), "").unwrap();
    symlink(dir.path(), dir.path().join("f/x")).unwrap();
    assert!(view.read("x/secret").unwrap().is_none());
}
