//! The chain from a key to every file, and each way in which it breaks.

#![allow(clippy::unwrap_used)] // in helpers, too

mod folder;

use std::fs;
use std::sync::atomic::AtomicBool;

use folder::{IMAGE, Release, verify};
use osb_checksum::Sums;
use osb_release::{
    METADATA, Manifest, Options, PROVENANCE, ReleaseError, SBOM, SUMS, Shelf, Signed,
};
use osb_sign::Kind;

fn signature(kind: Kind) -> String {
    osb_release::signature_name(SUMS, kind)
}

#[test]
fn every_link_holds() {
    for kind in Kind::ALL {
        let release = Release::signed(kind);
        let verified = release.verify(Some((kind, 1))).unwrap();
        let Signed::By(signer) = &verified.signed else { panic!("{:?}", verified.signed) };
        assert_eq!(signer.kind, kind);
        assert!(matches!(verified.provenance, Some(Signed::By(_))));
        let names: Vec<_> = verified.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["disk.img", METADATA, SBOM]);
        assert_eq!(verified.files[0].size, IMAGE as u64);
        assert_eq!(verified.metadata.unwrap().name, "tiny");
        assert_eq!(verified.strangers, [""; 0]);
        release.put("notes.txt", b"hello");
        assert_eq!(release.verify(Some((kind, 1))).unwrap().strangers, ["notes.txt"]);
    }
}

#[test]
fn without_a_key_nobody_vouches_for_anything() {
    let release = Release::new();
    assert_eq!(release.verify(None).unwrap().signed, Signed::Nobody);
    release.sign(Kind::Ssh, 1);
    assert_eq!(release.verify(None).unwrap().signed, Signed::Unchecked(Kind::Ssh));
    // Nor is it looked at.
    release.put(&signature(Kind::Ssh), b"nonsense");
    assert_eq!(release.verify(None).unwrap().signed, Signed::Unchecked(Kind::Ssh));
}

#[test]
fn a_missing_or_damaged_signature_and_another_key_are_told() {
    for kind in Kind::ALL {
        let release = Release::signed(kind);
        let file = signature(kind);
        let error = release.verify(Some((kind, 2))).unwrap_err().to_string();
        assert!(error.contains(&file) && error.contains("by the key"), "{error}");
        // The other tool's key finds no signature of its own.
        let other = Kind::ALL.into_iter().find(|other| *other != kind).unwrap();
        let error = release.verify(Some((other, 1))).unwrap_err().to_string();
        assert!(error.contains(&format!("there is no {}", signature(other))), "{error}");
        let length = release.get(&file).len();
        for at in [0, length / 2, length - 12] {
            release.damage(&file, at);
            assert!(release.wrong(kind).contains(&file));
            release.damage(&file, at);
        }
        release.put(&file, &release.get(&file)[..length / 2]);
        assert!(release.wrong(kind).contains(&file));
        fs::remove_file(release.at(&file)).unwrap();
        assert!(release.wrong(kind).contains("is not signed"));
    }
}

#[test]
fn each_changed_file_is_named() {
    let kind = Kind::Minisign;
    let release = Release::signed(kind);
    for name in ["disk.img", METADATA, SBOM] {
        release.damage(name, 1);
        let error = release.wrong(kind);
        assert!(error.contains("1 of 3 files") && error.contains(&format!("{name}: differs")));
        release.damage(name, 1);
    }
    release.damage("disk.img.sha256", 1);
    assert!(release.wrong(kind).contains("the .sha256 beside it"));
    release.damage("disk.img.sha256", 1);
    release.damage(SUMS, 1);
    assert!(release.wrong(kind).contains("not a signature of this file"));
    release.damage(SUMS, 1);
    release.damage(PROVENANCE, 30);
    assert!(release.wrong(kind).contains("provenance.json.minisig"));
    release.damage(PROVENANCE, 30);
    release.verify(Some((kind, 1))).unwrap();
    fs::remove_file(release.at("disk.img")).unwrap();
    fs::remove_file(release.at(SBOM)).unwrap();
    let error = release.wrong(kind);
    assert!(error.contains("2 of 3") && error.contains("disk.img: missing"), "{error}");
}

