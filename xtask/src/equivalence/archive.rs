//! A root from a tar archive, read once from front to back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::facts::{Facts, Kind, Root, Time, digest};
use super::{cpio, lines};

/// Separates an initramfs' path from those inside it.
const INSIDE: &str = "//";

/// Reads the root in the archive `path`; the image's clock is `epoch`. What an initramfs holds
/// stands in it too, under `PATH-OF-THE-INITRAMFS//PATH-INSIDE`.
pub(crate) fn read(path: &Path, epoch: i64) -> Result<Root> {
    let mut root = Root::new();
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut texts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in open(path)?.entries()? {
        let mut entry = entry.with_context(|| format!("reading {}", path.display()))?;
        let name = name(&entry.path_bytes());
        if entry.header().entry_type() == EntryType::Link {
            let first = entry.link_name_bytes().context("a hard link to nothing")?;
            links.entry(self::name(&first)).or_default().push(name);
            continue;
        }
        let facts = facts(&mut entry, &name, epoch, &mut root, &mut texts)
            .with_context(|| format!("{name} in {}", path.display()))?;
        root.insert(name, facts);
    }
    for (first, mut names) in links {
        let facts = root.get(&first).with_context(|| format!("a hard link to {first}"))?.clone();
        names.push(first);
        names.sort();
        for name in &names {
            root.insert(name.clone(), Facts { names: names.clone(), ..facts.clone() });
        }
    }
    lines::name_owners(&mut root, &texts);
    Ok(root)
}

/// Copies the regular files `names` of an archive to `folder`, for people to look at.
pub(crate) fn extract(path: &Path, names: &[String], folder: &Path) -> Result<()> {
    for entry in open(path)?.entries()? {
        let mut entry = entry?;
        let name = name(&entry.path_bytes());
        if entry.header().entry_type().is_file() && names.contains(&name) {
            let to = folder.join(&name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            std::io::copy(&mut entry, &mut File::create(&to)?)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Archive<Box<dyn Read>>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let file = BufReader::with_capacity(1 << 18, file);
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    Ok(Archive::new(reader))
}

/// A path without the dot before it and the slash behind it.
fn name(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let name = text.trim_start_matches("./").trim_matches('/');
    if name.is_empty() { ".".to_owned() } else { name.to_owned() }
}

fn facts(
    entry: &mut Entry<impl Read>,
    name: &str,
    epoch: i64,
    root: &mut Root,
    texts: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Facts> {
    let header = entry.header();
    let mut facts = Facts::new(match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        other => bail!("an entry of type {other:?}"),
    });
    facts.mode = header.mode()? & 0o7777;
    facts.owner = (header.uid()?, header.gid()?);
    let mut seconds = i64::try_from(header.mtime()?)?;
    if matches!(facts.kind, Kind::CharDevice | Kind::BlockDevice) {
        let number = |number: Option<u32>| number.context("a device without number");
        facts.device = Some((number(header.device_major()?)?, number(header.device_minor()?)?));
    }
    if facts.kind == Kind::Symlink {
        let target = entry.link_name_bytes().context("a link to nothing")?;
        facts.target = Some(String::from_utf8_lossy(&target).into_owned());
    }
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let key = extension.key().context("a record whose key is not UTF-8")?;
        if let Some(attribute) = key.strip_prefix("SCHILY.xattr.") {
            facts.xattrs.insert(attribute.to_owned(), extension.value_bytes().to_vec());
        } else if key == "mtime" {
            // Whole seconds, rounded down, as osb has them.
            let value = extension.value().context("a time that is not UTF-8")?;
            seconds = value.split('.').next().unwrap_or(value).parse()?;
        }
    }
    facts.time = Time::class(seconds, epoch);
    if facts.kind == Kind::File {
        let is_initramfs = name.starts_with("boot/initrd.img-");
        let (size, sha256) = if is_initramfs || entry.size() <= lines::SHORT {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if is_initramfs {
                for (inside, facts) in cpio::read(&bytes, epoch)? {
                    root.insert(format!("{name}{INSIDE}{inside}"), facts);
                }
            } else {
                facts.lines = Some(lines::digest(&bytes));
            }
            let digest = digest(&mut bytes.as_slice())?;
            if lines::is_database(name) {
                texts.insert(name.to_owned(), bytes);
            }
            digest
        } else {
            digest(entry)?
        };
        (facts.size, facts.sha256) = (size, Some(sha256));
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o100_644);
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(50);
        header.set_size(size);
        header
    }

    #[test]
    fn links_attributes_and_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut builder = Builder::new(File::create(&path).unwrap());
        let directory = header(EntryType::Directory, 0);
        builder.append_data(&mut directory.clone(), "./usr/", &[][..]).unwrap();
        let records = [("SCHILY.xattr.security.capability", &b"\x01\0"[..]), ("mtime", b"70.9")];
        builder.append_pax_extensions(records).unwrap();
        builder.append_data(&mut header(EntryType::Regular, 4), "./usr/a", &b"data"[..]).unwrap();
        let mut link = header(EntryType::Link, 0);
        builder.append_link(&mut link, "./usr/b", "./usr/a").unwrap();
        let mut symlink = header(EntryType::Symlink, 0);
        builder.append_link(&mut symlink, "./c", "usr").unwrap();
        builder.finish().unwrap();
        let root = read(&path, 60).unwrap();
        assert_eq!(root.keys().collect::<Vec<_>>(), ["c", "usr", "usr/a", "usr/b"]);
        assert_eq!(root["usr/a"], root["usr/b"]);
        assert_eq!(root["usr/a"].names, ["usr/a", "usr/b"]);
        assert_eq!(root["usr/a"].xattrs["security.capability"], b"\x01\0");
        assert_eq!((root["usr/a"].time, root["usr"].time), (Time::Clock, Time::Own(50)));
        assert_eq!((root["usr"].mode, root["usr"].owner), (0o644, (1, 2)));
        assert_eq!(root["c"].target.as_deref(), Some("usr"));
        extract(&path, &["usr/a".to_owned()], &folder.path().join("out")).unwrap();
        assert_eq!(fs::read(folder.path().join("out/usr/a")).unwrap(), b"data");
    }
}
