//! What an initramfs holds: cpio archives one after another, any of them compressed (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use md5::{Digest, Md5};
use osb_tree::Content;

use crate::contents::{Mark, pieces};
use crate::parse::secret::Patterns;

/// Length of a "newc" header: a magic of six characters, thirteen numbers of eight.
const HEADER: usize = 110;
/// Most bytes, unpacked: no machine for this image has room for more.
pub(crate) const MOST: u64 = 1 << 30;
/// Most entries, and the longest name (`PATH_MAX`).
const MOST_ENTRIES: usize = 200_000;
const MOST_NAME: usize = 4096;
/// Most bytes of all names that are kept: those of Debian's have 0.1 MiB.
const MOST_KEPT: usize = 8 << 20;
/// What an xz stream may need to be decompressed, in bytes.
const XZ_MEMORY: u64 = 128 << 20;
/// Bytes of a file that are looked through at once; of a larger one piece by piece.
const SMALL: u64 = 1 << 20;
/// Bytes within which a secret is recognised.
const OVERLAP: usize = 4 << 10;
/// Most things that look like secrets.
const MOST_MARKS: usize = 1000;

/// What is in an initramfs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Initramfs {
    /// Names of modules, by the version of their kernel.
    modules: BTreeMap<String, BTreeSet<String>>,
    /// Whether there is something to start.
    pub(crate) has_init: bool,
    /// What looks like a secret.
    pub(crate) marks: Vec<Inside>,
    /// Bytes, unpacked.
    pub(crate) size: u64,
    /// Why it could not be read to its end.
    pub(crate) damage: Option<String>,
    entries: usize,
    kept: usize,
}

/// Something in a file of an initramfs.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    /// The file.
    pub(crate) path: String,
    /// Its MD5: a package's file is public.
    pub(crate) md5: [u8; 16],
    /// What it is, and where in the file.
    pub(crate) mark: Mark,
}

impl Initramfs {
    /// Reads at most `limit` bytes, unpacked, and looks for `patterns` in all files.
    pub(crate) fn read(content: &Content, limit: u64, patterns: &Patterns) -> Initramfs {
        let mut found = Initramfs::default();
        let limit = limit.min(MOST);
        let mut left = limit;
        let result = content.open().and_then(|reader| {
            let mut reader = BufReader::with_capacity(128 << 10, reader);
            found.archives(&mut reader, &mut left, true, patterns)
        });
        found.size = limit - left;
        found.damage = result.err().map(|error| error.to_string());
        found
    }

