//! Files and folders of this machine.

use std::fs;

use osb_blockmap::State;
use osb_flash::{SourceFailure, Trust};

use crate::folder::{Folder, Image, gzip, noise, read, refused, xz, zstd};

#[test]
fn a_folder_gives_the_disk_or_else_the_compressed_one() {
    let image = Image::new();
    let folder = image.folder();
    for (file, compression) in [("disk.img", None), ("sd.img.zst", Some("zstd"))] {
        let mut found = folder.open("").unwrap();
        assert_eq!((found.file.as_str(), found.compression), (file, compression));
        assert_eq!(found.trust, Trust::Ranges);
        assert_eq!(found.image.map.as_ref(), Some(&image.map));
        assert_eq!(found.image.sector_size, Some(4096));
        assert_eq!(found.image.digest, Some(osb_checksum::sha256(&image.content)));
        assert_eq!(found.image.source.size(), Some(image.content.len() as u64));
        let about = found.about.clone().unwrap();
        assert_eq!((about.board.as_str(), about.architecture.as_str()), ("rpi5", "arm64"));
        assert_eq!(about.labels, ["BOOT"]);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        assert!(read(&mut found).unwrap() == image.content, "{file}");
        // The next time only the compressed one is there.
        let _ = fs::remove_file(folder.file("disk.img"));
    }
}

#[test]
fn a_file_is_compared_with_what_lies_beside_it() {
    let image = Image::new();
    let folder = image.folder();
    let found = folder.open("sd.img.zst").unwrap();
    assert!(found.image.map.is_some() && found.about.is_some());
    // Through a link it is the same file, of the same folder.
    let other = Folder::new();
    std::os::unix::fs::symlink(folder.file("disk.img"), other.file("link")).unwrap();
    assert!(other.open("link").unwrap().image.map.is_some());
    // Without the list the description is believed, and that is told.
    folder.remove("SHA256SUMS");
    let found = folder.open("disk.img").unwrap();
    assert!(found.image.map.is_some());
    assert!(found.warnings[0].contains("no SHA256SUMS"), "{:?}", found.warnings);
    // Without both it is foreign.
    folder.remove("metadata.json");
    let found = folder.open("disk.img").unwrap();
    assert!(found.image.map.is_none() && found.about.is_none());
    assert_eq!(found.trust, Trust::Nothing);
}

#[test]
fn a_file_that_changes_after_it_was_compared_is_noticed_at_the_end() {
    let image = Image::new();
    let folder = image.folder();
    let mut found = folder.open("disk.img").unwrap();
    assert!(found.image.source.compared());
    found.image.source.finish().unwrap();
    folder.damage("disk.img", 4000);
    let error = found.image.source.finish().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    // Of what is decompressed, the file was compared, and not what comes out of it.
    assert!(!folder.open("sd.img.zst").unwrap().image.source.compared());
}

#[test]
fn a_list_of_digests_alone_is_enough_to_compare() {
    let (folder, content) = (Folder::new(), noise(100_000, 5));
    folder.write("disk.img", &content);
    folder.sum();
    let mut found = folder.open("disk.img").unwrap();
    assert_eq!(
        (found.trust, found.image.digest),
        (Trust::Sum, Some(osb_checksum::sha256(&content)))
    );
    assert!(read(&mut found).unwrap() == content);
    folder.damage("disk.img", 99_999);
    let (error, text) = refused(folder.open("disk.img"));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("not what SHA256SUMS says"), "{text}");
    // A list that does not speak of it says nothing; nor does a description beside such a list.
    folder.write("other.img", &content);
    folder.write("metadata.json", b"of something else");
    assert_eq!(folder.open("other.img").unwrap().trust, Trust::Nothing);
    // Without a list, a file of this name may be anybody's.
    folder.remove("SHA256SUMS");
    assert_eq!(folder.open("other.img").unwrap().trust, Trust::Nothing);
    folder.write("metadata.json", br#"{"schema_version": 99}"#);
    let (error, text) = refused(folder.open("other.img"));
    assert!(error.kind() == SourceFailure::Input && text.contains("99"), "{text}");
}