#[test]
fn a_list_that_is_none_is_told() {
    let release = Release::new();
    release.put(SUMS, b"what?\n");
    assert!(matches!(release.verify(None), Err(ReleaseError::Sums { .. })));
    let hex = "0".repeat(64);
    release.put(SUMS, format!("{hex}  ../disk.img\n").as_bytes());
    assert!(matches!(release.verify(None), Err(ReleaseError::Sums { .. })));
    fs::remove_file(release.at(SUMS)).unwrap();
    assert!(matches!(release.verify(None), Err(ReleaseError::NoSums { .. })));
}

#[test]
fn files_that_speak_of_others_are_told() {
    // As who has the key, and puts together what does not belong together.
    let release = Release::new();
    release.damage("disk.img", 1);
    release.list(&["disk.img", METADATA, SBOM]);
    fs::remove_file(release.at("disk.img.sha256")).unwrap();
    release.sign(Kind::Ssh, 1);
    assert!(release.wrong(Kind::Ssh).contains("metadata.json says another \"disk.img\""));
    release.damage("disk.img", 1);
    release.list(&["disk.img", METADATA, SBOM]);
    release.explain(&["disk.img", METADATA]);
    release.sign(Kind::Ssh, 1);
    assert!(release.wrong(Kind::Ssh).contains("do not say the same of \"sbom.cdx.json\""));
    release.put(PROVENANCE, b"{}");
    release.sign(Kind::Ssh, 1);
    assert!(release.wrong(Kind::Ssh).contains("provenance.json is not valid"));
    release.put(METADATA, b"{}");
    release.list(&["disk.img", METADATA, SBOM]);
    release.sign(Kind::Ssh, 1);
    assert!(release.wrong(Kind::Ssh).contains("metadata.json is not valid"));
}

#[test]
fn provenance_must_be_signed_where_a_key_is_named() {
    let release = Release::signed(Kind::Minisign);
    fs::remove_file(release.at("provenance.json.minisig")).unwrap();
    assert!(release.wrong(Kind::Minisign).contains("provenance.json of"));
    assert_eq!(release.verify(None).unwrap().provenance, Some(Signed::Nobody));
    fs::remove_file(release.at(PROVENANCE)).unwrap();
    assert_eq!(release.verify(Some((Kind::Minisign, 1))).unwrap().provenance, None);
}

#[test]
fn a_lock_that_lies_there_is_the_one_of_the_provenance() {
    let release = Release::signed(Kind::Minisign);
    release.put("osb.lock", b"");
    release.verify(Some((Kind::Minisign, 1))).unwrap();
    assert_eq!(release.verify(None).unwrap().strangers, [""; 0]);
    release.put("osb.lock", b"x");
    assert!(release.wrong(Kind::Minisign).contains("provenance.json says another osb.lock"));
    // Without a provenance nobody speaks of it.
    fs::remove_file(release.at(PROVENANCE)).unwrap();
    assert_eq!(release.verify(None).unwrap().strangers, ["osb.lock"]);
}

/// Cuts the image into three parts.
fn cut(release: &Release) -> Manifest {
    let sums = Sums::parse(&String::from_utf8(release.get(SUMS)).unwrap()).unwrap();
    let digest = *sums.get("disk.img").unwrap();
    let stop = AtomicBool::new(false);
    let manifest = osb_release::split(release.path(), "disk.img", digest, 4096, &stop);
    manifest.unwrap().unwrap()
}

#[test]
fn a_file_in_parts_is_the_same_file() {
    let release = Release::signed(Kind::Minisign);
    let whole = release.get("disk.img");
    let manifest = cut(&release);
    assert_eq!(manifest.parts.iter().map(|part| part.size).collect::<Vec<_>>(), [4096, 4096, 1808]);
    assert!(!release.at("disk.img").exists());
    let verified = release.verify(Some((Kind::Minisign, 1))).unwrap();
    assert_eq!((verified.files[0].size, verified.files[0].parts), (IMAGE as u64, 3));
    assert_eq!(verified.strangers, [""; 0]);
    // As anybody would put it together.
    let parts = manifest.parts.iter().flat_map(|part| release.get(&part.name));
    assert!(parts.collect::<Vec<u8>>() == whole);
    let server = osb_testrepo::serve(release.path());
    let shelf =
        Shelf::Url { url: server.url(), limits: Default::default(), cancel: Default::default() };
    let verified = verify(&shelf, Some((Kind::Minisign, 1))).unwrap();
    assert_eq!(verified.files[0].parts, 3);
}

