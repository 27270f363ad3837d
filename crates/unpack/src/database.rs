//! What dpkg notes of an unpacked package: its paragraph in `status`, its files in `info`.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};

use crate::error::UnpackError;
use crate::store::{Kind, Package};

/// A conffile as the package lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conffile {
    /// Below the root.
    pub(crate) path: String,
    /// Not shipped any more, to be removed by an upgrade.
    pub(crate) remove_on_upgrade: bool,
}

/// The conffiles of a package (deb-conffiles(5)), in their order.
pub(crate) fn conffiles(package: &Package) -> Result<Vec<Conffile>, UnpackError> {
    let mut found = Vec::new();
    for line in package.text("conffiles")?.lines().map(str::trim_end) {
        let (flag, path) = match line.split_once(' ') {
            Some((flag, path)) if !flag.starts_with('/') => (Some(flag), path),
            _ => (None, line),
        };
        if line.is_empty() {
            continue;
        }
        let Some(path) =
            path.strip_prefix('/').filter(|_| matches!(flag, None | Some("remove-on-upgrade")))
        else {
            let reason = format!("its conffiles file has {line:?}");
            return Err(UnpackError::package(package.name(), reason));
        };
        found.push(Conffile { path: path.to_owned(), remove_on_upgrade: flag.is_some() });
    }
    Ok(found)
}

/// The paragraph of an unpacked package in `status`: its control file as it is, and what dpkg adds.
/// dpkg writes the file anew, in its own order of fields, as soon as it runs.
pub(crate) fn paragraph(package: &Package, conffiles: &[Conffile]) -> Result<String, UnpackError> {
    let mut text = "Status: install ok unpacked\n".to_owned();
    for line in package.text("control")?.lines().filter(|line| !line.is_empty()) {
        text.push_str(line);
        text.push('\n');
    }
    if !conffiles.is_empty() {
        text += "Conffiles:\n";
        for conffile in conffiles {
            let flag = if conffile.remove_on_upgrade { " remove-on-upgrade" } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, " /{} newconffile{flag}", conffile.path);
        }
    }
    Ok(text + "\n")
}

/// The `list` of a package: every path of its data.
pub(crate) fn list<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for path in paths {
        // The root is written like this, "/." (archives.c).
        let _ = writeln!(text, "/{}", if path.is_empty() { "." } else { path });
    }
    text
}

/// The `md5sums` that dpkg makes for a package that brings none: of every regular file that it
/// writes, conffiles included.
pub(crate) fn md5sums<'a>(
    package: &Package,
    laid: impl IntoIterator<Item = &'a crate::Entry>,
) -> Result<String, UnpackError> {
    let mut text = String::new();
    for entry in laid {
        let path = package.data(entry);
        if matches!(entry.kind, Kind::File) {
            let _ = writeln!(text, "{}  {}", md5(&path)?, entry.path);
        }
    }
    Ok(text)
}

fn md5(path: &Path) -> Result<String, UnpackError> {
    let mut file = fs::File::open(path).map_err(UnpackError::io("reading", path))?;
    let (mut hash, mut chunk) = (Md5::new(), vec![0; 128 << 10]);
    loop {
        match file.read(&mut chunk).map_err(UnpackError::io("reading", path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            length => hash.update(&chunk[..length]),
        }
    }
}
