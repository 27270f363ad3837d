//! Small files that are laid over the node's root.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Content, File};
use crate::rules::clip;

/// The longest path, in bytes (`PATH_MAX`, with the zero at its end).
const MOST_PATH: usize = 4095;
/// The longest part of it (`NAME_MAX`).
const MOST_NAME: usize = 255;

/// Folders that are no place for a file: the kernel's own, and the boot partition, where this is
/// from.
const NOT_IN: [&str; 4] = ["/boot/firmware", "/dev", "/proc", "/sys"];

/// What an image pins of the scripts of the first boot: who may sign them, and who serves them. What
/// comes with the boot partition does not change it (docs/first-boot.md).
const PINNED: [&str; 2] = ["/etc/osb/bootstrap", "/etc/osb/bootstrap.toml"];

/// What has an own key, which says who else must know.
const INSTEAD: [(&str, &str); 1] = [("/etc/hostname", "hostname")];

/// A `--file SRC:DEST` or `--file SRC:DEST:MODE` of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOption {
    /// The file here.
    pub source: String,
    /// Where it goes on the node.
    pub path: String,
    /// Permission bits, if they were said.
    pub mode: Option<String>,
}

impl FileOption {
    /// Takes an option's value apart.
    ///
    /// # Errors
    /// If it is not of this form.
    pub fn parse(text: &str) -> Result<FileOption, String> {
        let form = || {
            format!(
                "not SRC:DEST or SRC:DEST:MODE, with DEST from the root (/etc/motd) and MODE four \
                 octal digits: {text:?}"
            )
        };
        // The first colon before a slash: a file here may have colons in its name, too.
        let at = text.find(":/").filter(|at| *at > 0).ok_or_else(form)?;
        let (source, rest) = (&text[..at], &text[at + 1..]);
        let (path, mode) = match rest.rsplit_once(':') {
            Some((path, mode)) if check_mode(mode).is_ok() => (path, Some(mode.to_owned())),
            Some(_) => return Err(form()),
            None => (rest, None),
        };
        check_path(path)?;
        Ok(FileOption { source: source.to_owned(), path: path.to_owned(), mode })
    }
}

impl File {
    /// A file of these bytes.
    pub fn new(path: &str, mode: &str, bytes: &[u8]) -> File {
        // What a text editor would not show, or a TOML reader could change, is not text.
        let readable = |char: char| !char.is_control() || char == '\n' || char == '\t';
        let content = match str::from_utf8(bytes) {
            Ok(text) if text.chars().all(readable) => Content::Text(text.to_owned()),
            _ => Content::Base64(STANDARD.encode(bytes)),
        };
        File { path: path.to_owned(), mode: mode.to_owned(), content }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// If they are no base64.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match &self.content {
            Content::Text(text) => Ok(text.clone().into_bytes()),
            Content::Base64(text) => {
                STANDARD.decode(text).map_err(|error| format!("{}: {error}", self.path))
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        check_path(&self.path)?;
        check_mode(&self.mode)?;
        self.bytes().map(drop)
    }
}

fn check_path(path: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{:?} cannot be a file's place: {why}", clip(path)));
    let Some(rest) = path.strip_prefix('/') else { return refuse("it has to begin with /") };
    if path.len() > MOST_PATH || rest.split('/').any(|part| part.len() > MOST_NAME) {
        return refuse("it is too long");
    }
    if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("it has a part that is empty, `.` or `..`");
    }
    if path.chars().any(char::is_control) {
        return refuse("it has control characters");
    }
    let within = |folder: &&str| {
        path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(folder) = NOT_IN.iter().find(|folder| within(folder)) {
        return refuse(&format!("{folder} is not of the root file system"));
    }
    if PINNED.iter().any(within) {
        return refuse("whom the first boot trusts is said by the image alone");
    }
    match INSTEAD.iter().find(|(known, _)| *known == path) {
        Some((_, key)) => refuse(&format!("`{key}` is for that")),
        None => Ok(()),
    }
}

fn check_mode(mode: &str) -> Result<(), String> {
    let digits = mode.len() == 4 && mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match digits && mode.starts_with('0') {
        true => Ok(()),
        false => Err(format!(
            "{:?} is no mode: four octal digits from 0000 to 0777, such as 0644",
            clip(mode)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_command_line() {
        let parsed = |text: &str| {
            FileOption::parse(text).map(|FileOption { source, path, mode }| (source, path, mode))
        };
        let own = |source: &str, path: &str, mode: Option<&str>| {
            Ok((source.to_owned(), path.to_owned(), mode.map(str::to_owned)))
        };
        assert_eq!(parsed("motd:/etc/motd"), own("motd", "/etc/motd", None));
        assert_eq!(parsed("/a/b:/etc/c d:0600"), own("/a/b", "/etc/c d", Some("0600")));
        assert_eq!(parsed("a:b:/etc/c"), own("a:b", "/etc/c", None));
        for bad in ["", "a", "a:b", ":/etc/a", "a:/", "a:/x/../y", "a:/x:9", "a:/x:4755", "a:/etc/"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places() {
        for good in
            ["/a", "/etc/motd", "/etc/ünï code", "/etc/osb/x", "/run/x", "/devices", "/boot/other"]
        {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        let long = format!("/{}", "a".repeat(256));
        for bad in [
            "",
            "etc/motd",
            "/",
            "//",
            "/a/",
            "/a//b",
            "/./a",
            "/a/..",
            "/dev",
            "/proc/1",
            "/sys/a",
            "/boot/firmware/config.txt",
            "/etc/hostname",
            "/etc/osb/bootstrap.toml",
            "/etc/osb/bootstrap/allowed_signers",
            "/a\nb",
            "/a\0",
            &long,
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_stays_text() {
        let text =
            |bytes: &[u8]| matches!(File::new("/a", "0644", bytes).content, Content::Text(_));
        assert!(text(b"a\tb\n") && text("ü".as_bytes()) && text(b""));
        for bytes in [&b"a\r\n"[..], b"\0", b"\xFF", b"\x1b[0m", "\u{85}".as_bytes()] {
            let file = File::new("/a", "0644", bytes);
            assert!(matches!(file.content, Content::Base64(_)), "{bytes:?}");
            assert_eq!(file.bytes().as_deref(), Ok(bytes));
        }
    }
}