    /// Everything up to the end. What is packed holds archives that are not.
    fn archives(
        &mut self,
        reader: &mut dyn BufRead,
        left: &mut u64,
        outside: bool,
        patterns: &Patterns,
    ) -> io::Result<()> {
        let mut any = false;
        loop {
            // Between archives there may be zeroes.
            let buffer = reader.fill_buf()?;
            let zeroes = buffer.iter().take_while(|byte| **byte == 0).count();
            if buffer.is_empty() {
                return if any { Ok(()) } else { Err(wrong("it is empty")) };
            }
            if zeroes > 0 {
                take(left, zeroes as u64)?;
                reader.consume(zeroes);
                continue;
            }
            any = true;
            match buffer {
                [b'0', ..] => self.archive(reader, left, patterns)?,
                [0x1F, ..] if outside => {
                    self.archives(
                        &mut BufReader::new(GzDecoder::new(&mut *reader)),
                        left,
                        false,
                        patterns,
                    )?;
                }
                [0x28, ..] if outside => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(&mut *reader)?;
                    self.archives(
                        &mut BufReader::new(decoder.single_frame()),
                        left,
                        false,
                        patterns,
                    )?;
                }
                [0xFD, ..] if outside => {
                    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
                    let decoder = liblzma::bufread::XzDecoder::new_stream(&mut *reader, stream);
                    self.archives(&mut BufReader::new(decoder), left, false, patterns)?;
                }
                [other, ..] => {
                    return Err(wrong(&format!("a part begins with the byte {other:#04x}")));
                }
                [] => {}
            }
        }
    }

    /// One archive, up to its last entry.
    fn archive(
        &mut self,
        reader: &mut dyn BufRead,
        left: &mut u64,
        patterns: &Patterns,
    ) -> io::Result<()> {
        loop {
            let mut header = [0; HEADER];
            reader.read_exact(&mut header).map_err(|_| wrong("an entry is cut off"))?;
            if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
                return Err(wrong("an entry does not begin like one"));
            }
            let number = |index: usize| {
                let text = std::str::from_utf8(&header[6 + index * 8..14 + index * 8]).ok()?;
                u32::from_str_radix(text, 16).ok()
            };
            let (Some(mode), Some(size), Some(length)) = (number(1), number(6), number(11)) else {
                return Err(wrong("an entry with a number that is none"));
            };
            let length = length as usize;
            self.entries += 1;
            if length == 0 || length > MOST_NAME || self.entries > MOST_ENTRIES {
                return Err(wrong("a name that is too long, or too many entries"));
            }
            let mut name = vec![0; (HEADER + length).next_multiple_of(4) - HEADER];
            reader.read_exact(&mut name).map_err(|_| wrong("a name is cut off"))?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            let name = name.trim_start_matches("./").trim_start_matches('/');
            let size = u64::from(size);
            let padded = size.next_multiple_of(4);
            take(left, HEADER as u64 + length as u64 + padded)?;
            if name == "TRAILER!!!" {
                return Ok(());
            }
            let looked = match mode & 0o170_000 {
                0o100_000 => self.look(&mut reader.take(size), name, size, patterns)?,
                _ => 0,
            };
            let skipped = io::copy(&mut reader.take(padded - looked), &mut io::sink())?;
            if looked + skipped < padded {
                return Err(wrong(&format!("{name} is cut off")));
            }
            if mode & 0o170_000 != 0o040_000 {
                self.keep(name)?;
            }
        }
    }

    /// Looks through a file for secrets; how many bytes of it there are.
    fn look(
        &mut self,
        reader: &mut dyn Read,
        path: &str,
        size: u64,
        patterns: &Patterns,
    ) -> io::Result<u64> {
        let (mut marks, mut hash, mut hashed) = (Vec::new(), Md5::new(), 0);
        let mut look = |piece: &[u8], at: u64| {
            hash.update(&piece[(hashed - at) as usize..]);
            hashed = at + piece.len() as u64;
            let found = patterns.find(piece);
            marks.extend(found.map(|(pattern, into)| Mark { pattern, at: at + into as u64 }));
            marks.truncate(MOST_MARKS);
        };
        let length = match size <= SMALL {
            true => {
                let mut bytes = Vec::with_capacity(size as usize);
                reader.read_to_end(&mut bytes)?;
                look(&bytes, 0);
                bytes.len() as u64
            }
            false => pieces(reader, OVERLAP, &mut look)?,
        };
        let md5 = hash.finalize().into();
        for mark in marks {
            let told = |known: &Inside| known.path == path && known.mark.pattern == mark.pattern;
            if self.marks.len() < MOST_MARKS && !self.marks.iter().any(told) {
                self.marks.push(Inside { path: path.to_owned(), md5, mark });
            }
        }
        Ok(length)
    }

    /// Keeps what is asked for of a path.
    fn keep(&mut self, path: &str) -> io::Result<()> {
        self.has_init |= path == "init";
        let path = path.strip_prefix("usr/").unwrap_or(path);
        let module = path.strip_prefix("lib/modules/").and_then(|path| path.split_once('/'));
        let Some((version, path)) = module.filter(|(_, path)| path.contains(".ko")) else {
            return Ok(());
        };
        let name = module_name(path);
        self.kept += version.len() + name.len();
        if self.kept > MOST_KEPT {
            return Err(wrong("its modules have longer names than any kernel's"));
        }
        match self.modules.get_mut(version) {
            Some(names) => names.insert(name),
            None => self.modules.entry(version.to_owned()).or_default().insert(name),
        };
        Ok(())
    }

    /// Versions of the kernels that modules are there for.
    pub(crate) fn kernels(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// Whether it has a module for this kernel, by its name.
    pub(crate) fn has_module(&self, version: &str, name: &str) -> bool {
        self.modules.get(version).is_some_and(|names| names.contains(name))
    }
}