#[test]
fn a_partial_folder_says_what_is_missing() {
    let image = Image::new();
    let folder = image.folder();
    folder.remove("metadata.json");
    let (error, text) = refused(folder.open(""));
    assert_eq!(error.kind(), SourceFailure::Input);
    assert!(text.contains("has no metadata.json") && text.contains("osb build"), "{text}");
    folder.remove("SHA256SUMS");
    let (_, text) = refused(Folder::new().open(""));
    assert!(text.contains("no SHA256SUMS, no metadata.json, no disk.img or sd.img.zst"), "{text}");
    let (error, text) = refused(Folder::new().open("absent"));
    assert_eq!(error.kind(), SourceFailure::Input);
    assert!(text.contains("absent"), "{text}");
}

#[test]
fn every_broken_link_is_named() {
    let image = Image::new();
    let inside = image.content.len() - 100;
    type Change = fn(&Folder, usize);
    let cases: [(&str, Change, &str); 7] = [
        (
            "",
            |folder, _| folder.damage("metadata.json", 30),
            "metadata.json is not what SHA256SUMS",
        ),
        ("", |folder, at| folder.damage("disk.img", at), "bytes from 12582912 on are not what"),
        ("", |folder, _| folder.damage("disk.img", 6 << 20), "byte 6291456 is not zero"),
        ("", |folder, _| folder.damage("disk.img", (10 << 20) + 7), "byte 10485767 is not zero"),
        (
            "sd.img.zst",
            |folder, _| folder.damage("sd.img.zst", 99_999),
            "sd.img.zst is not what SHA",
        ),
        (
            "",
            |folder, _| {
                let bytes = fs::read(folder.file("disk.img")).unwrap();
                folder.write("disk.img", &bytes[..bytes.len() - 512]);
            },
            "bytes, and metadata.json says",
        ),
        (
            "",
            |folder, _| {
                folder.damage("disk.img", 0);
                folder.sum();
            },
            "another SHA-256 of disk.img than SHA256SUMS",
        ),
    ];
    for (name, change, expected) in cases {
        let folder = image.folder();
        change(&folder, inside);
        let (error, text) = refused(folder.open(name));
        assert!(text.contains(expected), "{text}");
        assert_eq!(error.kind(), SourceFailure::Verification, "{text}");
    }
}

#[test]
fn every_compression_is_told_by_its_content() {
    let (folder, content) = (Folder::new(), noise(3 << 20, 1));
    let (one, other) = content.split_at(1 << 20);
    let told = ::zstd::bulk::compress(&content, 1).unwrap();
    for (bytes, compression) in [
        (content.clone(), None),
        (gzip(&content), Some("gzip")),
        (told.clone(), Some("zstd")),
        ([gzip(one), gzip(other)].concat(), Some("gzip")),
        (zstd(&content), Some("zstd")),
        ([zstd(one), zstd(other)].concat(), Some("zstd")),
        (xz(&content), Some("xz")),
        ([xz(one), xz(other)].concat(), Some("xz")),
    ] {
        folder.write("image.bin", &bytes);
        let mut found = folder.open("image.bin").unwrap();
        assert_eq!(found.compression, compression);
        // Only the one frame that was made in one piece tells what is in it.
        if let Some(size) = found.image.source.size() {
            assert_eq!(size, content.len() as u64);
        }
        let whole = compression.is_none() || bytes.starts_with(&told[..20]);
        assert_eq!(found.image.source.size().is_some(), whole, "{compression:?}");
        assert!(read(&mut found).unwrap() == content, "{compression:?}");
    }
}

#[test]
fn damage_of_a_foreign_file_is_an_error() {
    let (folder, content) = (Folder::new(), noise(3 << 20, 1));
    for (what, bytes) in [("gzip", gzip(&content)), ("zstd", zstd(&content)), ("xz", xz(&content))]
    {
        let middle = bytes.len() / 2;
        let mut changed = bytes.clone();
        changed[middle] ^= 1;
        let cut = bytes[..middle].to_vec();
        let more = [&bytes[..], b"and more"].concat();
        for (how, bytes) in [("changed", changed), ("cut", cut), ("with more", more)] {
            // zstd's own frames have no checksum by default: what was changed may be other bytes.
            if (what, how) == ("zstd", "changed") {
                continue;
            }
            folder.write("image", &bytes);
            let result = folder.open("image").map_err(|error| error.to_string());
            let result = result.and_then(|mut found| read(&mut found).map_err(|e| e.to_string()));
            assert!(result.is_err(), "{what} {how}");
        }
    }
    folder.write("image", b"");
    let (error, text) = refused(folder.open("image"));
    assert!(error.kind() == SourceFailure::Input && text.contains("is empty"), "{text}");
    folder.write("image", &gzip(b""));
    assert!(refused(folder.open("image")).1.contains("is empty"));
    fs::create_dir(folder.file("folder")).unwrap();
    let (error, text) = refused(osb_open_device());
    assert!(error.kind() == SourceFailure::Input && text.contains("neither a file"), "{text}");
}

