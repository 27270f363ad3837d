//! A reader of tar archives: ustar, pax and GNU.
//!
//! POSIX.1-2017, `pax`; GNU's long names; extended attributes as star, GNU tar and bsdtar write
//! them (`SCHILY.xattr.*`).

mod field;
mod records;

use std::borrow::Cow;

use osb_tree::{Content, Device, Extent, Inode, Kind, Meta, Time, Tree};

use crate::error::Fault;
use crate::limits::Budget;
use crate::window::Window;
use field::{checksum_holds, number, plain, seconds, time, until_nul, ustar_path};
use records::Records;

pub(crate) const FORMAT: &str = "tar archive";

const BLOCK: u64 = 512;
/// Most bytes of extended headers and long names before one entry.
const MOST_HEADER: u64 = 1 << 20;
/// What a record of an extended header may take in memory, for each of its bytes: the shortest
/// has five.
const RECORD: usize = 16;
/// Longest path or target of a link (`PATH_MAX`).
const MOST_PATH: usize = 4096;

/// Whether an archive may begin here.
pub(crate) fn is_at(window: &Window) -> Result<bool, Fault> {
    if !window.has(0, BLOCK) {
        return Ok(false);
    }
    let header = window.bytes(0, BLOCK as usize)?;
    Ok(header.iter().any(|byte| *byte != 0) && checksum_holds(&header))
}

/// Everything in an archive, and what is noteworthy about it.
pub(crate) fn tree(window: &Window, budget: &mut Budget) -> Result<(Tree, Vec<String>), Fault> {
    let mut tree = Tree::new();
    let end = walk(window, budget, &mut |budget, member| put(&mut tree, window, member, budget))?;
    let problem = match end {
        End::Marked => None,
        End::Missing => Some("it has no mark at its end: it may have been cut".to_owned()),
    };
    Ok((tree, problem.into_iter().collect()))
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

/// How an archive ends.
enum End {
    /// With a block of zeroes.
    Marked,
    /// With its last entry; some programs leave the mark out.
    Missing,
}

fn put(tree: &mut Tree, window: &Window, member: Member, budget: &mut Budget) -> Result<(), Fault> {
    let Member { path, flag, link, meta, device, size, data_at } = member;
    budget.entry(&path)?;
    lay_parents(tree, &path, budget)?;
    budget.keep(meta.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum())?;
    let shown = || String::from_utf8_lossy(&path).into_owned();
    let kind = match flag {
        b'1' => {
            let target = tree.id(plain(&link));
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
        b'2' => {
            budget.keep(link.len())?;
            Kind::Symlink(link)
        }
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
    tree.insert(&path, Inode { meta, kind }).map(drop).map_err(Fault::tree(FORMAT))
}

/// Makes the directories above `path` that are missing.
fn lay_parents(tree: &mut Tree, path: &[u8], budget: &mut Budget) -> Result<(), Fault> {
    let above = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/');
    let mut missing = Vec::new();
    let mut end = above(path);
    while let Some(at) = end.filter(|at| tree.get(&path[..*at]).is_none()) {
        missing.push(at);
        end = above(&path[..at]);
    }
    for at in missing.into_iter().rev() {
        budget.entry(&path[..at])?;
        tree.insert(&path[..at], Inode::directory(0o755)).map_err(Fault::tree(FORMAT))?;
    }
    Ok(())
}

/// Calls `visit` with every entry.
fn walk(
    window: &Window,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&mut Budget, Member) -> Result<(), Fault>,
) -> Result<End, Fault> {
    let mut at = 0;
    // Bytes of extended headers since the last entry.
    let mut pending = 0;
    let mut everywhere = Records::default();
    let mut records = Records::default();
    while window.has(at, BLOCK) {
        budget.work(BLOCK)?;
        let header = window.bytes(at, BLOCK as usize)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(End::Marked);
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
            pending += size;
            if pending > MOST_HEADER {
                return Err(Fault::Limit(format!("extended headers of {pending} bytes")));
            }
            budget.work(size)?;
            let bytes = window.bytes(data_at, size as usize)?;
            match flag {
                b'x' => records.parse(&bytes)?,
                b'g' => {
                    budget.keep(RECORD * bytes.len())?;
                    everywhere.parse(&bytes)?;
                }
                b'L' => records.set(b"path", until_nul(&bytes)),
                _ => records.set(b"linkpath", until_nul(&bytes)),
            }
        } else {
            pending = 0;
            let records = std::mem::take(&mut records);
            let member = member(&header, &records, &everywhere, size, data_at)?;
            // One header for all entries can make each of them long.
            budget.work((member.path.len() + member.link.len()) as u64)?;
            visit(budget, member)?;
        }
        at = end;
    }
    match at == window.len {
        true => Ok(End::Missing),
        false => Err(Fault::damaged(FORMAT, format!("a header at byte {at} without an end"))),
    }
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
        Some(path) => Cow::Borrowed(path),
        None => Cow::Owned(ustar_path(header)),
    };
    let link = text(b"linkpath").unwrap_or_else(|| until_nul(&header[157..257]));
    let longest = path.len().max(link.len());
    if longest > MOST_PATH {
        return Err(Fault::damaged(FORMAT, format!("a path or target of {longest} bytes")));
    }
    let mtime = match text(b"mtime") {
        Some(text) => time(text)?,
        None => Time::from_secs(seconds(&header[136..148])?),
    };
    let flag = match header[156] {
        // Before there was a flag for directories, their names told.
        b'0' | 0 if size == 0 && path.ends_with(b"/") => b'5',
        flag => flag,
    };
    Ok(Member {
        path: plain(&path),
        flag,
        link: link.to_vec(),
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
