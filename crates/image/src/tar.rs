//! A reader of tar archives: ustar, pax and GNU.
//!
//! POSIX.1-2017, `pax`; GNU's long names; extended attributes as star, GNU tar and bsdtar write
//! them (`SCHILY.xattr.*`).

use std::collections::BTreeMap;

use osb_tree::{Content, Device, Extent, Inode, Kind, Meta, Time, Tree};

use crate::error::Fault;
use crate::limits::Budget;
use crate::window::Window;

pub(crate) const FORMAT: &str = "tar archive";

const BLOCK: u64 = 512;
/// Longest extended header or long name, in bytes.
const MOST_HEADER: u64 = 1 << 20;

/// Whether an archive may begin here.
pub(crate) fn is_at(window: &Window) -> Result<bool, Fault> {
    if !window.has(0, BLOCK) {
        return Ok(false);
    }
    let header = window.bytes(0, BLOCK as usize)?;
    Ok(header.iter().any(|byte| *byte != 0) && checksum_holds(&header))
}

/// Everything in an archive.
pub(crate) fn tree(window: &Window, budget: &mut Budget) -> Result<Tree, Fault> {
    let mut tree = Tree::new();
    walk(window, budget, &mut |budget, member| put(&mut tree, window, member, budget))?;
    Ok(tree)
}

/// Describes the byte at `offset`.
pub(crate) fn locate(window: &Window, offset: u64, budget: &mut Budget) -> Result<String, Fault> {
    let mut found = None;
    walk(window, budget, &mut |_, member| {
        let end = (member.data_at + member.size).next_multiple_of(BLOCK);
        if found.is_none() && offset < end {
            let part = if offset < member.data_at { "header" } else { "content" };
            found = Some(format!("the {part} of {:?}", String::from_utf8_lossy(&member.path)));
        }
        Ok(())
    })?;
    Ok(found.unwrap_or_else(|| "behind the last entry".to_owned()))
}

/// One entry, with what extended headers say of it.
struct Member {
    path: Vec<u8>,
    flag: u8,
    link: Vec<u8>,
    meta: Meta,
    device: Device,
    size: u64,
    data_at: u64,
}

fn put(tree: &mut Tree, window: &Window, member: Member, budget: &mut Budget) -> Result<(), Fault> {
    let Member { path, flag, link, meta, device, size, data_at } = member;
    budget.entry(&path)?;
    budget.keep(meta.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum())?;
    let shown = || String::from_utf8_lossy(&path).into_owned();
    let kind = match flag {
        b'1' => {
            let target = tree.id(plain(&link)?);
            let target = target.filter(|id| !tree.inode(*id).is_directory());
            let Some(id) = target else {
                let problem = format!("{:?} is a link to what is not there", shown());
                return Err(Fault::damaged(FORMAT, problem));
            };
            return tree.link(&path, id).map_err(Fault::tree(FORMAT));
        }
        b'0' | 0 | b'7' if size == 0 => Kind::File(Content::from(Vec::new())),
        b'0' | 0 | b'7' => {
            let piece = Extent { at: 0, len: size, offset: data_at };
            Kind::File(Content::Extents(window.content(vec![piece], size)))
        }
        b'2' => Kind::Symlink(link),
        b'3' => Kind::CharDevice(device),
        b'4' => Kind::BlockDevice(device),
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            return Err(Fault::unsupported(
                FORMAT,
                format!("entries of type {:?} ({:?})", char::from(other), shown()),
            ));
        }
    };
    tree.lay(&path, Inode { meta, kind }).map(drop).map_err(Fault::tree(FORMAT))
}

/// Calls `visit` with every entry.
fn walk(
    window: &Window,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&mut Budget, Member) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut at = 0;
    let mut everywhere = Records::default();
    let mut records = Records::default();
    while window.has(at, BLOCK) {
        budget.work(BLOCK)?;
        let header = window.bytes(at, BLOCK as usize)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if !checksum_holds(&header) {
            return Err(Fault::damaged(FORMAT, format!("a wrong checksum at byte {at}")));
        }
        let flag = header[156];
        let data_at = at + BLOCK;
        let extension = matches!(flag, b'x' | b'g' | b'L' | b'K');
        let mut size = number(&header[124..136])?;
        if !extension {
            size = records.number(b"size").or(everywhere.number(b"size")).unwrap_or(size);
            // What links and directories say they have is not there.
            size = if matches!(flag, b'1'..=b'6') { 0 } else { size };
        }
        let end = data_at.checked_add(size).and_then(|end| end.checked_next_multiple_of(BLOCK));
        let Some(end) = end.filter(|_| window.has(data_at, size)) else {
            return Err(Fault::damaged(FORMAT, format!("an entry at byte {at} without an end")));
        };
        if extension {
            if size > MOST_HEADER {
                return Err(Fault::Limit(format!("an extended header of {size} bytes")));
            }
            budget.work(size)?;
            let bytes = window.bytes(data_at, size as usize)?;
            match flag {
                b'x' => records.parse(&bytes)?,
                b'g' => everywhere.parse(&bytes)?,
                b'L' => records.set(b"path", until_nul(&bytes)),
                _ => records.set(b"linkpath", until_nul(&bytes)),
            }
        } else {
            let records = std::mem::take(&mut records);
            visit(budget, member(&header, &records, &everywhere, size, data_at)?)?;
        }
        at = end;
    }
    Err(Fault::damaged(FORMAT, "it has no end"))
}

