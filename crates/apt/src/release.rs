//! Release files: what a repository's signed table of contents says.
//!
//! The format is Debian's "repository format" (wiki.debian.org/DebianRepository/Format). The lists
//! of MD5 and SHA-1 digests are not read at all.

use std::collections::HashMap;

use osb_checksum::{Digest, parse_hex};

use crate::date;
use crate::deb822::{Stanza, Stanzas};
use crate::error::AptError;
use crate::openpgp::FUTURE_TOLERANCE;

/// A parsed Release file.
#[derive(Clone, Debug)]
pub struct Release {
    /// `Suite`, or nothing.
    pub suite: String,
    /// `Codename`, or nothing.
    pub codename: String,
    /// `Date` in seconds since 1970.
    pub date: i64,
    /// `Date` as written.
    pub date_text: String,
    /// `Valid-Until` as written and in seconds since 1970.
    pub valid_until: Option<(String, i64)>,
    /// `Architectures`.
    pub architectures: Vec<String>,
    /// `Components`.
    pub components: Vec<String>,
    /// `Acquire-By-Hash`: indices can be fetched by digest, safe from a mirror's update.
    pub acquire_by_hash: bool,
    /// `No-Support-for-Architecture-all: Packages`: packages for all architectures are listed in
    /// every architecture's own index, and `binary-all` is to be left alone.
    pub all_in_every_index: bool,
    /// The `SHA256` list: files by path relative to the Release file.
    pub files: HashMap<String, IndexEntry>,
}

/// A file that a Release vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Digest,
}

impl Release {
    /// Parses the signed text of a Release; `file` names it in errors.
    ///
    /// # Errors
    /// Not exactly one stanza, no `Date`, no `SHA256` list, or a field with an impossible value.
    pub fn parse(text: &str, file: &str) -> Result<Release, AptError> {
        let syntax = |error| AptError::Syntax { file: file.to_owned(), error };
        let mut stanzas = Stanzas::new(text);
        let stanza = stanzas.next().transpose().map_err(syntax)?.unwrap_or_default();
        if let Some(second) = stanzas.next().transpose().map_err(syntax)? {
            let problem = "a Release file has one stanza only, and a second begins here".into();
            return Err(syntax(crate::deb822::Deb822Error { line: second.line(), problem }));
        }
        let reader = Reader { stanza: &stanza, file };
        let date_text = reader.required("Date")?.to_owned();
        let date = reader.date("Date")?.unwrap_or_default();
        let valid_until =
            reader.date("Valid-Until")?.map(|until| (reader.text("Valid-Until"), until));
        Ok(Release {
            suite: reader.text("Suite"),
            codename: reader.text("Codename"),
            date,
            date_text,
            valid_until,
            architectures: reader.words("Architectures"),
            components: reader.words("Components"),
            acquire_by_hash: reader.text("Acquire-By-Hash") == "yes",
            all_in_every_index: (reader.words("No-Support-for-Architecture-all"))
                .contains(&"Packages".to_owned()),
            files: reader.files()?,
        })
    }

    /// Checks dates and suite of the Release of the source `name` at the time `now`.
    ///
    /// `asked` is the source's suite; a flat repository's (`.../`) has no name to check.
    ///
    /// # Errors
    /// The Release is expired, from the future, or of another suite. That last check keeps a
    /// mirror from answering with another, validly signed, suite of the same archive.
    pub fn check(&self, name: &str, url: &str, asked: &str, now: i64) -> Result<(), AptError> {
        let (name, url) = (name.to_owned(), url.to_owned());
        match &self.valid_until {
            Some((text, until)) if *until <= now => {
                return Err(AptError::Expired { name, url, valid_until: text.clone() });
            }
            _ => {}
        }
        if self.date > now.saturating_add(FUTURE_TOLERANCE) {
            return Err(AptError::FromTheFuture { name, url, date: self.date_text.clone() });
        }
        if !asked.ends_with('/') && asked != self.suite && asked != self.codename {
            return Err(AptError::WrongSuite {
                name,
                url,
                asked: asked.to_owned(),
                suite: self.suite.clone(),
                codename: self.codename.clone(),
            });
        }
        Ok(())
    }
}

