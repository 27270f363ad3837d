//! The `control` file of a package.

use super::fault::DebFault;
use crate::deb822::MAX_FIELDS;
use crate::index::valid_name;
use crate::version::Version;

/// The fields of a package's `control` file, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// Parses one stanza (deb-control(5)): `Name: value`, with continuation lines that begin with
    /// a space or a tab.
    pub(crate) fn parse(text: &[u8]) -> Result<Control, DebFault> {
        let bad = |what: String| Err(DebFault::Malformed(what));
        let Ok(text) = std::str::from_utf8(text) else {
            return bad("its control file is not UTF-8".into());
        };
        let mut fields: Vec<(String, String)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            if line.starts_with([' ', '\t']) {
                // For dpkg "blank line in value of field" (lib/dpkg/parse.c), for readers of
                // indices the end of the stanza: nobody must see two packages in one.
                if line.trim_matches([' ', '\t', '\r']).is_empty() {
                    return bad(format!("line {number} of its control file is blank"));
                }
                match fields.last_mut() {
                    Some((_, value)) => {
                        value.push('\n');
                        value.push_str(line.trim_end());
                    }
                    None => return bad(format!("line {number} of its control file: no field")),
                }
            } else if line.trim().is_empty() {
                // Some tools end the file with an empty line; a second stanza is not allowed.
                if text.lines().skip(number).any(|l| !l.trim().is_empty()) {
                    return bad("its control file has more than one stanza".into());
                }
                break;
            } else {
                match line.split_once(':') {
                    Some((name, value))
                        if !name.is_empty() && !name.contains(char::is_whitespace) =>
                    {
                        if fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                            return bad(format!("its control file has two fields {name}"));
                        }
                        if fields.len() == MAX_FIELDS {
                            return bad(format!(
                                "its control file has more than {MAX_FIELDS} fields"
                            ));
                        }
                        fields.push((name.to_owned(), value.trim().to_owned()));
                    }
                    _ => return bad(format!("line {number} of its control file is not a field")),
                }
            }
        }
        for needed in ["Package", "Version", "Architecture"] {
            match fields.iter().find(|(name, value)| name == needed && !value.is_empty()) {
                Some((_, value)) if is_valid(needed, value) => {}
                Some((_, value)) => {
                    return bad(format!("its control file has the {needed} {value:?}"));
                }
                None => return bad(format!("its control file has no field {needed}")),
            }
        }
        Ok(Control { fields })
    }

    /// The value of a field; names are compared without regard to case (Policy 5.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// All fields in the order written.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Whether a field that becomes part of file names in dpkg's database may do so.
fn is_valid(field: &str, value: &str) -> bool {
    match field {
        "Package" => valid_name(value),
        "Version" => Version::parse(value).is_ok(),
        _ => value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continuation_lines() {
        let control = Control::parse(
            b"Package: a\nVersion: 1\nArchitecture: all\nDescription: short\n long\n .\n more\n\n",
        )
        .unwrap();
        assert_eq!(control.get("package"), Some("a"));
        assert_eq!(control.get("Description"), Some("short\n long\n .\n more"));
        assert_eq!(control.get("Depends"), None);
        assert_eq!(control.fields().count(), 4);
    }

    /// Found by fuzzing: each field was compared with any number of others.
    #[test]
    fn fields_are_counted() {
        let text: String = (0..257).map(|n| format!("F{n}: v\n")).collect();
        let error = Control::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 256 fields"), "{error}");
    }

    #[test]
    fn bad_control_files() {
        for (text, expected) in [
            (&b" x\n"[..], "no field"),
            (b"Package a\n", "not a field"),
            (b"Package: a\nVersion: 1\n", "no field Architecture"),
            (b"Package: a\npackage: b\n", "two fields"),
            (b"Package: a\n\nVersion: 1\n", "more than one stanza"),
            (b"Package: \xff\n", "UTF-8"),
            // Found by fuzzing: the name is part of paths in dpkg's database.
            (b"Package: a\n b\nVersion: 1\nArchitecture: all\n", "the Package \"a\\n b\""),
            (b"Package: ../../a\nVersion: 1\nArchitecture: all\n", "the Package \"../../a\""),
            (b"Package: a\nVersion: /\nArchitecture: all\n", "the Version \"/\""),
            (b"Package: a\nVersion: 1\nArchitecture: ../b\n", "the Architecture \"../b\""),
            // Found by fuzzing: the reader of indices sees two stanzas here.
            (b"Package: a\nVersion: 1\nArchitecture: all\n \nX: y\n", "is blank"),
        ] {
            let error = Control::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }
}