fn member(
    header: &[u8],
    records: &Records,
    everywhere: &Records,
    size: u64,
    data_at: u64,
) -> Result<Member, Fault> {
    let text = |key: &[u8]| records.get(key).or(everywhere.get(key));
    let wide = |key: &[u8], field: &[u8]| -> Result<u32, Fault> {
        let value = match records.number(key).or(everywhere.number(key)) {
            Some(value) => value,
            None => number(field)?,
        };
        u32::try_from(value).map_err(|_| Fault::damaged(FORMAT, "an owner of more than 32 bits"))
    };
    if records.any(b"GNU.sparse.") {
        return Err(Fault::unsupported(FORMAT, "sparse entries"));
    }
    let path = match text(b"path") {
        Some(path) => path.to_vec(),
        None => ustar_path(header),
    };
    let mtime = match text(b"mtime") {
        Some(text) => time(text)?,
        None => Time::from_secs(i64::try_from(number(&header[136..148])?).unwrap_or(i64::MAX)),
    };
    Ok(Member {
        path: plain(&path)?.to_vec(),
        flag: header[156],
        link: text(b"linkpath").unwrap_or_else(|| until_nul(&header[157..257])).to_vec(),
        meta: Meta {
            mode: (number(&header[100..108])? & 0o7777) as u32,
            uid: wide(b"uid", &header[108..116])?,
            gid: wide(b"gid", &header[116..124])?,
            mtime,
            xattrs: records.attributes(),
        },
        device: Device {
            major: wide(b"", &header[329..337]).unwrap_or(0),
            minor: wide(b"", &header[337..345]).unwrap_or(0),
        },
        size,
        data_at,
    })
}

/// Prefix and name of a header; GNU's has other things where the prefix is.
fn ustar_path(header: &[u8]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let prefix = until_nul(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [prefix, b"/", name].concat();
    }
    name.to_vec()
}

/// A path without what says that it is relative, or a directory; the empty one is the root.
fn plain(path: &[u8]) -> Result<&[u8], Fault> {
    let mut path = path;
    loop {
        path = match path {
            [b'.', b'/', rest @ ..] | [b'/', rest @ ..] | [rest @ .., b'/'] => rest,
            b"." => b"",
            _ => return Ok(path),
        };
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())]
}

/// A number in octal digits, or, with the highest bit set, in binary (GNU).
fn number(field: &[u8]) -> Result<u64, Fault> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7F);
        let value = field[1..]
            .iter()
            .try_fold(first, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
        return value.ok_or_else(|| Fault::damaged(FORMAT, "a number of more than 64 bits"));
    }
    let text = until_nul(field).trim_ascii();
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => Ok(value << 3 | u64::from(byte - b'0')),
        _ => Err(Fault::damaged(FORMAT, "a number that is not octal")),
    })
}

/// The sum of all bytes, those of the sum itself counted as spaces; some old programs took them
/// as signed.
fn checksum_holds(header: &[u8]) -> bool {
    let Ok(said) = number(&header[148..156]) else { return false };
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let unsigned: u64 = header.iter().enumerate().map(|each| u64::from(byte(each))).sum();
    let signed: i64 = header.iter().enumerate().map(|each| i64::from(byte(each) as i8)).sum();
    said == unsigned || i64::try_from(said) == Ok(signed)
}

/// Seconds with an optional fraction.
fn time(text: &[u8]) -> Result<Time, Fault> {
    let parse = || {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let secs: i64 = whole.parse().ok()?;
        let mut digits = fraction.to_owned();
        digits.extend(std::iter::repeat_n('0', 9_usize.saturating_sub(fraction.len())));
        let nanos: u32 = digits.get(..9)?.parse().ok()?;
        Some(match (whole.starts_with('-'), nanos) {
            (true, 1..) => Time { secs: secs.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
            _ => Time { secs, nanos },
        })
    };
    parse().ok_or_else(|| Fault::damaged(FORMAT, "a time that is none"))
}

/// Records of extended headers.
#[derive(Debug, Default)]
struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }

    /// `LENGTH KEY=VALUE\n`, over and over.
    fn parse(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let record = || {
                let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
                let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
                let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
                let equals = record.iter().position(|byte| *byte == b'=')?;
                Some((length, &record[..equals], &record[equals + 1..]))
            };
            let Some((length, key, value)) = record() else {
                return Err(Fault::damaged(FORMAT, "an extended header without a valid record"));
            };
            self.set(key, value);
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    fn number(&self, key: &[u8]) -> Option<u64> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }

    fn any(&self, prefix: &[u8]) -> bool {
        self.0.keys().any(|key| key.starts_with(prefix))
    }

    fn attributes(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let named = self.0.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(b"SCHILY.xattr.")?;
            Some((unescape(name), value.clone()))
        });
        named.collect()
    }
}

/// `%3D` is an equals sign and `%25` a percent sign, as GNU tar writes them.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        match after {
            [b'3', b'D', ..] if *first == b'%' => out.push(b'='),
            [b'2', b'5', ..] if *first == b'%' => out.push(b'%'),
            _ => {
                out.push(*first);
                rest = after;
                continue;
            }
        }
        rest = &after[2..];
    }
    out
}