#[test]
fn what_is_wrong_with_a_part_is_told() {
    let release = Release::signed(Kind::Minisign);
    let manifest = cut(&release);
    let (second, last) = (&manifest.parts[1].name, &manifest.parts[2].name);
    let bytes = release.get(last);
    release.put(last, &bytes[..1000]);
    let error = release.wrong(Kind::Minisign);
    assert!(error.contains("disk.img.part-002 has 1000 bytes, and 1808 were expected"), "{error}");
    release.put(last, &[&bytes[..], b"more"].concat());
    assert!(release.wrong(Kind::Minisign).contains("disk.img.part-002 has 1812 bytes"));
    release.put(last, &bytes);
    release.damage(second, 0);
    assert!(release.wrong(Kind::Minisign).contains("disk.img.part-001 has SHA-256"));
    release.damage(second, 0);
    fs::rename(release.at(second), release.at("away")).unwrap();
    assert!(release.wrong(Kind::Minisign).contains("disk.img.part-001 of"));
    fs::rename(release.at("away"), release.at(second)).unwrap();
    // A manifest that fits its parts, but not the list.
    let text = String::from_utf8(release.get("disk.img.parts.json")).unwrap();
    release.damage(second, 0);
    let hex = |bytes: &[u8]| osb_checksum::to_hex(&osb_checksum::sha256(bytes));
    let forged = hex(&release.get(second));
    release.damage(second, 0);
    let forged = text.replace(&hex(&release.get(second)), &forged);
    release.damage(second, 0);
    release.put("disk.img.parts.json", forged.as_bytes());
    assert!(release.wrong(Kind::Minisign).contains("disk.img: differs"));
    release.put("disk.img.parts.json", b"{}");
    assert!(release.wrong(Kind::Minisign).contains("disk.img.parts.json is not a list of parts"));
}

#[test]
fn what_is_not_what_it_should_be_is_not_cut() {
    let release = Release::new();
    let stop = AtomicBool::new(false);
    let split =
        |limit, digest| osb_release::split(release.path(), "disk.img", digest, limit, &stop);
    assert!(split(IMAGE as u64, [0; 32]).unwrap().is_none(), "nothing to do");
    let error = split(4096, [0; 32]).unwrap_err();
    assert!(error.to_string().contains("not what SHA256SUMS says"), "{error}");
    let error = split(1, [0; 32]).unwrap_err();
    assert!(error.to_string().contains("more than 1000 parts"), "{error}");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(split(4096, [0; 32]), Err(ReleaseError::Interrupted)));
    release.verify(None).unwrap();
    let left: Vec<_> = fs::read_dir(release.path()).unwrap().collect();
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn it_can_be_stopped() {
    let release = Release::new();
    let stop = AtomicBool::new(true);
    let options = Options { keys: None, stop: &stop, progress: &|_| () };
    let error = osb_release::verify(&release.shelf(), &options).unwrap_err();
    assert!(matches!(error, ReleaseError::Interrupted));
}

#[test]
fn a_server_without_the_files_is_no_forger() {
    let release = Release::signed(Kind::Ssh);
    let server = osb_testrepo::serve(release.path());
    let shelf = |path: &str| Shelf::Url {
        url: format!("{}{path}", server.url()),
        limits: Default::default(),
        cancel: Default::default(),
    };
    verify(&shelf("/"), Some((Kind::Ssh, 1))).unwrap();
    assert!(matches!(verify(&shelf("/x/"), None), Err(ReleaseError::NoSums { .. })));
    release.damage(SBOM, 0);
    let error = verify(&shelf(""), Some((Kind::Ssh, 1))).unwrap_err();
    assert!(error.to_string().contains("sbom.cdx.json: differs"), "{error}");
}