/// Reads fields and makes errors that name file and line.
struct Reader<'a> {
    stanza: &'a Stanza<'a>,
    file: &'a str,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> String {
        self.stanza.get(name).unwrap_or("").to_owned()
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.stanza.get(name).unwrap_or("").split_whitespace().map(str::to_owned).collect()
    }

    fn error(&self, field: &'static str, line: usize, problem: impl Into<String>) -> AptError {
        AptError::Field { file: self.file.to_owned(), line, field, problem: problem.into() }
    }

    fn required(&self, name: &'static str) -> Result<&str, AptError> {
        self.stanza.get(name).ok_or_else(|| self.error(name, 0, "the field is missing"))
    }

    fn date(&self, name: &'static str) -> Result<Option<i64>, AptError> {
        let Some(field) = self.stanza.field(name) else { return Ok(None) };
        match date::parse(field.value) {
            Some(unix) => Ok(Some(unix)),
            None => Err(self.error(name, field.line, format!("{:?} is not a date", field.value))),
        }
    }

    /// The `SHA256` list: lines of digest, size and path.
    fn files(&self) -> Result<HashMap<String, IndexEntry>, AptError> {
        const FIELD: &str = "SHA256";
        self.required(FIELD)?;
        let mut files = HashMap::new();
        let (first_line, value) =
            self.stanza.field(FIELD).map_or((0, ""), |field| (field.line, field.value));
        // The list begins on the line after the name; `value` has lost that line break.
        let offset = usize::from(value.starts_with(|c: char| c.is_ascii_hexdigit()));
        for (i, line) in value.lines().enumerate() {
            let fail = |what: &str| self.error(FIELD, first_line + offset + i, what);
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let [digest, size, path] = words[..] else {
                return Err(fail("a line must be a digest, a size and a path"));
            };
            let sha256 = parse_hex(digest).map_err(|_| fail("this is not a SHA-256 digest"))?;
            let size = size.parse().map_err(|_| fail("this is not a size in bytes"))?;
            let entry = IndexEntry { size, sha256 };
            let path = path.strip_prefix("./").unwrap_or(path).to_owned();
            if files.insert(path, entry).is_some_and(|other| other != entry) {
                return Err(fail("this path is listed twice, with different contents"));
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn release(extra: &str) -> String {
        format!(
            "Suite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nArchitectures: all arm64\n\
             Components: main contrib\nAcquire-By-Hash: yes\n{extra}SHA256:\n {EMPTY}  0 main/x\n {EMPTY} 7 ./y\n"
        )
    }

    const DATE: i64 = 1_789_199_741;

    fn parse(text: &str) -> Result<Release, AptError> {
        Release::parse(text, "InRelease")
    }

    #[test]
    fn a_release() {
        let r = parse(&release("")).unwrap();
        assert_eq!((r.suite.as_str(), r.codename.as_str(), r.date), ("stable", "trixie", DATE));
        assert_eq!(r.architectures, ["all", "arm64"]);
        assert_eq!(r.components, ["main", "contrib"]);
        assert!(r.acquire_by_hash && !r.all_in_every_index && r.valid_until.is_none());
        assert_eq!(r.files["main/x"].size, 0);
        assert_eq!(r.files["y"].size, 7);
    }

    #[test]
    fn dates_and_suites_are_checked() {
        let r = parse(&release("Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n")).unwrap();
        let until = DATE + 7 * 86_400;
        let check = |suite: &str, now| r.check("debian", "u", suite, now);
        assert!(check("trixie", DATE).is_ok());
        assert!(check("stable", until - 1).is_ok());
        assert!(check("/", until - 1).is_ok());
        assert!(matches!(check("trixie", until), Err(AptError::Expired { .. })));
        assert!(check("trixie", DATE - 86_400).is_ok());
        assert!(matches!(check("trixie", DATE - 86_401), Err(AptError::FromTheFuture { .. })));
        assert!(matches!(check("sid", DATE), Err(AptError::WrongSuite { .. })));
        assert!(matches!(check("", DATE), Err(AptError::WrongSuite { .. })));
    }

    #[test]
    fn broken_releases_name_field_and_line() {
        for (text, field, line) in [
            (release("").replace("12 Sep", "12 Sob"), "Date", 3),
            (release("").replace("Date", "Etad"), "Date", 0),
            (release("").replace("SHA256", "SHA1"), "SHA256", 0),
            (release("Valid-Until: tomorrow\n"), "Valid-Until", 7),
            (release("").replace(" 7 ./y", " 7"), "SHA256", 9),
            (release("").replace(" 7 ./y", " -7 y"), "SHA256", 9),
            (release("").replace(" 7 ./y", " 7 main/x"), "SHA256", 9),
            (release("").replace("e3b0c4", "e3b0xx"), "SHA256", 8),
        ] {
            match parse(&text) {
                Err(AptError::Field { field: f, line: l, .. }) => {
                    assert_eq!((f, l), (field, line), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
        let two = format!("{}\nX: y\n", release(""));
        assert!(matches!(parse(&two), Err(AptError::Syntax { .. })));
        assert!(parse("").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&release(&text));
        }
    }
}
