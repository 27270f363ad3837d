//! A small image and the folder of its build.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use osb_blockmap::{BlockMap, Recorder};
use osb_checksum::{Sums, sha256, to_hex};
use osb_flash::{Found, Place, SourceError, SourceOptions, open};
use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_http::Limits;
use osb_metadata::{ArtifactInfo, Metadata, PartitionInfo, PartitionTable, SCHEMA_VERSION};
use osb_sink::Sink;

/// Data, zeroes that must be there, data, an unused hole, data up to the end.
pub(crate) struct Image {
    pub(crate) content: Vec<u8>,
    pub(crate) map: BlockMap,
}

/// Bytes that no compression makes much smaller, and no two blocks alike.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|at| if at % 3 == 0 { next() } else { (at / 977) as u8 }).collect()
}

impl Image {
    /// About 13 MiB, whose last block is not whole.
    pub(crate) fn new() -> Image {
        let (mut recorder, mut content) = (Recorder::new(), Vec::new());
        for (what, len) in [
            ("data", 5 << 20),
            ("zero", 2 << 20),
            ("data", 3 << 20),
            ("unused", 2 << 20),
            ("data", (1 << 20) + 512),
        ] {
            let end = content.len() + len;
            match what {
                "data" => {
                    content.extend(noise(len, end as u64));
                    recorder.data(&content[end - len..]).unwrap();
                }
                "zero" => recorder.zeros(len as u64).unwrap(),
                _ => recorder.unused(len as u64).unwrap(),
            }
            content.resize(end, 0);
        }
        Image { content, map: recorder.finish() }
    }

    /// As `osb build` compresses it, in small frames.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let (codec, cuts) = (Codec::Zstd { level: 1 }, Cuts::new(4096, 256 << 10, 1 << 20));
        let mut frames = Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap();
        frames.write_all(&self.content).unwrap();
        frames.finish().unwrap().0
    }

    pub(crate) fn metadata(&self, packed: &[u8]) -> Metadata {
        let artifact = |name: &str, bytes: &[u8], content: Option<&[u8]>| ArtifactInfo {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: to_hex(&sha256(bytes)),
            media_type: "application/octet-stream".to_owned(),
            content_sha256: content.map(|content| to_hex(&sha256(content))),
            content_size: content.map(|content| content.len() as u64),
        };
        Metadata {
            schema_version: SCHEMA_VERSION,
            name: "test".to_owned(),
            version: "1".to_owned(),
            arch: "arm64".to_owned(),
            board: "rpi5".to_owned(),
            kubernetes: None,
            source_date_epoch: 0,
            osb_version: "0".to_owned(),
            layers: Vec::new(),
            packages: Vec::new(),
            sources: Vec::new(),
            pinned: Vec::new(),
            artifacts: vec![
                artifact("disk.img", &self.content, None),
                artifact("sd.img.zst", packed, Some(&self.content)),
            ],
            partition_table: PartitionTable {
                kind: "gpt".to_owned(),
                guid: "A".to_owned(),
                sector_size: 4096,
                partitions: vec![PartitionInfo {
                    number: 1,
                    name: "boot".to_owned(),
                    type_guid: "B".to_owned(),
                    guid: "C".to_owned(),
                    first_lba: 6,
                    last_lba: 7,
                    filesystem: "vfat".to_owned(),
                    uuid: "D".to_owned(),
                    label: "BOOT".to_owned(),
                }],
            },
            block_map: Some((&self.map).into()),
        }
    }

    /// A folder with everything that a build leaves.
    pub(crate) fn folder(&self) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let packed = self.packed();
        folder.write("disk.img", &self.content);
        folder.write("sd.img.zst", &packed);
        folder.write("metadata.json", self.metadata(&packed).to_json().as_bytes());
        folder.sum();
        folder
    }
}

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// One without any files.
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    /// Changes one byte.
    pub(crate) fn damage(&self, name: &str, at: usize) {
        let mut bytes = fs::read(self.file(name)).unwrap();
        bytes[at] ^= 0x40;
        self.write(name, &bytes);
    }

    /// Writes SHA256SUMS for what is there.
    pub(crate) fn sum(&self) {
        let mut sums = Sums::new();
        for name in ["disk.img", "sd.img.zst", "metadata.json"] {
            if let Ok(bytes) = fs::read(self.file(name)) {
                sums.insert(name, sha256(&bytes)).unwrap();
            }
        }
        self.write("SHA256SUMS", sums.to_string().as_bytes());
    }

    /// Opens a file of the folder; all of it for an empty name.
    pub(crate) fn open(&self, name: &str) -> Result<Found, SourceError> {
        look(&Place::Path(self.file(name)))
    }
}

/// Short pauses, and as much patience as a busy machine needs.
pub(crate) fn limits() -> Limits {
    Limits { attempts: 3, pause: Duration::from_millis(1), ..Limits::default() }
}

/// Opens a place with three threads.
pub(crate) fn look(place: &Place) -> Result<Found, SourceError> {
    let stop = Arc::<AtomicBool>::default();
    let progress = |_, _| {};
    open(
        place,
        &SourceOptions {
            digest: None,
            keys: None,
            threads: 3,
            stop: &stop,
            progress: &progress,
            limits: limits(),
        },
    )
}

/// Reads all of an image in steps that fit nothing.
pub(crate) fn read(found: &mut Found) -> std::io::Result<Vec<u8>> {
    let (mut content, mut buffer) = (Vec::new(), vec![0; 700_001]);
    loop {
        let len = found.image.source.read_at(content.len() as u64, &mut buffer)?;
        content.extend_from_slice(&buffer[..len]);
        if len < buffer.len() {
            return Ok(content);
        }
    }
}

/// What is wrong, in words; it must be wrong.
pub(crate) fn refused(result: Result<Found, SourceError>) -> (SourceError, String) {
    let Err(error) = result else { panic!("it was opened") };
    let text = error.to_string();
    (error, text)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}
