//! What an initramfs holds: cpio archives one after another, any of them compressed (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use osb_tree::Content;

/// Length of a "newc" header: a magic of six characters, thirteen numbers of eight.
const HEADER: usize = 110;
/// Most bytes, unpacked: no machine for this image has room for more.
const MOST: u64 = 1 << 30;
/// Most entries, and the longest name (`PATH_MAX`).
const MOST_ENTRIES: usize = 200_000;
const MOST_NAME: usize = 4096;
/// What an xz stream may need to be decompressed, in bytes.
const XZ_MEMORY: u64 = 128 << 20;

/// Names in an initramfs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Initramfs {
    /// Paths of everything that is no directory, without a slash at the beginning.
    pub(crate) paths: BTreeSet<String>,
    /// Why it could not be read to its end.
    pub(crate) damage: Option<String>,
}

impl Initramfs {
    pub(crate) fn read(content: &Content) -> Initramfs {
        let mut found = Initramfs::default();
        let result = content.open().and_then(|reader| {
            let mut left = MOST;
            found.archives(&mut BufReader::with_capacity(128 << 10, reader), &mut left, true)
        });
        found.damage = result.err().map(|error| error.to_string());
        found
    }

    /// Everything up to the end. What is packed holds archives that are not.
    fn archives(
        &mut self,
        reader: &mut dyn BufRead,
        left: &mut u64,
        outside: bool,
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
                [b'0', ..] => self.archive(reader, left)?,
                [0x1F, ..] if outside => {
                    self.archives(&mut BufReader::new(GzDecoder::new(&mut *reader)), left, false)?;
                }
                [0x28, ..] if outside => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(&mut *reader)?;
                    self.archives(&mut BufReader::new(decoder.single_frame()), left, false)?;
                }
                [0xFD, ..] if outside => {
                    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
                    let decoder = liblzma::bufread::XzDecoder::new_stream(&mut *reader, stream);
                    self.archives(&mut BufReader::new(decoder), left, false)?;
                }
                [other, ..] => {
                    return Err(wrong(&format!("a part begins with the byte {other:#04x}")));
                }
                [] => {}
            }
        }
    }

    /// One archive, up to its last entry.
    fn archive(&mut self, reader: &mut dyn BufRead, left: &mut u64) -> io::Result<()> {
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
            if length == 0 || length > MOST_NAME || self.paths.len() > MOST_ENTRIES {
                return Err(wrong("a name that is too long, or too many entries"));
            }
            let mut name = vec![0; (HEADER + length).next_multiple_of(4) - HEADER];
            reader.read_exact(&mut name).map_err(|_| wrong("a name is cut off"))?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            let size = u64::from(size).next_multiple_of(4);
            take(left, HEADER as u64 + length as u64 + size)?;
            if name == "TRAILER!!!" {
                return Ok(());
            }
            let skipped = io::copy(&mut reader.take(size), &mut io::sink())?;
            if skipped < size {
                return Err(wrong(&format!("{name} is cut off")));
            }
            if mode & 0o170_000 != 0o040_000 {
                self.paths.insert(name.trim_start_matches("./").trim_start_matches('/').to_owned());
            }
        }
    }

    /// Versions of the kernels that modules are there for.
    pub(crate) fn kernels(&self) -> BTreeSet<&str> {
        self.modules().map(|(version, _)| version).collect()
    }

    /// Whether it has a module for this kernel, by its name.
    pub(crate) fn has_module(&self, version: &str, name: &str) -> bool {
        self.modules().any(|(kernel, path)| kernel == version && module_name(path) == name)
    }

    /// Kernel versions and paths of all modules.
    fn modules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.paths.iter().filter_map(|path| {
            let path = path.strip_prefix("usr/").unwrap_or(path);
            let (version, path) = path.strip_prefix("lib/modules/")?.split_once('/')?;
            path.starts_with("kernel/").then_some((version, path))
        })
    }

    /// Whether there is something to start.
    pub(crate) fn has_init(&self) -> bool {
        self.paths.contains("init")
    }
}

/// The name of a module by its path: `_` for `-`, without folder and endings (modules.dep(5)).
pub(crate) fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn take(left: &mut u64, bytes: u64) -> io::Result<()> {
    *left = left.checked_sub(bytes).ok_or_else(|| wrong("it holds more than a gigabyte"))?;
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
            let found = Initramfs::read(&[first.clone(), last].concat().into());
            assert_eq!(found.damage, None);
            assert!(found.has_init() && found.paths.contains("bin/sh"));
            assert_eq!(found.kernels().into_iter().collect::<Vec<_>>(), ["7.2"]);
            assert!(found.has_module("7.2", "sdhci_brcmstb"));
            assert!(!found.has_module("7.3", "sdhci_brcmstb"));
        }
    }

    #[test]
    fn damage_is_told() {
        let whole = archive(&[MODULE, "init"]);
        let packed = zstd::encode_all(&whole[..], 1).unwrap();
        for bytes in [&whole[..200], &whole[..whole.len() - 600], b"xyz", b"", &packed[..50]] {
            assert!(Initramfs::read(&bytes.to_vec().into()).damage.is_some());
        }
        // A packed part in a packed part is none.
        let twice = zstd::encode_all(&packed[..], 1).unwrap();
        assert!(Initramfs::read(&twice.into()).damage.is_some());
    }
}
