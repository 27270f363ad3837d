//! `osb nodes add`: one more entry, and nothing else.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use osb_node::{AddError, Entry};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cli::NodesAdd;
use crate::exit::{BAD_INPUT, FAILED, Failure};
use crate::input;
use crate::output::Output;

/// Lines that are shown around a change.
const AROUND: usize = 3;

pub(super) fn run(arguments: &NodesAdd, output: &Output) -> Result<(), Failure> {
    let file = &arguments.file;
    let name = file.display().to_string();
    let before = match file.try_exists() {
        Ok(false) => None,
        _ => Some(input::text(file)?),
    };
    let text = before.as_deref().unwrap_or_default();
    let after = entry(arguments).add_to(&name, text).map_err(|error| refused(&name, &error))?;
    let change = difference(text, &after);
    if !arguments.dry_run {
        write(file, &after)
            .map_err(|error| Failure::new(FAILED, format!("writing {name}: {error}")))?;
    }
    let made = before.is_none();
    let verb = match (arguments.dry_run, made) {
        (true, _) => "would be added to",
        (false, true) => "is the first in the new file",
        (false, false) => "is added to",
    };
    let value = json!({
        "event": "add", "file": name, "hostname": arguments.hostname,
        "written": !arguments.dry_run, "new_file": made, "difference": change,
    });
    output.answer(&value, &format!("{change}{} {verb} {name}", arguments.hostname));
    Ok(())
}

fn entry(arguments: &NodesAdd) -> Entry {
    Entry {
        hostname: arguments.hostname.clone(),
        mac: arguments.mac.clone(),
        serial: arguments.serial.clone(),
        role: arguments.role,
        ip: arguments.ip,
        labels: arguments.label.iter().cloned().collect(),
    }
}

fn refused(name: &str, error: &AddError) -> Failure {
    let failure = Failure::from_error(BAD_INPUT, error);
    match error {
        AddError::Entry { .. } => failure.with_hint(format!("{name} stays as it is")),
        AddError::Inventory(_) => failure.with_hint("correct it first; nothing was written"),
        AddError::Layout { .. } => failure,
    }
}

/// What changed, as lines with + and -, and some around them.
fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let lines = |sign: &'static str, lines: &[&str]| {
        lines.iter().map(|line| format!("{sign}{line}\n")).collect::<String>()
    };
    let end = old.len() - tail;
    [
        lines(" ", &old[head.saturating_sub(AROUND)..head]),
        lines("-", &old[head..end]),
        lines("+", &new[head..new.len() - tail]),
        lines(" ", &old[end..(end + AROUND).min(old.len())]),
    ]
    .concat()
}

/// Replaces a file, or makes it: as a whole, or not at all.
fn write(file: &Path, text: &str) -> io::Result<()> {
    // What a link leads to is replaced, not the link.
    let (file, permissions) = match fs::canonicalize(file) {
        Ok(path) => {
            let permissions = fs::metadata(&path)?.permissions();
            (path, permissions)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (file.to_owned(), Permissions::from_mode(0o644))
        }
        Err(error) => return Err(error),
    };
    let folder = file.parent().map(Path::to_owned).filter(|folder| folder != Path::new(""));
    let mut new = NamedTempFile::new_in(folder.unwrap_or_else(|| PathBuf::from(".")))?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_what_is_around_it() {
        assert_eq!(difference("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nx\n5\n"), " 2\n 3\n 4\n+x\n 5\n");
        assert_eq!(difference("a: []\nb: 1\n", "a:\n- x\nb: 1\n"), "-a: []\n+a:\n+- x\n b: 1\n");
        assert_eq!(difference("", "x\n"), "+x\n");
    }

    #[test]
    fn what_a_link_leads_to_is_replaced_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
    }
}