fn osb_open_device() -> Result<osb_flash::Found, osb_flash::SourceError> {
    crate::folder::look(&osb_flash::Place::Path("/dev/null".into()))
}

#[test]
fn only_ranges_with_data_are_decompressed() {
    let image = Image::new();
    let folder = image.folder();
    folder.remove("disk.img");
    let mut found = folder.open("").unwrap();
    // As the engine reads: data ranges, one after the other, some of them not at all.
    for (number, range) in image.map.ranges().iter().enumerate() {
        if !matches!(range.state, State::Data(_)) || number == 1 {
            continue;
        }
        let mut buffer = vec![1; range.len as usize];
        let len = found.image.source.read_at(range.offset, &mut buffer).unwrap();
        assert_eq!(len, buffer.len());
        assert!(buffer == image.content[range.offset as usize..][..len], "{range:?}");
    }
    let end = image.content.len() as u64;
    assert_eq!(found.image.source.read_at(end, &mut [0; 10]).unwrap(), 0);
    assert_eq!(found.image.source.read_at(end + 10, &mut [0; 10]).unwrap(), 0);
}

#[test]
fn frames_that_lie_are_errors_and_a_table_that_does_is_not_used() {
    let image = Image::new();
    let (folder, packed) = (Folder::new(), image.packed());
    // No map: all frames are read, and their checksums hold or do not.
    folder.write("sd.img.zst", &packed);
    let mut found = folder.open("sd.img.zst").unwrap();
    assert_eq!(found.image.source.size(), Some(image.content.len() as u64));
    assert!(read(&mut found).unwrap() == image.content);
    for at in (1000..packed.len() - 5000).step_by(packed.len() / 9) {
        folder.write("sd.img.zst", &packed);
        folder.damage("sd.img.zst", at);
        let result = folder.open("sd.img.zst").map_err(|error| error.to_string());
        let result = result.and_then(|mut found| read(&mut found).map_err(|e| e.to_string()));
        // A checksum that is not there is told by nobody but a digest.
        assert!(result.is_err() || result.is_ok_and(|content| content != image.content), "{at}");
    }
    // The size of the first frame, one more than it is.
    let count = u32::from_le_bytes(packed[packed.len() - 9..][..4].try_into().unwrap()) as usize;
    folder.write("sd.img.zst", &packed);
    folder.damage("sd.img.zst", packed.len() - 9 - 8 * count + 4);
    let result = folder.open("sd.img.zst").map(|_| ()).map_err(|error| error.to_string());
    assert!(result.unwrap_err().contains("frame 0"));
    // Behind garbage there is no table.
    folder.write("sd.img.zst", &[&packed[..], b"garbage"].concat());
    let result = folder.open("sd.img.zst").map_err(|error| error.to_string());
    assert!(result.and_then(|mut found| read(&mut found).map_err(|e| e.to_string())).is_err());
}

#[test]
fn a_named_digest_is_compared_first() {
    use osb_flash::{Place, SourceOptions, open};
    let (folder, content) = (Folder::new(), noise(100_000, 5));
    folder.write("image", &gzip(&content));
    let stop = std::sync::Arc::default();
    let progress = |_, _| {};
    let options = |digest| SourceOptions {
        digest: Some(digest),
        keys: None,
        threads: 1,
        stop: &stop,
        progress: &progress,
        limits: crate::folder::limits(),
    };
    let place = Place::Path(folder.file("image"));
    let good = osb_checksum::sha256(&gzip(&content));
    assert_eq!(open(&place, &options(good)).unwrap().trust, Trust::Sum);
    let (error, text) = refused(open(&place, &options([7; 32])));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("the SHA-256 that was named"), "{text}");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let (error, _) = refused(open(&place, &options(good)));
    assert_eq!(error.kind(), SourceFailure::Interrupted);
}
