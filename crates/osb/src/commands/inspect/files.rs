//! Files of an image: listed, told about, written out.

use std::ffi::OsStr;

use osb_tree::{Inode, InodeId, Kind, Tree};
use serde_json::{Value, json};

use super::find;
use crate::exit::{BAD_INPUT, FAILED, Failure};
use crate::output::Output;
use crate::printable::path as shown;

/// One folder, or one file.
pub(super) fn list(tree: &Tree, path: &OsStr, output: &Output) -> Result<(), Failure> {
    // A link to a folder leads into it; any other is told about.
    let mut at = find(tree, path, false)?;
    if let Ok(target) = tree.resolve(&at)
        && tree.get(&target).is_some_and(Inode::is_directory)
    {
        at = target;
    }
    let mut entries = Vec::new();
    match tree.get(&at).is_some_and(Inode::is_directory) {
        true => {
            let below = if at.is_empty() { Vec::new() } else { [&at[..], b"/"].concat() };
            let children = tree.children(&at);
            entries.extend(children.map(|(name, id)| ([&below[..], name].concat(), id)));
        }
        false => entries.extend(tree.id(&at).map(|id| (at.clone(), id))),
    }
    print(tree, &entries, output);
    Ok(())
}

/// A folder with everything below it, `depth` levels of it.
pub(super) fn below(
    tree: &Tree,
    path: &OsStr,
    depth: usize,
    output: &Output,
) -> Result<(), Failure> {
    let at = find(tree, path, true)?;
    let skip = if at.is_empty() { 0 } else { at.len() + 1 };
    let levels = |path: &[u8]| path[skip..].iter().filter(|byte| **byte == b'/').count() + 1;
    let itself = tree.id(&at).map(|id| (at.clone(), id));
    let below = tree.descendants(&at).filter(|(path, _)| levels(path) <= depth);
    let entries: Vec<_> =
        itself.into_iter().chain(below.map(|(path, id)| (path.to_vec(), id))).collect();
    print(tree, &entries, output);
    Ok(())
}

/// The content of a file.
pub(super) fn write(tree: &Tree, path: &OsStr, output: &Output) -> Result<(), Failure> {
    let at = find(tree, path, true)?;
    let Some(content) = tree.get(&at).and_then(Inode::content) else {
        return Err(Failure::new(BAD_INPUT, format!("{} is no regular file", shown(&at, false))));
    };
    let copied = content.open().and_then(|mut reader| output.bytes(&mut *reader));
    copied.map_err(|error| Failure::new(FAILED, format!("reading {}: {error}", shown(&at, false))))
}

fn print(tree: &Tree, entries: &[(Vec<u8>, InodeId)], output: &Output) {
    if output.is_json() {
        for (path, id) in entries {
            output.answer(&object(tree, path, *id), "");
        }
        return;
    }
    let sizes: Vec<String> = entries.iter().map(|(_, id)| size(tree.inode(*id))).collect();
    let width = sizes.iter().map(String::len).max().unwrap_or(0);
    let lines = entries.iter().zip(&sizes).map(|((path, id), size)| {
        let inode = tree.inode(*id);
        let meta = &inode.meta;
        let owner = format!("{}:{}", meta.uid, meta.gid);
        let target = match &inode.kind {
            Kind::Symlink(target) => format!(" -> {}", target.escape_ascii()),
            _ => String::new(),
        };
        let path = shown(path, inode.is_directory());
        format!("{} {owner:>9} {size:>width$} {path}{target}\n", mode(inode))
    });
    output.answer(&Value::Null, &lines.collect::<String>());
}

/// What `ls` shows in front: length, a device's number, nothing.
fn size(inode: &Inode) -> String {
    match &inode.kind {
        Kind::File(content) => content.size().to_string(),
        Kind::CharDevice(device) | Kind::BlockDevice(device) => {
            format!("{},{}", device.major, device.minor)
        }
        _ => String::new(),
    }
}

/// The letter of a type, and its name for programs.
fn kind(inode: &Inode) -> (char, &'static str) {
    match &inode.kind {
        Kind::Directory => ('d', "directory"),
        Kind::File(_) => ('-', "file"),
        Kind::Symlink(_) => ('l', "symlink"),
        Kind::CharDevice(_) => ('c', "character device"),
        Kind::BlockDevice(_) => ('b', "block device"),
        Kind::Fifo => ('p', "fifo"),
        Kind::Socket => ('s', "socket"),
    }
}

/// `drwxr-xr-x`, with `s` and `t` as `ls` has them.
fn mode(inode: &Inode) -> String {
    let bits = inode.meta.mode;
    let mut text = String::from(kind(inode).0);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let part = bits >> shift;
        text.push(if part & 4 == 0 { '-' } else { 'r' });
        text.push(if part & 2 == 0 { '-' } else { 'w' });
        text.push(match (part & 1 != 0, bits & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn object(tree: &Tree, path: &[u8], id: InodeId) -> Value {
    let inode = tree.inode(id);
    let meta = &inode.meta;
    let names: Vec<String> =
        meta.xattrs.keys().map(|name| name.escape_ascii().to_string()).collect();
    json!({
        "path": shown(path, false),
        "type": kind(inode).1,
        "mode": format!("{:04o}", meta.mode),
        "uid": meta.uid,
        "gid": meta.gid,
        "mtime": meta.mtime.secs,
        "size": inode.content().map(osb_tree::Content::size),
        "target": match &inode.kind {
            Kind::Symlink(target) => Some(target.escape_ascii().to_string()),
            _ => None,
        },
        "links": tree.links(id),
        "xattrs": names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_in_ls() {
        for (bits, wanted) in [
            (0o755, "-rwxr-xr-x"),
            (0o4711, "-rws--x--x"),
            (0o2644, "-rw-r-Sr--"),
            (0o1777, "-rwxrwxrwt"),
            (0, "----------"),
        ] {
            assert_eq!(mode(&Inode::file(bits, Vec::new())), wanted);
        }
        assert_eq!(mode(&Inode::directory(0o1770)), "drwxrwx--T");
    }
}
