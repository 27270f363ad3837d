//! A borrowed reader of Debian control files: stanzas of fields, nothing copied.
//!
//! Debian Policy, section 5.1, and `deb822(5)`: stanzas are separated by lines that are empty or
//! hold only spaces and tabs; a field is `Name: value`, continued on lines that begin with a space
//! or tab; lines that begin with `#` are comments. A field that occurs twice in one stanza is an
//! error, since two readers could otherwise see two different packages.
//!
//! Every text is read in time linear to its length: fields are few, and no byte of a folded value
//! is looked at again for each line that follows.

use std::iter::FusedIterator;

/// Most fields of a stanza. Debian's longest have fewer than 40; each is compared with all others.
pub(crate) const MAX_FIELDS: usize = 256;

/// What is wrong with a control file, and on which line (the first line is 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Deb822Error {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// One field of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written; names compare without regard to ASCII case.
    pub name: &'a str,
    /// Everything after the colon without surrounding blanks; continuation lines are kept with
    /// their line breaks and their leading blank.
    pub value: &'a str,
    /// The line of the name, from 1.
    pub line: usize,
}

/// One stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// The fields in the order of the file.
    pub fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// The value of a field, or `None` when the stanza does not have it.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|f| f.value)
    }

    /// A field with its line.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The line on which the stanza begins.
    pub fn line(&self) -> usize {
        self.fields.first().map_or(0, |f| f.line)
    }
}

/// The stanzas of a text, one after another; the iterator ends after the first error.
#[derive(Clone, Debug)]
pub struct Stanzas<'a> {
    rest: &'a str,
    /// Lines already taken.
    line: usize,
    failed: bool,
}

