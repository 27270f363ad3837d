//! The reader on archives of all kinds, damaged and hostile ones among them.

use super::*;
use crate::deb::samples::{TarBuilder, raw_entry};
use std::io::Cursor;

fn read(tar: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, String> {
    let mut reader = TarReader::new(Cursor::new(tar), Dialect::Dpkg);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|e| e.to_string())? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(|e| e.to_string())?;
        entries.push((entry, content));
    }
    Ok(entries)
}

#[test]
fn all_kinds_long_names_and_content() {
    let long = format!("usr/{}/{}", "d".repeat(120), "f".repeat(200));
    let tar = TarBuilder::new()
        .directory("./", 0o755)
        .file("./etc/x", 0o640, b"hello")
        .file(&format!("./{long}"), 0o4755, &[7; 1024])
        .symlink("./etc/y", &format!("/{}", "t".repeat(150)))
        .hard_link("./etc/z", "./etc/x")
        .finish();
    let entries = read(&tar).unwrap();
    let paths: Vec<_> =
        entries.iter().map(|(e, _)| String::from_utf8_lossy(&e.path).into_owned()).collect();
    assert_eq!(paths, ["", "etc/x", &long, "etc/y", "etc/z"]);
    assert_eq!(entries[1].1, b"hello");
    assert_eq!(entries[1].0.mode, 0o640);
    assert_eq!((entries[2].0.mode, entries[2].1.len()), (0o4755, 1024));
    assert_eq!(entries[3].0.kind, EntryKind::Symlink([b"/".to_vec(), vec![b't'; 150]].concat()));
    assert_eq!(entries[4].0.kind, EntryKind::HardLink(b"etc/x".to_vec()));
}

#[test]
fn unread_content_is_skipped() {
    let tar = TarBuilder::new().file("a", 0o644, &[1; 700]).file("b", 0o644, b"b").finish();
    let mut reader = TarReader::new(Cursor::new(tar), Dialect::Dpkg);
    reader.next_entry().unwrap().unwrap();
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"b");
    assert!(reader.next_entry().unwrap().is_none());
    assert!(reader.next_entry().unwrap().is_none());
}

#[test]
fn ustar_prefixes_are_joined() {
    let mut entry = raw_entry(b"name", b'0', b"", 0o644, b"");
    entry[257..265].copy_from_slice(b"ustar\x0000");
    entry[345..351].copy_from_slice(b"prefix");
    super::super::samples::fix_checksum(&mut entry);
    let tar = [entry, vec![0; 1024]].concat();
    assert_eq!(read(&tar).unwrap()[0].0.path, b"prefix/name");
}

#[test]
fn hostile_names_and_types_are_refused() {
    for (name, flag, target, expected) in [
        (&b"/etc/passwd"[..], b'0', &b""[..], "absolute"),
        (b"../x", b'0', b"", "\"..\""),
        (b"./a/../../x", b'0', b"", "\"..\""),
        (b"a/..", b'5', b"", "\"..\""),
        (b"a//b", b'0', b"", "empty component"),
        (b"a/./b", b'0', b"", "empty component"),
        (b"", b'0', b"", "empty"),
        (b".", b'0', b"", "root"),
        (b"a", b'1', b"../../etc/shadow", "hard link target"),
        (b"a", b'1', b"/etc/shadow", "hard link target"),
        (b"a", b'2', b"", "target"),
        (b"a", b'3', b"", "device"),
        (b"a", b'4', b"", "device"),
        (b"a", b'6', b"", "pipes"),
        (b"a", b'x', b"", "PAX"),
        (b"a", b'S', b"", "unknown type"),
    ] {
        let tar = [raw_entry(name, flag, target, 0o644, b""), vec![0; 1024]].concat();
        let error = read(&tar).unwrap_err();
        assert!(error.contains(expected), "{error} / {expected}");
    }
}

#[test]
fn damaged_streams_are_refused() {
    let tar = TarBuilder::new().file("a", 0o644, b"content").finish();
    for end in [1, 511, 512, 515, 1023, 1024] {
        assert!(read(&tar[..end]).is_err(), "{end}");
    }
    let mut changed = tar.clone();
    changed[0] = b'b';
    assert!(read(&changed).unwrap_err().contains("checksum"));
    let mut more = tar.clone();
    more.extend_from_slice(&raw_entry(b"hidden", b'0', b"", 0o644, b""));
    assert!(read(&more).unwrap_err().contains("goes on"));
}

#[test]
fn a_huge_long_name_costs_no_memory() {
    let mut entry = raw_entry(b"././@LongLink", b'L', b"", 0o644, b"");
    entry[124..136].copy_from_slice(b"77777777777\0");
    super::super::samples::fix_checksum(&mut entry);
    assert!(read(&entry).unwrap_err().contains("a name of"));
}

#[test]
fn numbers_in_both_forms() {
    assert_eq!(parse_number(b"0000644\0"), Some(0o644));
    assert_eq!(parse_number(b"   644 \0"), Some(0o644));
    assert_eq!(parse_number(b"\x80\0\0\0\0\0\x01\0"), Some(256));
    assert_eq!(parse_number(b"00008\0"), None);
    assert_eq!(parse_number(&[0xbf; 12]), None);
    assert_eq!(parse_number(b"\0\0\0\0"), Some(0));
}

/// Found by fuzzing against another reader: what follows a number was not looked at.
#[test]
fn numbers_are_those_of_dpkg() {
    for (field, expected) in [
        (&b"0000644\0"[..], Some(0o644)),
        (b"   644 \0", Some(0o644)),
        (b"00000644", Some(0o644)),
        (b"\0\0\0\0\0\0\0\0", Some(0)),
        (b"\x80\0\0\0\0\0\x01\0", Some(256)),
        (b"        ", None),
        (b"0644\x001\0\0", None),
        (b"\t000644\0", None),
        (b"0000688\0", None),
    ] {
        assert_eq!(parse_number(field), expected, "{field:?}");
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(0u8.., 0..2048)) {
        let _ = read(&bytes);
    }

    #[test]
    fn damaged_headers_do_not_panic(at in 0usize..512, value in 0u8..) {
        let mut tar = TarBuilder::new().file("dir/a", 0o644, b"content").finish();
        tar[at] = value;
        super::super::samples::fix_checksum(&mut tar[..512]);
        let _ = read(&tar);
    }
}
