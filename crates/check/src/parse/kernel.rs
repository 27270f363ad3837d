//! A kernel as firmware finds it: what form it has, which version, whether it is whole.

use std::io::{BufReader, Read};
use std::sync::LazyLock;

use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};
use osb_tree::Content;
use regex::bytes::Regex;

use crate::contents::pieces;

/// Most bytes of a kernel, packed or not.
const MOST: u64 = 512 << 20;
/// Bytes at the beginning that are kept: every header is there, and a PC's version.
const HEAD: usize = 64 << 10;
/// Longest text that tells the version, with what announces it.
const BANNER: usize = 256;

/// How a plain kernel begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An arm64 `Image` (Linux, Documentation/arch/arm64/booting.rst).
    Arm64Image,
    /// A PC's bzImage (Documentation/arch/x86/boot.rst).
    PcImage,
    /// Something else.
    Unknown,
}

/// A kernel file, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// Whether the file is packed by gzip.
    pub(crate) gzip: bool,
    /// What it is, unpacked.
    pub(crate) form: Form,
    /// Whether it is a PE file, which UEFI can start.
    pub(crate) pe: Option<Pe>,
    /// Its length, unpacked, in bytes.
    pub(crate) size: u64,
    /// MD5 of it, unpacked.
    pub(crate) md5: [u8; 16],
    /// As in `uname -r`.
    pub(crate) version: Option<String>,
    /// Bytes in a page, as an arm64 `Image` says.
    pub(crate) page_size: Option<u32>,
    /// Why it could not be read to its end.
    pub(crate) damage: Option<String>,
}

/// A PE file (Microsoft, "PE Format").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pe {
    /// The processor: 0xAA64 for arm64, 0x8664 for amd64.
    pub(crate) machine: u16,
    /// Where its last section ends in the file.
    pub(crate) end: u64,
}

impl Kernel {
    /// Reads at most `limit` bytes, unpacked.
    pub(crate) fn read(content: &Content, limit: u64) -> Kernel {
        let mut kernel = Kernel {
            gzip: false,
            form: Form::Unknown,
            pe: None,
            size: 0,
            md5: [0; 16],
            version: None,
            page_size: None,
            damage: None,
        };
        if let Err(problem) = kernel.fill(content, limit.min(MOST)) {
            kernel.damage = Some(problem);
        }
        if let Some(pe) = kernel.pe
            && pe.end > kernel.size
        {
            kernel.damage.get_or_insert(format!(
                "its sections end at byte {}, and it has {} bytes",
                pe.end, kernel.size
            ));
        }
        kernel
    }

    fn fill(&mut self, content: &Content, limit: u64) -> Result<(), String> {
        if content.size() > limit {
            return Err(format!("it is too large: {} bytes", content.size()));
        }
        let failed = |error: std::io::Error| format!("it cannot be read: {error}");
        let mut reader = BufReader::with_capacity(128 << 10, content.open().map_err(failed)?);
        let mut magic = [0; 2];
        self.gzip = reader.read_exact(&mut magic).is_ok() && magic == [0x1F, 0x8B];
        let reader = BufReader::with_capacity(128 << 10, content.open().map_err(failed)?);
        match self.gzip {
            true => self.plain(&mut MultiGzDecoder::new(reader).take(limit)),
            false => self.plain(&mut { reader }),
        }
    }

    /// Reads the unpacked kernel.
    fn plain(&mut self, reader: &mut dyn Read) -> Result<(), String> {
        static VERSION: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r"Linux version ([0-9][!-~]{0,99}) ").ok());
        let mut head: Vec<u8> = Vec::new();
        let mut hash = Md5::new();
        let (mut hashed, mut version) = (0, None);
        let result = pieces(reader, BANNER, &mut |piece, at| {
            let new = &piece[(hashed - at) as usize..];
            hash.update(new);
            hashed += new.len() as u64;
            let wanted = HEAD.saturating_sub(head.len()).min(new.len());
            head.extend_from_slice(&new[..wanted]);
            if version.is_none()
                && let Some(regex) = VERSION.as_ref()
            {
                let found = regex.captures(piece).and_then(|found| found.get(1));
                version = found.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
            }
        });
        self.size = hashed;
        self.md5 = hash.finalize().into();
        self.pe = pe(&head);
        if head.get(56..60) == Some(b"ARM\x64") {
            self.form = Form::Arm64Image;
            // Bits 1 and 2 of the flags.
            let pages = head.get(24).map_or(0, |flags| flags >> 1 & 3);
            self.page_size = [None, Some(4096), Some(16384), Some(65536)][usize::from(pages)];
        } else if head.get(0x202..0x206) == Some(b"HdrS") {
            self.form = Form::PcImage;
            version = version.or_else(|| pc_version(&head));
        }
        self.version = version;
        result.map(drop).map_err(|error| match self.gzip {
            true => format!("it cannot be unpacked: {error}"),
            false => format!("it cannot be read: {error}"),
        })
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A section of a PE file: its name, where it begins, its length.
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// The sections of the PE file that begins with `head`.
pub(crate) fn sections(head: &[u8]) -> Vec<Section> {
    let Some((_, table)) = pe_tables(head) else { return Vec::new() };
    let sections = table.iter().filter_map(|section| {
        let name = section.get(..8)?.split(|byte| *byte == 0).next()?;
        let field = |at| number(section, at).map(u32::from_le_bytes);
        // Without what fills up the last block of the file.
        let len = match (field(8)?, field(16)?) {
            (0, raw) => raw,
            (virtual_size, raw) => virtual_size.min(raw),
        };
        Some(Section {
            name: String::from_utf8_lossy(name).into_owned(),
            start: field(20)?.into(),
            len: len.into(),
        })
    });
    sections.collect()
}