impl<'a> Stanzas<'a> {
    /// Reads `text`.
    pub fn new(text: &'a str) -> Stanzas<'a> {
        Stanzas { rest: text, line: 0, failed: false }
    }

    /// Fills `stanza` with the next stanza and says whether there was one.
    ///
    /// The same as the iterator, but the vector of fields is used again, which matters for an
    /// index of 70,000 stanzas.
    ///
    /// # Errors
    /// A line that is neither a field, nor a continuation, nor a comment; a field given twice.
    pub fn read_into(&mut self, stanza: &mut Stanza<'a>) -> Result<bool, Deb822Error> {
        stanza.fields.clear();
        // Where the value of the last field begins in `text`; continuation lines extend it.
        let text = self.rest;
        let mut value_start = 0;
        let mut taken = 0;
        while taken < text.len() {
            let rest = &text[taken..];
            let end = memchr_newline(rest);
            let line = rest[..end].trim_end_matches('\r');
            let line_start = taken;
            taken += (end + 1).min(rest.len());
            self.line += 1;
            match line.as_bytes().first() {
                Some(b' ' | b'\t') if !is_blank(line) => match stanza.fields.last_mut() {
                    Some(field) => {
                        let (content, after) = (line.trim_start(), line.trim_end().len());
                        if field.value.is_empty() {
                            value_start = line_start + line.len() - content.len();
                        }
                        // Unicode knows more blanks; at the end they are not part of the value.
                        if !content.is_empty() {
                            field.value = &text[value_start..line_start + after];
                        }
                    }
                    None => return self.fail("a continuation line without a field before it"),
                },
                Some(b'#') => {
                    // A comment inside a folded value would end up in the borrowed value: cut it
                    // off by refusing the rare case instead of copying the common one.
                    if text[line_start + line.len()..]
                        .trim_start_matches(['\r', '\n'])
                        .starts_with([' ', '\t'])
                        && stanza.fields.last().is_some()
                    {
                        return self.fail("a comment inside a folded field is not supported");
                    }
                }
                None | Some(b' ' | b'\t') => {
                    if !stanza.fields.is_empty() {
                        break;
                    }
                }
                Some(_) => {
                    let Some(colon) = line.find(':') else {
                        return self.fail("a line without a colon");
                    };
                    let name = &line[..colon];
                    let printable = |b: u8| (33..=126).contains(&b);
                    if name.is_empty() || name.starts_with('-') || !name.bytes().all(printable) {
                        return self.fail(format!("{name:?} is not a field name"));
                    }
                    if stanza.field(name).is_some() {
                        return self.fail(format!("the field {name} is given twice"));
                    }
                    if stanza.fields.len() == MAX_FIELDS {
                        return self.fail(format!("there are more than {MAX_FIELDS} fields"));
                    }
                    let content = line[colon + 1..].trim_start();
                    value_start = line_start + line.len() - content.len();
                    let value = content.trim_end();
                    stanza.fields.push(Field { name, value, line: self.line });
                }
            }
        }
        self.rest = &text[taken..];
        Ok(!stanza.fields.is_empty())
    }

    fn fail<T>(&mut self, problem: impl Into<String>) -> Result<T, Deb822Error> {
        self.failed = true;
        Err(Deb822Error { line: self.line, problem: problem.into() })
    }
}

fn is_blank(line: &str) -> bool {
    line.bytes().all(|b| b == b' ' || b == b'\t')
}

/// The length of the first line without its line break.
fn memchr_newline(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut stanza = Stanza::default();
        match self.read_into(&mut stanza) {
            Ok(true) => Some(Ok(stanza)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for Stanzas<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<Stanza<'_>>, Deb822Error> {
        Stanzas::new(text).collect()
    }

    #[test]
    fn stanzas_fields_and_folding() {
        let text = "# about\nPackage: a\nDescription: short\n long one\n .\n  indented\nEmpty:\n\n \t\n\npackage:b\r\nX: 1";
        let stanzas = all(text).unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("package"), Some("a"));
        assert_eq!(stanzas[0].get("Description"), Some("short\n long one\n .\n  indented"));
        assert_eq!(stanzas[0].get("Empty"), Some(""));
        assert_eq!(stanzas[0].get("Nothing"), None);
        assert_eq!(stanzas[0].line(), 2);
        assert_eq!(stanzas[1].get("Package"), Some("b"));
        assert_eq!(stanzas[1].fields[1], Field { name: "X", value: "1", line: 12 });
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("A: 1\nno colon here\n", 2),
            (" continued\n", 1),
            ("A: 1\n\nB: 2\nb: 3\n", 4),
            ("A: 1\n: empty\n", 2),
            ("-A: 1\n", 1),
            ("A: 1\n# in between\n 2\n", 2),
        ] {
            assert_eq!(all(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn blanks_around_values_are_not_part_of_them_whichever_they_are() {
        let text = "A: \u{2003} x\n \u{2003}\n  y \u{2003}\n \u{2003}\nB:\n \u{2003}\n z\n";
        let stanzas = all(text).unwrap();
        assert_eq!(stanzas[0].get("A"), Some("x\n \u{2003}\n  y"));
        assert_eq!(stanzas[0].get("B"), Some("z"));
    }

    /// Found by fuzzing: both took time quadratic to the length.
    #[test]
    fn time_is_linear_to_the_length() {
        let started = std::time::Instant::now();
        let fields: String = (0..300_000).map(|n| format!("F{n}: v\n")).collect();
        let error = all(&fields).unwrap_err();
        assert_eq!(error.line, MAX_FIELDS + 1);
        assert!(error.problem.contains("more than 256"), "{error}");
        let blanks = format!("A:{}x\n", " ".repeat(1 << 20));
        for text in
            [blanks + &" x\n".repeat(1 << 18), "A: b\n".to_owned() + &" \u{2003}\n".repeat(1 << 18)]
        {
            assert_eq!(all(&text).unwrap().len(), 1);
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn the_iterator_ends_after_an_error() {
        let mut stanzas = Stanzas::new("bad\nA: 1\n");
        assert!(stanzas.next().unwrap().is_err());
        assert!(stanzas.next().is_none());
    }

    #[test]
    fn nothing_gives_nothing() {
        for text in ["", "\n\n", "# only a comment\n", " \n\t\n"] {
            assert_eq!(all(text).unwrap(), vec![], "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>()) {
            let _ = all(&text);
        }

        #[test]
        fn control_like_text_does_not_panic(text in "([A-c:#\r\n\t -]|é){0,60}") {
            let _ = all(&text);
        }

        #[test]
        fn what_is_written_is_read(fields in proptest::collection::vec("[!-9;-~]{1,12}", 1..6)) {
            let text: String =
                fields.iter().enumerate().map(|(i, v)| format!("F{i}: {v}\n")).collect();
            let stanzas = all(&text).unwrap();
            prop_assert_eq!(stanzas.len(), 1);
            for (i, value) in fields.iter().enumerate() {
                prop_assert_eq!(stanzas[0].get(&format!("F{i}")), Some(value.as_str()));
            }
        }
    }
}
