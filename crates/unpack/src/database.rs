//! What dpkg notes of an unpacked package: its paragraph in `status`, its files in `info`.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};

use crate::error::UnpackError;
use crate::store::{Kind, Package};

pub(crate) const INFO: &str = "var/lib/dpkg/info";
pub(crate) const STATUS: &str = "var/lib/dpkg/status";

/// A conffile as the package lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conffile {
    /// Below the root.
    pub(crate) path: String,
    /// Not shipped any more, to be removed by an upgrade.
    pub(crate) remove_on_upgrade: bool,
    /// MD5 of what was installed, or dpkg's mark for none.
    pub(crate) hash: String,
}

/// The conffiles of a package, in their order.
pub(crate) fn conffiles(package: &Package) -> Result<Vec<Conffile>, UnpackError> {
    parse_conffiles(&package.text("conffiles")?).map_err(|line| {
        UnpackError::package(package.name(), format!("its conffiles file has {line:?}"))
    })
}

/// Reads a list of conffiles (deb-conffiles(5)); the error is the line that is none.
pub(crate) fn parse_conffiles(text: &str) -> Result<Vec<Conffile>, String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_end) {
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
            return Err(line.to_owned());
        };
        found.push(Conffile {
            path: path.to_owned(),
            remove_on_upgrade: flag.is_some(),
            hash: "newconffile".to_owned(),
        });
    }
    Ok(found)
}

/// Paths of the conffiles that a package ships.
///
/// # Errors
/// Its list of conffiles is damaged, or it ships one that it says it has not any more.
pub(crate) fn shipped_conffiles(package: &Package) -> Result<HashSet<String>, UnpackError> {
    let (gone, shipped): (Vec<_>, Vec<_>) =
        conffiles(package)?.into_iter().partition(|conffile| conffile.remove_on_upgrade);

    let paths = match gone.is_empty() {
        true => HashSet::new(),
        false => package.entries().iter().map(|entry| entry.path.as_str()).collect(),
    };
    if let Some(gone) = gone.iter().find(|conffile| paths.contains(conffile.path.as_str())) {
        let reason =
            format!("conffile /{} marked for removal on upgrade, shipped in package", gone.path);
        return Err(UnpackError::package(package.name(), reason));
    }
    Ok(shipped.into_iter().map(|conffile| conffile.path).collect())
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
            let _ = writeln!(text, " /{} {}{flag}", conffile.path, conffile.hash);
        }
    }
    Ok(text + "\n")
}

/// The value of a field of one line in a paragraph.
pub(crate) fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    };
    paragraph.lines().find_map(value)
}

/// The hash that a package's paragraph has for its conffile.
pub(crate) fn conffile_hash<'a>(status: &'a str, package: &str, path: &str) -> Option<&'a str> {
    let of_package = |text: &&str| field(text, "Package") == Some(package);
    let paragraph = status.split("\n\n").find(of_package)?;
    let conffiles = paragraph.lines().skip_while(|line| *line != "Conffiles:").skip(1);
    conffiles.take_while(|line| line.starts_with(' ')).find_map(|line| {
        let hash = line.strip_prefix(" /")?.strip_prefix(path)?.strip_prefix(' ')?;
        hash.split(' ').next()
    })
}

/// Marks a conffile, if that is what it is, as one that its package has no more.
pub(crate) fn mark_obsolete(status: &str, package: &str, path: &str) -> String {
    let start = format!(" /{path} ");
    let mut all = String::with_capacity(status.len());
    for paragraph in status.split_inclusive("\n\n") {
        let is_it = field(paragraph, "Package") == Some(package);
        let mut in_conffiles = false;
        for line in paragraph.split_inclusive('\n') {
            in_conffiles = line == "Conffiles:\n" || in_conffiles && line.starts_with(' ');
            let hash = line.strip_prefix(&start).map(str::trim_end);
            match hash.filter(|hash| is_it && in_conffiles && !hash.contains(' ')) {
                Some(hash) => {
                    let _ = writeln!(all, "{start}{hash} obsolete");
                }
                None => all.push_str(line),
            }
        }
    }
    all
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