/// The PE header at the beginning of `head`, if there is one.
pub(crate) fn pe(head: &[u8]) -> Option<Pe> {
    let (machine, table) = pe_tables(head)?;
    let section = |section: &&[u8]| {
        let size = u32::from_le_bytes(number(section, 16)?);
        let offset = u32::from_le_bytes(number(section, 20)?);
        Some(u64::from(size) + u64::from(offset))
    };
    Some(Pe { machine, end: table.iter().filter_map(section).max().unwrap_or(0) })
}

/// The processor, and the headers of all sections.
fn pe_tables(head: &[u8]) -> Option<(u16, Vec<&[u8]>)> {
    let at = u32::from_le_bytes(number(head, 0x3C).filter(|_| head.starts_with(b"MZ"))?) as usize;
    let header = head.get(at..)?.strip_prefix(b"PE\0\0")?;
    let machine = u16::from_le_bytes(number(header, 0)?);
    let sections = usize::from(u16::from_le_bytes(number(header, 2)?));
    let optional = usize::from(u16::from_le_bytes(number(header, 16)?));
    let table = header.get(20 + optional..)?;
    Some((machine, table.chunks_exact(40).take(sections).collect()))
}

/// The version of a bzImage (`kernel_version` of its setup header).
fn pc_version(head: &[u8]) -> Option<String> {
    let at = usize::from(u16::from_le_bytes(number(head, 0x20E)?)) + 0x200;
    let text = head.get(at..)?.split(|byte| matches!(byte, 0 | b' ')).next()?;
    let text = std::str::from_utf8(text.get(..text.len().min(100))?).ok()?;
    text.starts_with(|first: char| first.is_ascii_digit()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An arm64 kernel that is a PE file, too, with one section of 100 bytes.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[24] = 0b1010;
        bytes[56..60].copy_from_slice(b"ARM\x64");
        bytes[0x3C] = 0x40;
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        bytes[0x44..0x48].copy_from_slice(&[0x64, 0xAA, 1, 0]);
        // The only section, behind a header of 20 bytes: 100 bytes from byte 412 on.
        bytes[0x58 + 16] = 100;
        bytes[0x58 + 20..0x58 + 22].copy_from_slice(&412_u16.to_le_bytes());
        bytes[420..450].copy_from_slice(b"Linux version 7.2.1+x-arm64 (b");
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_are_the_same_kernel() {
        let plain = Kernel::read(&image().into(), MOST);
        let packed = Kernel::read(&gzip(&image()).into(), MOST);
        assert!(!plain.gzip && packed.gzip);
        for kernel in [&plain, &packed] {
            assert_eq!(kernel.damage, None);
            assert_eq!((kernel.form, kernel.page_size), (Form::Arm64Image, Some(4096)));
            assert_eq!(kernel.pe, Some(Pe { machine: 0xAA64, end: 512 }));
            assert_eq!(kernel.version.as_deref(), Some("7.2.1+x-arm64"));
        }
        assert_eq!((plain.md5, plain.size), (packed.md5, 512));
    }

    #[test]
    fn what_is_cut_is_damaged() {
        let packed = gzip(&image());
        for cut in [&image()[..500], &packed[..packed.len() - 9], &packed[..packed.len() - 4]] {
            assert!(Kernel::read(&cut.to_vec().into(), MOST).damage.is_some());
        }
        for other in [&b""[..], b"MZ", b"\x1f\x8b"] {
            assert_eq!(Kernel::read(&other.to_vec().into(), MOST).form, Form::Unknown);
        }
    }
}
