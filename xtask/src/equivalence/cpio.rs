//! A reader of initramfs archives: cpio "newc" segments one after another, any of them
//! compressed (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;

use super::facts::{Facts, Kind, Root, Time, digest};

/// Length of a "newc" header: a magic of six characters, thirteen numbers of eight.
const HEADER: usize = 110;
/// An initramfs is far smaller; what is not must not fill the memory.
const LIMIT: u64 = 2 << 30;

/// Everything in an initramfs, under the paths that it will have.
pub(crate) fn read(bytes: &[u8], epoch: i64) -> Result<Root> {
    let mut root = Root::new();
    let mut rest = bytes;
    loop {
        let padding = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[padding..];
        if rest.is_empty() {
            return Ok(root);
        }
        if rest.starts_with(b"07070") {
            rest = segment(rest, epoch, &mut root)?;
            continue;
        }
        // A compressed segment is the last one, in what mkinitramfs makes.
        let mut plain = Vec::new();
        let mut reader: Box<dyn Read> = match rest {
            [0x1f, 0x8b, ..] => Box::new(GzDecoder::new(rest)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(rest)?),
            _ => bail!("a segment that begins with {:02x?}", &rest[..rest.len().min(4)]),
        };
        reader.by_ref().take(LIMIT).read_to_end(&mut plain).context("decompressing")?;
        let mut rest = plain.as_slice();
        while rest.starts_with(b"07070") {
            rest = segment(rest, epoch, &mut root)?;
            let padding = rest.iter().take_while(|byte| **byte == 0).count();
            rest = &rest[padding..];
        }
        ensure!(rest.is_empty(), "{} bytes after the last segment", rest.len());
        return Ok(root);
    }
}

/// One archive up to its trailer; what follows it.
fn segment<'a>(bytes: &'a [u8], epoch: i64, root: &mut Root) -> Result<&'a [u8]> {
    let mut links: BTreeMap<(u32, u32, u32), Vec<String>> = BTreeMap::new();
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + HEADER).context("a header is cut off")?;
        ensure!(header.starts_with(b"070701") || header.starts_with(b"070702"), "no newc header");
        let number = |index: usize| -> Result<u32> {
            let text = std::str::from_utf8(&header[6 + index * 8..14 + index * 8])?;
            Ok(u32::from_str_radix(text, 16)?)
        };
        let (ino, mode, nlink, size) = (number(0)?, number(1)?, number(4)?, number(6)? as usize);
        let name_size = number(11)? as usize;
        let name = bytes.get(at + HEADER..at + HEADER + name_size).context("a name is cut off")?;
        let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
        let start = (at + HEADER + name_size).next_multiple_of(4);
        let data = bytes.get(start..start + size).context("a file is cut off")?;
        at = (start + size).next_multiple_of(4).min(bytes.len());
        if name == "TRAILER!!!" {
            break;
        }
        let mut facts = Facts::new(kind(mode)?);
        facts.mode = mode & 0o7777;
        facts.owner = (number(2)?.into(), number(3)?.into());
        facts.time = Time::class(number(5)?.into(), epoch);
        match facts.kind {
            Kind::File => {
                let (size, sha256) = digest(&mut &*data)?;
                (facts.size, facts.sha256) = (size, Some(sha256));
            }
            Kind::Symlink => facts.target = Some(String::from_utf8_lossy(data).into_owned()),
            Kind::CharDevice | Kind::BlockDevice => facts.device = Some((number(9)?, number(10)?)),
            Kind::Directory | Kind::Fifo => {}
        }
        let name = name.trim_start_matches("./").to_owned();
        if nlink > 1 && facts.kind != Kind::Directory {
            links.entry((number(7)?, number(8)?, ino)).or_default().push(name.clone());
        }
        root.insert(name, facts);
    }
    for mut names in links.into_values().filter(|names| names.len() > 1) {
        names.sort();
        join(root, &names);
    }
    Ok(&bytes[at..])
}

/// Of a file with several names, the last one brings the bytes.
fn join(root: &mut Root, names: &[String]) {
    let largest = names.iter().filter_map(|name| root.get(name)).max_by_key(|facts| facts.size);
    let Some((size, sha256)) = largest.map(|facts| (facts.size, facts.sha256)) else { return };
    for name in names {
        if let Some(facts) = root.get_mut(name) {
            (facts.size, facts.sha256, facts.names) = (size, sha256, names.to_vec());
        }
    }
}

fn kind(mode: u32) -> Result<Kind> {
    Ok(match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink,
        0o020_000 => Kind::CharDevice,
        0o060_000 => Kind::BlockDevice,
        0o010_000 => Kind::Fifo,
        other => bail!("an entry of type {other:o}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn entry(ino: u32, mode: u32, nlink: u32, name: &str, data: &[u8]) -> Vec<u8> {
        let fields =
            [ino, mode, 1, 2, nlink, 7, data.len() as u32, 0, 0, 5, 1, name.len() as u32 + 1, 0];
        let mut bytes = b"070701".to_vec();
        for field in fields {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = entries.concat();
        bytes.extend(entry(0, 0, 1, "TRAILER!!!", b""));
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn sample() -> Vec<u8> {
        archive(&[
            entry(1, 0o040_755, 2, "etc", b""),
            entry(2, 0o120_777, 1, "bin", b"usr/bin"),
            entry(3, 0o100_644, 2, "a", b""),
            entry(3, 0o100_644, 2, "b", b"data"),
            entry(4, 0o020_600, 1, "dev/console", b""),
        ])
    }

    #[test]
    fn entries_of_every_kind() {
        let root = read(&sample(), 100).unwrap();
        assert_eq!(root.len(), 5);
        assert_eq!(root["bin"].target.as_deref(), Some("usr/bin"));
        assert_eq!(root["dev/console"].device, Some((5, 1)));
        assert_eq!((root["a"].size, root["a"].sha256), (4, root["b"].sha256));
        assert_eq!(root["a"].names, ["a", "b"]);
        assert_eq!((root["etc"].owner, root["etc"].time), ((1, 2), Time::Own(7)));
    }

    #[test]
    fn segments_follow_each_other_and_may_be_compressed() {
        let early = archive(&[entry(1, 0o100_644, 1, "early", b"x")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&sample()).unwrap();
        let zstd = zstd::encode_all(sample().as_slice(), 1).unwrap();
        for last in [sample(), gzip.finish().unwrap(), zstd] {
            let root = read(&[early.clone(), last].concat(), 100).unwrap();
            assert_eq!(root.len(), 6);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = sample();
        for bytes in [&whole[..200], &whole[..whole.len() - 400], b"xyz".as_slice()] {
            assert!(read(bytes, 100).is_err());
        }
    }
}
