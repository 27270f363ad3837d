//! `Packages` indices: what a repository says about each binary package.

use crate::deb::Control;
use crate::deb822::{Stanza, Stanzas};
use crate::error::AptError;
use crate::version::Version;

/// One binary package of a `Packages` index, reduced to what resolution and download need.
#[derive(Clone, Debug)]
pub struct Record {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: Version,
    /// `Architecture`: a Debian architecture or `all`.
    pub architecture: String,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Priority`.
    pub priority: Priority,
    /// `Multi-Arch`.
    pub multi_arch: MultiArch,
    /// `Depends`, as written (empty when absent).
    pub depends: String,
    /// `Pre-Depends`, as written.
    pub pre_depends: String,
    /// `Conflicts`, as written.
    pub conflicts: String,
    /// `Breaks`, as written.
    pub breaks: String,
    /// `Provides`, as written.
    pub provides: String,
    /// `Filename`: where the .deb is, relative to the repository's root URL.
    pub filename: String,
    /// `Size`: bytes of the .deb.
    pub size: u64,
    /// `SHA256` of the .deb, lower-case hexadecimal.
    pub sha256: String,
}

/// How much a package belongs to a normal system (Debian Policy, section 2.5), most needed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Needed for the system to work at all.
    Required,
    /// Expected on any Unix-like system.
    Important,
    /// A reasonably small character-mode system.
    Standard,
    /// Everything else; also what a package without a priority, or with an unknown one, counts as.
    Optional,
    /// Deprecated alias of optional, still found in old repositories.
    Extra,
}

/// Whether packages of other architectures satisfy a relation (Debian's Multi-Arch field).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MultiArch {
    /// Satisfies only packages of its own architecture.
    No,
    /// Installable for several architectures at once.
    Same,
    /// Satisfies packages of any architecture.
    Foreign,
    /// Satisfies relations written with `:any`.
    Allowed,
}

impl Priority {
    /// Reads the field's value.
    fn parse(text: &str) -> Priority {
        match text {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            "extra" => Priority::Extra,
            _ => Priority::Optional,
        }
    }
}

impl MultiArch {
    /// Reads the field's value.
    fn parse(text: &str) -> MultiArch {
        match text {
            "same" => MultiArch::Same,
            "foreign" => MultiArch::Foreign,
            "allowed" => MultiArch::Allowed,
            _ => MultiArch::No,
        }
    }
}

/// Reads the records of a `Packages` index whose architecture `wanted` accepts.
///
/// `file` names the index in errors.
///
/// # Errors
/// The index is no control file, or a record lacks a field or has an impossible one: a file name
/// that leaves the repository, for example. One bad record condemns the index: it is signed, so
/// whoever made it is broken.
pub fn parse_packages(
    text: &str,
    file: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Record>, AptError> {
    let mut records = Vec::new();
    let mut stanzas = Stanzas::new(text);
    let mut stanza = Stanza::default();
    loop {
        match stanzas.read_into(&mut stanza) {
            Ok(true) => {}
            Ok(false) => return Ok(records),
            Err(error) => return Err(AptError::Syntax { file: file.to_owned(), error }),
        }
        records.extend(parse_record(&stanza, file, &wanted)?);
    }
}

/// One record, or `None` when its architecture is not wanted.
fn parse_record(
    stanza: &Stanza<'_>,
    file: &str,
    wanted: &impl Fn(&str) -> bool,
) -> Result<Option<Record>, AptError> {
    let fail = |field: &'static str, problem: String| {
        let line = stanza.field(field).map_or(stanza.line(), |f| f.line);
        AptError::Field { file: file.to_owned(), line, field, problem }
    };
    let required = |field: &'static str| {
        stanza
            .get(field)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| fail(field, "the package that begins here lacks it".to_owned()))
    };
    let architecture = required("Architecture")?;
    if !wanted(architecture) {
        return Ok(None);
    }
    let name = required("Package")?;
    if !valid_name(name) {
        return Err(fail("Package", format!("{name:?} is not a package name")));
    }
    let version =
        Version::parse(required("Version")?).map_err(|e| fail("Version", e.to_string()))?;
    let size = required("Size")?;
    let size = size.parse().map_err(|_| fail("Size", format!("{size:?} is not a size")))?;
    let sha256 = required("SHA256")?;
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(fail("SHA256", format!("{sha256:?} is not a SHA-256 digest")));
    }
    let filename = required("Filename")?;
    let filename = filename.strip_prefix("./").unwrap_or(filename);
    if !valid_path(filename) {
        return Err(fail("Filename", format!("{filename:?} is not a path below the repository")));
    }
    let text = |field: &str| stanza.get(field).unwrap_or("").to_owned();
    Ok(Some(Record {
        name: name.to_owned(),
        version,
        architecture: architecture.to_owned(),
        essential: stanza.get("Essential") == Some("yes"),
        priority: Priority::parse(stanza.get("Priority").unwrap_or("")),
        multi_arch: MultiArch::parse(stanza.get("Multi-Arch").unwrap_or("")),
        depends: text("Depends"),
        pre_depends: text("Pre-Depends"),
        conflicts: text("Conflicts"),
        breaks: text("Breaks"),
        provides: text("Provides"),
        filename: filename.to_owned(),
        size,
        sha256: sha256.to_ascii_lowercase(),
    }))
}

impl Record {
    /// What the package's own control file says, for a .deb that no index lists (any more):
    /// `filename` is where it is, `sha256` its digest.
    ///
    /// # Errors
    /// A version that is none.
    pub(crate) fn from_control(
        control: &Control,
        filename: &str,
        size: u64,
        sha256: &str,
    ) -> Result<Record, AptError> {
        let text = |field: &str| control.get(field).unwrap_or("").to_owned();
        let version = Version::parse(&text("Version")).map_err(|e| AptError::Field {
            file: filename.to_owned(),
            line: 0,
            field: "Version",
            problem: e.to_string(),
        })?;
        Ok(Record {
            name: text("Package"),
            version,
            architecture: text("Architecture"),
            essential: control.get("Essential") == Some("yes"),
            priority: Priority::parse(&text("Priority")),
            multi_arch: MultiArch::parse(&text("Multi-Arch")),
            depends: text("Depends"),
            pre_depends: text("Pre-Depends"),
            conflicts: text("Conflicts"),
            breaks: text("Breaks"),
            provides: text("Provides"),
            filename: filename.to_owned(),
            size,
            sha256: sha256.to_owned(),
        })
    }
}

/// Debian Policy, section 5.6.1. Upper case and underscore occur in vendors' repositories and are
/// harmless; a slash or a blank is not.
pub(crate) fn valid_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// A relative path without `..`, empty or odd parts, whitespace or control characters.
fn valid_path(path: &str) -> bool {
    path.bytes().all(|b| b > b' ' && b != 0x7f && b != b'\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stanza() -> String {
        "Package: a\nVersion: 1:2-3\nArchitecture: arm64\nEssential: yes\nPriority: required\n\
         Multi-Arch: foreign\nDepends: b (>= 1),\n c | d\nPre-Depends: e\nProvides: f\nSize: 12\n\
         Filename: pool/a_2-3_arm64.deb\nSHA256: E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
            .to_owned()
    }

    fn parse(text: &str) -> Result<Vec<Record>, AptError> {
        parse_packages(text, "Packages", |a| a == "arm64" || a == "all")
    }

    #[test]
    fn a_record() {
        let other = stanza().replace("arm64", "amd64");
        let records = parse(&format!("{}\n{other}\n{}", stanza(), stanza())).unwrap();
        assert_eq!(records.len(), 2);
        let r = &records[0];
        assert_eq!((r.name.as_str(), r.version.as_str(), r.size), ("a", "1:2-3", 12));
        assert!(r.essential && r.priority == Priority::Required);
        assert_eq!(r.multi_arch, MultiArch::Foreign);
        assert_eq!(r.depends, "b (>= 1),\n c | d");
        assert_eq!((r.conflicts.as_str(), r.provides.as_str()), ("", "f"));
        assert!(r.sha256.starts_with("e3b0"));
    }

    #[test]
    fn bad_records_name_field_and_line() {
        for (from, to, field, line) in [
            ("Version: 1:2-3\n", "", "Version", 1),
            ("Package: a", "Package: ../a", "Package", 1),
            ("1:2-3", "1:2_3", "Version", 2),
            ("Size: 12", "Size: many", "Size", 11),
            ("Size: 12", "Size: 99999999999999999999", "Size", 11),
            ("pool/a", "../a", "Filename", 12),
            ("pool/a", "/pool/a", "Filename", 12),
            ("pool/a", "pool/../a", "Filename", 12),
            ("pool/a", "pool/ a", "Filename", 12),
            ("E3b0", "x3b0", "SHA256", 13),
        ] {
            match parse(&stanza().replace(from, to)) {
                Err(AptError::Field { field: f, line: l, .. }) => assert_eq!((f, l), (field, line)),
                other => panic!("{from} -> {to}: {other:?}"),
            }
        }
    }

    #[test]
    fn priorities_sort_by_need() {
        assert!(Priority::Required < Priority::Important && Priority::Optional < Priority::Extra);
        assert_eq!(Priority::parse("odd"), Priority::Optional);
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>(), value in ".{0,10}") {
            let _ = parse(&text);
            let _ = parse(&stanza().replace("pool/a", &value));
        }
    }
}
