//! Packages taken apart: whatever their entries are, nothing comes to lie outside the folder.

use std::fs;

use arbitrary::{Arbitrary, Unstructured};
use osb_apt::deb::{Deb, Limits, explode, extract_files};

use crate::Target;
use crate::wrap;

pub(crate) const TARGET: Target = Target {
    name: "explode",
    about: "packages of any entries, unpacked; nothing lies outside their folder",
    run,
    seeds,
    words: &[],
};

#[derive(Debug, Arbitrary)]
struct Entry {
    kind: Kind,
    parts: Vec<Part>,
    mode: u16,
    absolute: bool,
}

#[derive(Debug, Arbitrary)]
enum Kind {
    File(u8),
    Directory,
    Symlink(Vec<Part>),
    Absolute(Vec<Part>),
    HardLink(Vec<Part>),
    Other(u8),
}

/// Few names, so that they meet.
#[derive(Debug, Arbitrary)]
enum Part {
    A,
    B,
    C,
    Up,
    Here,
    Long(u8),
    Odd(u8),
}

fn path(parts: &[Part]) -> Vec<u8> {
    let part = |part: &Part| match part {
        Part::A => b"a".to_vec(),
        Part::B => b"b".to_vec(),
        Part::C => b"control".to_vec(),
        Part::Up => b"..".to_vec(),
        Part::Here => b".".to_vec(),
        Part::Long(length) => vec![b'l'; usize::from(*length)],
        Part::Odd(byte) => vec![*byte],
    };
    parts.iter().map(part).collect::<Vec<_>>().join(&b'/')
}

fn entry(entry: &Entry) -> Vec<u8> {
    let mut name = path(&entry.parts);
    if entry.absolute {
        name.insert(0, b'/');
    }
    let (flag, target, content) = match &entry.kind {
        Kind::File(length) => (b'0', vec![], vec![b'x'; usize::from(*length)]),
        Kind::Directory => (b'5', vec![], vec![]),
        Kind::Symlink(target) => (b'2', path(target), vec![]),
        Kind::Absolute(target) => (b'2', [b"/", path(target).as_slice()].concat(), vec![]),
        Kind::HardLink(target) => (b'1', path(target), vec![]),
        Kind::Other(flag) => (*flag, vec![], vec![]),
    };
    wrap::tar_entry(&name, flag, &target, u32::from(entry.mode), &content)
}

fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let (Ok(in_control), Ok(entries)) = (bool::arbitrary(&mut input), Vec::arbitrary(&mut input))
    else {
        return;
    };
    let fuzzed: Vec<Vec<u8>> = entries.iter().map(entry).collect();
    let text = b"Package: a\nVersion: 1\nArchitecture: all\n";
    let control = wrap::tar_entry(b"./control", b'0', b"", 0o644, text);
    let (control, data) = match in_control {
        true => ([vec![control], fuzzed].concat(), Vec::new()),
        false => (vec![control], fuzzed),
    };
    let place = tempfile::tempdir().unwrap();
    let (deb, folder) = (place.path().join("deb"), place.path().join("folder"));
    fs::write(&deb, wrap::deb(&wrap::tar(&control), &wrap::tar(&data))).unwrap();
    fs::create_dir(&folder).unwrap();
    let _ = Deb::open(&deb).and_then(|deb| deb.control().map(|_| ()));
    if let Ok(entries) = explode(&deb, &folder, &Limits::default(), &|_| Ok(true)) {
        for entry in entries {
            let path = std::str::from_utf8(&entry.path).map(|path| folder.join("data").join(path));
            assert!(path.is_err() || path.is_ok_and(|path| path.symlink_metadata().is_ok()));
        }
    }
    let parts = folder.join("parts");
    fs::create_dir(&parts).unwrap();
    let _ = extract_files(&deb, &parts, &["a/b", "b"]);
    let names = |folder| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(place.path()).len(), 2);
    let outside = |name: &String| !["control", "data", "parts"].contains(&name.as_str());
    assert_eq!(names(&folder).iter().find(|name| outside(name)), None);
}

fn seeds() -> Vec<Vec<u8>> {
    // Bytes that decode to something: a counter through all kinds and parts.
    let counted =
        |step: u8| (0..400_u16).map(|n| (n % 256) as u8).map(move |n| n.wrapping_mul(step));
    [1, 3, 7, 37, 85, 111].map(|step| counted(step).collect()).to_vec()
}