/// The name of a module by its path: `_` for `-`, without folder and endings (modules.dep(5)).
pub(crate) fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn take(left: &mut u64, bytes: u64) -> io::Result<()> {
    *left = left.checked_sub(bytes).ok_or_else(|| wrong("it holds more than is looked at"))?;
    Ok(())
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn entry(mode: u32, name: &str, data: &[u8]) -> Vec<u8> {
        let (size, length) = (data.len() as u32, name.len() as u32 + 1);
        let mut bytes = b"070701".to_vec();
        for field in [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0] {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            names.iter().flat_map(|name| entry(0o100_644, name, b"content")).collect();
        bytes.extend(entry(0o040_755, "folder", b""));
        bytes.extend(entry(0, "TRAILER!!!", b""));
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn read(bytes: impl Into<Content>) -> Initramfs {
        Initramfs::read(&bytes.into(), u64::MAX, &Patterns::new(&[]))
    }

    const MODULE: &str = "usr/lib/modules/7.2/kernel/drivers/mmc/host/sdhci-brcmstb.ko.xz";

    #[test]
    fn parts_follow_each_other_and_may_be_packed() {
        let (first, last) = (archive(&[MODULE]), archive(&["init", "./bin/sh"]));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&last).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&last).unwrap();
        let packed = [
            last.clone(),
            gzip.finish().unwrap(),
            zstd::encode_all(&last[..], 1).unwrap(),
            xz.finish().unwrap(),
        ];
        for last in packed {
            let found = read([first.clone(), last].concat());
            assert_eq!(found.damage, None);
            assert!(found.has_init);
            assert_eq!(found.kernels().collect::<Vec<_>>(), ["7.2"]);
            assert!(found.has_module("7.2", "sdhci_brcmstb"));
            assert!(!found.has_module("7.3", "sdhci_brcmstb"));
        }
    }

    #[test]
    fn damage_is_told() {
        let whole = archive(&[MODULE, "init"]);
        let packed = zstd::encode_all(&whole[..], 1).unwrap();
        for bytes in [&whole[..200], &whole[..whole.len() - 600], b"xyz", b"", &packed[..50]] {
            assert!(read(bytes.to_vec()).damage.is_some());
        }
        // A packed part in a packed part is none.
        let twice = zstd::encode_all(&packed[..], 1).unwrap();
        assert!(read(twice).damage.is_some());
    }

    #[test]
    fn what_looks_like_a_secret_is_found_with_its_file() {
        let token = b"--token abcdef.0123456789abcdef";
        let large = [&vec![b'\n'; 2 << 20][..], token].concat();
        let mut bytes = entry(0o100_600, "etc/join", token);
        bytes.extend(entry(0o100_600, "etc/large", &large));
        bytes.extend(entry(0o120_777, "etc/link", token));
        bytes.extend(archive(&["init"]));
        let found = read(bytes);
        assert_eq!(found.damage, None);
        let told = found.marks.iter().map(|inside| (inside.path.as_str(), inside.mark.at));
        assert_eq!(told.collect::<Vec<_>>(), [("etc/join", 2), ("etc/large", (2 << 20) + 2)]);
        assert_eq!(found.marks[0].md5, <[u8; 16]>::from(Md5::digest(token)));
    }

    #[test]
    fn memory_and_work_are_bounded() {
        // Names of 4 KiB each, as many as there may be entries; only modules' are kept, up to a sum.
        let name = |folder: &str, number: usize| format!("{folder}{number:04000}.ko");
        let names = |folder: &str| -> Vec<u8> {
            (0..3000).flat_map(|number| entry(0o100_644, &name(folder, number), b"")).collect()
        };
        let trailer = entry(0, "TRAILER!!!", b"");
        let found = read([names("x/"), trailer.clone()].concat());
        assert_eq!((found.damage, found.kept), (None, 0));
        let found = read([names("lib/modules/1/"), trailer].concat());
        assert!(found.damage.is_some() && found.kept < MOST_KEPT + MOST_NAME);
        let whole = archive(&["init"]);
        let short = Initramfs::read(&whole.clone().into(), 100, &Patterns::new(&[]));
        assert!(short.damage.is_some() && short.size <= 100);
    }
}
