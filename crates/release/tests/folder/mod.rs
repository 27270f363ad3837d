//! A small release: an image, its description, its provenance.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use osb_checksum::{Sums, sha256, to_hex};
use osb_metadata::{ArtifactInfo, BuildRun, Metadata, PartitionTable, Provenance, SCHEMA_VERSION};
use osb_release::{METADATA, Options, PROVENANCE, ReleaseError, SBOM, SUMS, Shelf, Verified};
use osb_sign::made::pair;
use osb_sign::{Keys, Kind, SecretKey};

/// Bytes of the image.
pub(crate) const IMAGE: usize = 10_000;

pub(crate) struct Release {
    dir: tempfile::TempDir,
}

impl Release {
    /// Complete, and not signed.
    pub(crate) fn new() -> Release {
        let release = Release { dir: tempfile::tempdir().unwrap() };
        let image: Vec<u8> = (0..IMAGE).map(|at| (at % 251) as u8).collect();
        release.put("disk.img", &image);
        release.put(SBOM, b"{}\n");
        release.put(METADATA, metadata(&image).to_json().as_bytes());
        release.list(&["disk.img", METADATA, SBOM]);
        let own = format!("{}  disk.img\n", to_hex(&sha256(&image)));
        release.put("disk.img.sha256", own.as_bytes());
        release.explain(&["disk.img", METADATA, SBOM]);
        release
    }

    pub(crate) fn signed(kind: Kind) -> Release {
        let release = Release::new();
        release.sign(kind, 1);
        release
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).unwrap();
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap()
    }

    /// Writes `SHA256SUMS` of these files.
    pub(crate) fn list(&self, names: &[&str]) {
        let mut sums = Sums::new();
        for name in names {
            sums.insert(*name, sha256(&self.get(name))).unwrap();
        }
        self.put(SUMS, sums.to_string().as_bytes());
    }

    /// Writes the provenance of these files.
    pub(crate) fn explain(&self, names: &[&str]) {
        let subject = |name: &&str| ((*name).to_owned(), to_hex(&sha256(&self.get(name))));
        let run = BuildRun { lock_sha256: to_hex(&sha256(b"")), ..BuildRun::default() };
        let provenance = Provenance::new(run, names.iter().map(subject));
        self.put(PROVENANCE, provenance.to_json().as_bytes());
    }

    pub(crate) fn sign(&self, kind: Kind, seed: u8) {
        let key = SecretKey::read(&pair(kind, seed, None).secret, None).unwrap();
        osb_release::sign(self.path(), &key, 5).unwrap();
    }

    /// Flips a bit.
    pub(crate) fn damage(&self, name: &str, at: usize) {
        let mut bytes = self.get(name);
        bytes[at] ^= 1;
        self.put(name, &bytes);
    }

    pub(crate) fn shelf(&self) -> Shelf {
        Shelf::Folder(self.path().to_owned())
    }

    /// Verifies with the key of this kind and number.
    pub(crate) fn verify(&self, key: Option<(Kind, u8)>) -> Result<Verified, ReleaseError> {
        verify(&self.shelf(), key)
    }

    /// What verifying with the first key of `kind` says is wrong.
    pub(crate) fn wrong(&self, kind: Kind) -> String {
        let error = self.verify(Some((kind, 1))).unwrap_err();
        assert!(error.is_verification(), "{error}");
        error.to_string()
    }
}

pub(crate) fn verify(shelf: &Shelf, key: Option<(Kind, u8)>) -> Result<Verified, ReleaseError> {
    let keys = key.map(|(kind, seed)| Keys::read(&pair(kind, seed, None).public).unwrap());
    let options = Options { keys: keys.as_ref(), stop: &AtomicBool::new(false), progress: &|_| () };
    osb_release::verify(shelf, &options)
}

fn metadata(image: &[u8]) -> Metadata {
    Metadata {
        schema_version: SCHEMA_VERSION,
        name: "tiny".into(),
        version: "1".into(),
        arch: "arm64".into(),
        board: "uefi".into(),
        kubernetes: None,
        source_date_epoch: 5,
        osb_version: "0.1.0".into(),
        layers: Vec::new(),
        packages: Vec::new(),
        sources: Vec::new(),
        pinned: Vec::new(),
        artifacts: vec![ArtifactInfo {
            name: "disk.img".into(),
            size: image.len() as u64,
            sha256: to_hex(&sha256(image)),
            media_type: "application/octet-stream".into(),
            content_sha256: None,
            content_size: None,
        }],
        partition_table: PartitionTable {
            kind: "gpt".into(),
            guid: "00000000-0000-0000-0000-000000000000".into(),
            sector_size: 512,
            partitions: Vec::new(),
        },
        block_map: None,
    }
}
