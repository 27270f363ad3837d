//! Images that somebody must have signed, and images in parts, here and on a server.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osb_checksum::Sums;
use osb_flash::{Found, Place, Signed, SourceError, SourceFailure, SourceOptions, Trust, open};
use osb_sign::made::pair;
use osb_sign::{Keys, Kind, SecretKey};
use osb_testrepo::{Fault, serve};

use crate::folder::{Folder, Image, limits, look, read, refused};

/// Signs `SHA256SUMS` with the key of this number.
fn sign(folder: &Folder, kind: Kind, seed: u8) {
    let key = SecretKey::read(&pair(kind, seed, None).secret, None).unwrap();
    let text = key.sign(&std::fs::read(folder.file("SHA256SUMS")).unwrap(), "").unwrap();
    folder.write(&osb_release::signature_name("SHA256SUMS", kind), text.as_bytes());
}

/// Opens a place of which the first key of `kind` must have signed the sums.
fn opened(place: &Place, kind: Kind) -> Result<Found, SourceError> {
    let keys = Keys::read(&pair(kind, 1, None).public).unwrap();
    let (stop, progress) = (Arc::<AtomicBool>::default(), |_, _| {});
    let options = SourceOptions {
        digest: None,
        keys: Some(&keys),
        threads: 2,
        stop: &stop,
        progress: &progress,
        limits: limits(),
    };
    open(place, &options)
}

/// The folder, a file of it, and the same of a server.
fn places(folder: &Folder, url: &str) -> [Place; 4] {
    [
        Place::Path(folder.path().to_owned()),
        Place::Path(folder.file("sd.img.zst")),
        Place::Url(format!("{url}/")),
        Place::Url(format!("{url}/sd.img.zst")),
    ]
}

#[test]
fn a_signature_is_checked_before_anything_is_believed() {
    let image = Image::new();
    for kind in Kind::ALL {
        let folder = image.folder();
        let server = serve(folder.path());
        let places = places(&folder, &server.url());
        for place in &places {
            let (error, text) = refused(opened(place, kind));
            assert_eq!(error.kind(), SourceFailure::Verification);
            assert!(text.contains("SHA256SUMS of") && text.contains("is not signed"), "{text}");
            assert_eq!(look(place).unwrap().signed, Signed::Nobody);
        }
        sign(&folder, kind, 2);
        for place in &places {
            let (error, text) = refused(opened(place, kind));
            assert_eq!(error.kind(), SourceFailure::Verification);
            assert!(text.contains("by the key"), "{text}");
            assert_eq!(look(place).unwrap().signed, Signed::Unchecked(kind));
        }
        sign(&folder, kind, 1);
        for place in &places {
            let mut found = opened(place, kind).unwrap();
            assert!(matches!(&found.signed, Signed::By(signer) if signer.kind == kind));
            // Whom the network belongs to is no matter then.
            assert_eq!(found.warnings, [""; 0]);
            assert!(read(&mut found).unwrap() == image.content);
        }
        // The signed list of another build.
        folder.write("SHA256SUMS", b"");
        for place in &places {
            let (_, text) = refused(opened(place, kind));
            assert!(text.contains("not a signature of this file"), "{text}");
        }
    }
}

#[test]
fn what_no_signed_list_names_is_not_signed() {
    let folder = Image::new().folder();
    sign(&folder, Kind::Ssh, 1);
    folder.write("other.img", b"bytes");
    let (error, text) = refused(opened(&Place::Path(folder.file("other.img")), Kind::Ssh));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("no SHA256SUMS names other.img"), "{text}");
    folder.remove("SHA256SUMS");
    let (_, text) = refused(opened(&Place::Path(folder.file("disk.img")), Kind::Ssh));
    assert!(text.contains("no SHA256SUMS names disk.img"), "{text}");
}

/// Cuts both images.
fn cut(folder: &Folder) {
    let text = std::fs::read_to_string(folder.file("SHA256SUMS")).unwrap();
    let sums = Sums::parse(&text).unwrap();
    for name in ["disk.img", "sd.img.zst"] {
        let stop = AtomicBool::new(false);
        let digest = *sums.get(name).unwrap();
        let cut = osb_release::split(folder.path(), name, digest, 1 << 20, &stop);
        assert!(cut.unwrap().is_some_and(|manifest| manifest.parts.len() > 1));
    }
}

#[test]
fn an_image_in_parts_is_the_same_image() {
    let image = Image::new();
    let folder = image.folder();
    cut(&folder);
    sign(&folder, Kind::Minisign, 1);
    let server = serve(folder.path());
    let [here, _, there, file] = places(&folder, &server.url());
    for place in [here, there, file, Place::Url(format!("{}/disk.img", server.url()))] {
        let mut found = opened(&place, Kind::Minisign).unwrap();
        assert_eq!(found.trust, Trust::Ranges);
        assert!(found.image.map.is_some());
        assert!(read(&mut found).unwrap() == image.content, "{place}");
        found.image.source.finish().unwrap();
    }
    // As a server that does not tell what it does not have.
    let (file, minisig) = ("/disk.img", "/SHA256SUMS.minisig");
    for path in [file, minisig, "/SHA256SUMS.sig"] {
        server.inject(path, &[Fault::Status(403)]);
    }
    let place = Place::Url(format!("{}{file}", server.url()));
    let mut found = look(&place).unwrap();
    assert_eq!(found.signed, Signed::Nobody);
    assert!(read(&mut found).unwrap() == image.content);
    server.inject(minisig, &[Fault::Status(403)]);
    let (error, _) = refused(opened(&place, Kind::Minisign));
    assert_eq!(error.kind(), SourceFailure::Verification);
}

#[test]
fn a_part_that_was_cut_short_is_named() {
    let folder = Image::new().folder();
    cut(&folder);
    let server = serve(folder.path());
    let part = "disk.img.part-001";
    let bytes = std::fs::read(folder.file(part)).unwrap();
    folder.write(part, &bytes[..1000]);
    let (error, text) = refused(folder.open(""));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("disk.img.part-001 has 1000 bytes, and 1048576 were expected"), "{text}");
    let mut found = look(&Place::Url(format!("{}/disk.img", server.url()))).unwrap();
    let error = read(&mut found).unwrap_err().to_string();
    assert!(error.contains("disk.img.part-001 has 1000 bytes"), "{error}");
    folder.write(part, &bytes);
    folder.damage(part, 9);
    let (_, text) = refused(folder.open(""));
    assert!(text.contains("disk.img.part-001 has SHA-256"), "{text}");
    folder.damage(part, 9);
    folder.remove(part);
    let (_, text) = refused(folder.open(""));
    assert!(text.contains("disk.img.part-001 of") && text.contains("is missing"), "{text}");
    folder.write("disk.img.parts.json", b"[]");
    let (error, text) = refused(folder.open(""));
    assert_eq!(error.kind(), SourceFailure::Verification);
    assert!(text.contains("disk.img.parts.json is not a list of parts"), "{text}");
}
