//! The manifest of a file that was cut into parts: `NAME.parts.json`.
//!
//! It says how the parts make the whole, and which of them is damaged if one is. It needs no trust:
//! the whole is compared with `SHA256SUMS`, as if it had never been cut.

use osb_checksum::{Digest, parse_hex, to_hex};
use serde::{Deserialize, Serialize};

/// What follows a file's name in that of its manifest.
pub const SUFFIX: &str = ".parts.json";
/// The version of the format that is written and read.
const VERSION: u32 = 1;
/// Most parts: their numbers have three digits.
const MOST: usize = 1000;

/// How a file is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the whole file.
    pub name: String,
    /// Its size in bytes, which is the sum of all parts'.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The parts in order, at least one.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, [`Manifest::part_name`] of its number.
    pub name: String,
    /// Its size in bytes, more than none.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Why parts are not put together, or a file is not cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// Not of this form.
    #[error("{manifest} is not a list of parts: {problem}")]
    Malformed {
        /// The manifest's file name.
        manifest: String,
        /// What is wrong.
        problem: String,
    },
    /// It would be cut into more parts than names have room for.
    #[error("{name} would have more than {MOST} parts: cut it into larger ones")]
    TooMany {
        /// The file.
        name: String,
    },
}

/// The document.
#[derive(Serialize, Deserialize)]
struct Document {
    schema_version: u32,
    name: String,
    size: u64,
    sha256: String,
    parts: Vec<DocumentPart>,
}

#[derive(Serialize, Deserialize)]
struct DocumentPart {
    name: String,
    size: u64,
    sha256: String,
}

impl Manifest {
    /// The name of the part with this number, from 0.
    pub fn part_name(name: &str, number: usize) -> String {
        format!("{name}.part-{number:03}")
    }

    /// The name of the manifest of the file `name`.
    pub fn file_name(name: &str) -> String {
        format!("{name}{SUFFIX}")
    }

    /// Reads the manifest of the file `name`.
    ///
    /// # Errors
    /// If it is none, or not one of this file: names, order and sizes of the parts must be those that
    /// cutting it makes.
    pub fn read(name: &str, text: &[u8]) -> Result<Manifest, PartsError> {
        let bad = |problem: &dyn std::fmt::Display| PartsError::Malformed {
            manifest: Manifest::file_name(name),
            problem: problem.to_string(),
        };
        let document: Document = serde_json::from_slice(text).map_err(|error| bad(&error))?;
        if document.schema_version != VERSION {
            return Err(bad(&format!("its schema_version is not {VERSION}")));
        }
        if document.name != name {
            return Err(bad(&"it is of another file"));
        }
        if document.parts.is_empty() || document.parts.len() > MOST {
            return Err(bad(&format!("it has {} parts", document.parts.len())));
        }
        let digest = |hex: &str| parse_hex(hex).map_err(|error| bad(&error));
        let mut parts = Vec::new();
        let mut sum = 0_u64;
        for (number, part) in document.parts.into_iter().enumerate() {
            if part.name != Manifest::part_name(name, number) || part.size == 0 {
                return Err(bad(&format!("part {number} has another name, or no bytes")));
            }
            sum = sum.checked_add(part.size).ok_or_else(|| bad(&"its parts are too large"))?;
            parts.push(Part { name: part.name, size: part.size, sha256: digest(&part.sha256)? });
        }
        if sum != document.size {
            let size = document.size;
            return Err(bad(&format!("its parts have {sum} bytes, and the whole has {size}")));
        }
        Ok(Manifest { name: document.name, size: sum, sha256: digest(&document.sha256)?, parts })
    }

    /// The document, with a newline at its end.
    pub fn to_json(&self) -> String {
        let part = |part: &Part| DocumentPart {
            name: part.name.clone(),
            size: part.size,
            sha256: to_hex(&part.sha256),
        };
        let document = Document {
            schema_version: VERSION,
            name: self.name.clone(),
            size: self.size,
            sha256: to_hex(&self.sha256),
            parts: self.parts.iter().map(part).collect(),
        };
        // Serialising text and numbers does not fail.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The most parts that a file may have.
    pub(crate) fn most() -> usize {
        MOST
    }
}

/// Whether a file of this name is a part of the file `whole`, or its manifest.
pub fn is_of(whole: &str, name: &str) -> bool {
    name.strip_prefix(whole).is_some_and(|rest| {
        let number = rest.strip_prefix(".part-").unwrap_or_default();
        rest == SUFFIX || number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let part = |number, size| Part {
            name: Manifest::part_name("disk.img", number),
            size,
            sha256: [number as u8; 32],
        };
        let parts = vec![part(0, 7), part(1, 3)];
        Manifest { name: "disk.img".into(), size: 10, sha256: [9; 32], parts }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = example().to_json();
        assert_eq!(Manifest::read("disk.img", text.as_bytes()).unwrap(), example());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let text = example().to_json();
        let digest = to_hex(&[1; 32]);
        for (from, to, problem) in [
            ("\"schema_version\": 1", "\"schema_version\": 2", "schema_version"),
            ("\"name\": \"disk.img\"", "\"name\": \"x\"", "another file"),
            ("disk.img.part-001", "../../etc/passwd", "another name"),
            ("disk.img.part-001", "disk.img.part-002", "another name"),
            ("\"size\": 3", "\"size\": 0", "no bytes"),
            ("\"size\": 3", "\"size\": 4", "11 bytes"),
            ("\"size\": 3", "\"size\": 18446744073709551615", "too large"),
            (&digest, "01", "64 hexadecimal"),
            ("{", "", "expected"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Manifest::read("disk.img", text.replacen(from, to, 1).as_bytes());
            let error = error.unwrap_err().to_string();
            assert!(error.contains("disk.img.parts.json") && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn parts_are_known_by_their_names() {
        assert!(is_of("disk.img", "disk.img.part-000") && is_of("disk.img", "disk.img.parts.json"));
        for other in ["disk.img", "disk.img.part-", "disk.img.part-0000", "sd.img.part-000"] {
            assert!(!is_of("disk.img", other), "{other}");
        }
    }
}
