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
    release.put(SUMS, b"");
    assert!(matches!(release.verify(None), Err(ReleaseError::NoFiles { .. })));
    release.list(&["disk.img", SBOM]);
    let error = release.verify(None).unwrap_err().to_string();
    assert!(error.contains("SHA256SUMS does not name the metadata.json"), "{error}");
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
fn parts_that_nobody_names_are_strangers() {
    let release = Release::new();
    let whole = release.get("disk.img");
    cut(&release);
    release.put("disk.img.part-003", b"old");
    assert_eq!(release.verify(None).unwrap().strangers, ["disk.img.part-003"]);
    // Beside the whole, all of them are.
    release.put("disk.img", &whole);
    assert_eq!(release.verify(None).unwrap().strangers.len(), 5);
    // Nor is a good copy written over.
    let stop = AtomicBool::new(false);
    let digest = osb_checksum::sha256(&whole);
    let split = || osb_release::split(release.path(), "disk.img", digest, 8000, &stop);
    assert!(matches!(split(), Err(ReleaseError::InTheWay { .. })));
    fs::remove_file(release.at("disk.img.parts.json")).unwrap();
    assert_eq!(split().unwrap().unwrap().parts.len(), 2);
    assert!(!release.at("disk.img.part-002").exists() && !release.at("disk.img.part-003").exists());
    assert_eq!(release.verify(None).unwrap().strangers, [""; 0]);
}

#[test]
fn what_was_verified_is_signed_and_nothing_later() {
    let release = Release::new();
    let verified = release.verify(None).unwrap();
    let looked_at = release.get(SUMS);
    release.damage("disk.img", 0);
    release.list(&["disk.img", METADATA, SBOM]);
    let pair = osb_sign::made::pair(Kind::Minisign, 1, None);
    let key = osb_sign::SecretKey::read(&pair.secret, None).unwrap();
    osb_release::sign(release.path(), verified.documents(), &key, 5).unwrap();
    assert!(release.wrong(Kind::Minisign).contains("not a signature of this file"));
    release.put(SUMS, &looked_at);
    release.damage("disk.img", 0);
    release.verify(Some((Kind::Minisign, 1))).unwrap();
}

#[test]
fn a_signature_of_another_file_is_told() {
    let release = Release::new();
    let pair = osb_sign::made::pair(Kind::Minisign, 1, None);
    let key = osb_sign::SecretKey::read(&pair.secret, None).unwrap();
    let text = key.sign(&release.get(SUMS), "timestamp:5\tfile:other\thashed").unwrap();
    release.put(&signature(Kind::Minisign), text.as_bytes());
    assert!(release.wrong(Kind::Minisign).contains("it is of the file \"other\""));
    release.put(&signature(Kind::Minisign), b"untrusted comment: \xff\n");
    assert!(release.wrong(Kind::Minisign).contains("no text in UTF-8"));
}

#[test]
fn what_a_server_forbids_may_be_missing() {
    let release = Release::new();
    cut(&release);
    fs::remove_file(release.at(PROVENANCE)).unwrap();
    let server = osb_testrepo::serve(release.path());
    let forbid = |names: &[&str]| {
        for name in names {
            server.inject(&format!("/{name}"), &[osb_testrepo::Fault::Status(403)]);
        }
    };
    let shelf =
        Shelf::Url { url: server.url(), limits: Default::default(), cancel: Default::default() };
    let (minisign, ssh) = (signature(Kind::Minisign), signature(Kind::Ssh));
    forbid(&[&minisign, &ssh, "disk.img", PROVENANCE]);
    let verified = verify(&shelf, None).unwrap();
    assert_eq!((verified.files[0].parts, verified.provenance), (3, None));
    // What has to be there is another thing.
    for (name, key) in [(&*minisign, Some((Kind::Minisign, 1))), (SUMS, None), (SBOM, None)] {
        forbid(&[name]);
        let error = verify(&shelf, key).unwrap_err().to_string();
        assert!(error.contains("403 Forbidden") && error.contains(name), "{error}");
    }
}

#[test]
fn what_the_description_does_not_bound_ends() {
    let release = Release::new();
    release.put("disk.img", &[7; 2 * IMAGE]);
    let error = release.verify(None).unwrap_err().to_string();
    assert!(error.contains("more than the 10000 bytes that metadata.json says"), "{error}");
    release.put("disk.img.sha256", b"");
    fs::remove_file(release.at("disk.img.sha256")).unwrap();
    fs::create_dir(release.at(&format!("{SBOM}.sha256"))).unwrap();
    let error = release.verify(None).unwrap_err().to_string();
    assert!(error.contains("sbom.cdx.json: the .sha256 beside it"), "{error}");
}

#[test]
fn provenance_can_be_demanded() {
    let release = Release::new();
    let stop = AtomicBool::new(false);
    let options = Options { keys: None, provenance: true, stop: &stop, progress: &|_| () };
    osb_release::verify(&release.shelf(), &options).unwrap();
    fs::remove_file(release.at(PROVENANCE)).unwrap();
    let error = osb_release::verify(&release.shelf(), &options).unwrap_err();
    assert!(matches!(error, ReleaseError::NoProvenance { .. }), "{error}");
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
    let options = Options { keys: None, provenance: false, stop: &stop, progress: &|_| () };
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
