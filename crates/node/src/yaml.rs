//! YAML as a node reads it (`to-json` of the layer bootstrap), with the place of everything.
//!
//! Every scalar is the text that was written: `12:34:56:12:34:56` is an address, `no` a word. Keys
//! that are there twice, aliases and a second document are refused, as they are there. The node reads
//! YAML 1.1 (PyYAML). What is YAML 1.2 and not 1.1 is refused, so that no node finds fault with what
//! was taken here: other line breaks, tabs, `:` and `?` in brackets, `...` at the beginning.

use std::ops::Range;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StructureStyle};

use crate::error::Problem;

/// The deepest nesting: an inventory needs four.
const MOST_DEPTH: usize = 32;

/// Where something begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The line, from 1; 0 for the file as a whole.
    pub(crate) line: u64,
    /// The column in characters, from 1.
    pub(crate) column: u64,
}

impl Place {
    /// What is wrong here.
    pub(crate) fn problem(self, message: impl Into<String>) -> Problem {
        Problem { line: self.line, column: self.column, message: message.into() }
    }
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Place {
        Place { line: marker.line() as u64, column: marker.col() as u64 + 1 }
    }
}

/// A value, and where it stands.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) place: Place,
    /// Its bytes; of a list or table up to the end of its last value, with the bracket if it has one.
    pub(crate) range: Range<usize>,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Anything that is one word or text; nothing at all is an empty text.
    Text(String),
    /// A list.
    List {
        /// One entry a line, with dashes.
        block: bool,
        /// Its entries.
        entries: Vec<Value>,
    },
    /// Keys with values, in the order of the file.
    Table {
        /// One key a line.
        block: bool,
        /// No key is there twice.
        entries: Vec<(Key, Value)>,
    },
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// Reads a document; a value that is wrong is noted in `problems` and left out or empty.
///
/// # Errors
/// The first place where it is no YAML.
pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Result<Value, Problem> {
    if let Some(problem) = foreign_character(text).or_else(|| early_end(text)) {
        return Err(problem);
    }
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MOST_DEPTH,
        block_nesting_limit: MOST_DEPTH,
    };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut events = Events { parser, problems, brackets: 0, scalars: Vec::new() };
    let mut document = None;
    while let Some((event, span)) = events.next()? {
        match event {
            Event::DocumentStart(..) if document.is_some() => {
                return Err(Place::from(&span.start).problem("a second document: one is enough"));
            }
            Event::DocumentStart(..) => {
                if let Some((event, span)) = events.next()? {
                    document = Some(events.value(event, span)?);
                }
            }
            _ => {}
        }
    }
    let scalars = events.scalars;
    let mut start = 0;
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        problems.extend(tab(line, start, &scalars).map(|column| {
            Place { line: number, column }.problem("a tab: nodes do not read it; write blanks")
        }));
        start += line.len();
    }
    document.ok_or_else(|| Place::default().problem("it is empty: write `nodes: []`"))
}

/// A character that the node's reader refuses, or takes for a line break.
fn foreign_character(text: &str) -> Option<Problem> {
    // A carriage return is no line break of its own here, since editors do not agree on it.
    let foreign = |char: char| {
        let control = char.is_control() && char != '\t';
        control || matches!(char, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
    };
    let (line, column, char) = text.lines().zip(1..).find_map(|(content, line)| {
        let (char, column) = content.chars().zip(1..).find(|(char, _)| foreign(*char))?;
        Some((line, column, char))
    })?;
    let message = format!("the character U+{:04X} cannot be here: remove it", u32::from(char));
    Some(Place { line, column }.problem(message))
}

/// A document that ends before it begins: the node takes that for a value that is missing.
fn early_end(text: &str) -> Option<Problem> {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !is_blank(line));
    let (_, line) = lines.next().filter(|(line, _)| line.starts_with("..."))?;
    Some(Place { line, column: 1 }.problem("`...` before anything else: remove the line"))
}

/// Whether a line has blanks or a comment only.
pub(crate) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The column of a line's first tab, unless that is in a comment; the line begins at the byte `start`.
/// The node refuses most tabs, and no value may have one.
fn tab(line: &str, start: usize, scalars: &[Range<usize>]) -> Option<u64> {
    let at = line.find('\t')?;
    let within = |byte: usize| {
        let next = scalars.partition_point(|scalar| scalar.end <= byte);
        scalars.get(next).is_some_and(|scalar| scalar.contains(&byte))
    };
    let begins = |index: usize| index == 0 || line.as_bytes()[index - 1] == b' ';
    let mut signs = line[..at].match_indices('#').map(|(index, _)| index);
    match signs.any(|index| begins(index) && !within(start + index)) {
        true => None,
        false => Some(line[..at].chars().count() as u64 + 1),
    }
}

/// What the parser says, and what is wrong with it.
struct Events<'a, 'p> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    problems: &'p mut Vec<Problem>,
    /// How many brackets are open.
    brackets: usize,
    /// Where scalars are, in order.
    scalars: Vec<Range<usize>>,
}

impl<'a> Events<'a, '_> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Problem> {
        let event = self.parser.next_event().transpose();
        event.map_err(|error| Place::from(error.marker()).problem(error.info().replace('\n', " ")))
    }

    /// The value that begins with an event.
    fn value(&mut self, event: Event<'a>, span: Span) -> Result<Value, Problem> {
        let place = Place::from(&span.start);
        let range = span.byte_range().unwrap_or_default();
        let mut end = range.end;
        if anchor(&event) {
            self.problems.push(place.problem("anchors (&name) are not read here: remove it"));
        }
        let content = match event {
            // A value that is not there has a tilde for its text, and no length.
            Event::Scalar(..) if span.is_empty() => Content::Text(String::new()),
            Event::Scalar(text, style, ..) => {
                self.scalars.push(range.clone());
                self.plain_in_brackets(place, &text, style);
                Content::Text(text.into_owned())
            }
            Event::SequenceStart(style, ..) => {
                self.brackets += usize::from(style == StructureStyle::Flow);
                let mut entries = Vec::new();
                while let Some((event, span)) = self.next()? {
                    if event == Event::SequenceEnd {
                        end = closing(style, span, end);
                        break;
                    }
                    let entry = self.value(event, span)?;
                    end = end.max(entry.range.end);
                    entries.push(entry);
                }
                self.brackets -= usize::from(style == StructureStyle::Flow);
                Content::List { block: style == StructureStyle::Block, entries }
            }
            Event::MappingStart(style, ..) => {
                self.brackets += usize::from(style == StructureStyle::Flow);
                let mut entries: Vec<(Key, Value)> = Vec::new();
                while let Some((event, span)) = self.next()? {
                    if event == Event::MappingEnd {
                        end = closing(style, span, end);
                        break;
                    }
                    let key = self.value(event, span)?;
                    let Some((event, span)) = self.next()? else { break };
                    let value = self.value(event, span)?;
                    end = end.max(value.range.end).max(key.range.end);
                    self.entry(&mut entries, key, value);
                }
                self.brackets -= usize::from(style == StructureStyle::Flow);
                Content::Table { block: style == StructureStyle::Block, entries }
            }
            _ => {
                self.problems.push(
                    place.problem("aliases (*name) are not read here: write the value itself"),
                );
                Content::Text(String::new())
            }
        };
        Ok(Value { place, range: range.start..end.max(range.start), content })
    }

    /// In brackets YAML 1.1 takes some signs for its own that 1.2 takes for text.
    fn plain_in_brackets(&mut self, place: Place, text: &str, style: ScalarStyle) {
        let sign = text.starts_with(':') || text.contains('?');
        if sign && self.brackets > 0 && style == ScalarStyle::Plain {
            self.problems.push(place.problem("in brackets this has to be in quotes"));
        }
    }

    /// Adds an entry to a table, if its key is text that is not there yet.
    fn entry(&mut self, entries: &mut Vec<(Key, Value)>, key: Value, value: Value) {
        let Content::Text(text) = key.content else {
            self.problems.push(key.place.problem("a key must be text"));
            return;
        };
        match entries.iter().find(|(known, _)| known.text == text) {
            Some((known, _)) => {
                let text = format!("the key `{text}` is on line {}, too", known.place.line);
                self.problems.push(key.place.problem(text));
            }
            None => entries.push((Key { place: key.place, text }, value)),
        }
    }
}

/// Whether a value has a name for aliases.
fn anchor(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Scalar(_, _, 1.., _)
            | Event::SequenceStart(_, 1.., _)
            | Event::MappingStart(_, 1.., _)
    )
}

/// Where a list or table ends: at its bracket, or with its last value.
fn closing(style: StructureStyle, span: Span, last: usize) -> usize {
    match style {
        StructureStyle::Flow => span.byte_range().map_or(last, |range| range.end),
        StructureStyle::Block => last,
    }
}

#[cfg(test)]
mod same;

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Value {
        let mut problems = Vec::new();
        let value = read(text, &mut problems).unwrap();
        assert_eq!(problems, []);
        value
    }

    /// The value of a key of the document.
    fn of<'a>(value: &'a Value, key: &str) -> &'a Value {
        let Content::Table { entries, .. } = &value.content else { panic!("no table") };
        &entries.iter().find(|(known, _)| known.text == key).unwrap().1
    }

    fn text<'a>(value: &'a Value, key: &str) -> &'a str {
        let Content::Text(text) = &of(value, key).content else { panic!("no text") };
        text
    }

    #[test]
    fn values_stay_text() {
        let value = good("a: 12:34:56\nb: no\nc: 1e5\nd: 007\ne:\nf: ~\ng: \"\\x41\"\nh: 'x'\n");
        let all = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| text(&value, key));
        assert_eq!(all, ["12:34:56", "no", "1e5", "007", "", "~", "A", "x"]);
    }

    #[test]
    fn ranges_end_with_the_last_value() {
        let source = "nodes: # all\n  - a: é\n    b: [ 1, 2 ]  # two\n\n# end\nrest: {}\n";
        let value = good(source);
        let nodes = of(&value, "nodes");
        assert_eq!(&source[nodes.range.clone()], "- a: é\n    b: [ 1, 2 ]");
        assert_eq!(nodes.place, Place { line: 2, column: 3 });
        assert_eq!(&source[of(&value, "rest").range.clone()], "{}");
    }

    #[test]
    fn tabs_are_for_comments() {
        good("#\ta\na: 1 # it's\ta\n  #\tb\nb: 'x # y' #\t\"c\"\n");
        for (source, place) in [
            ("a:\t1\n", (1, 3)),
            ("a: 1\t# b\n", (1, 5)),
            ("a: é\t\n", (1, 5)),
            ("a: 1\n\t\nb: 2\n", (2, 1)),
            ("a: 'x # y'\t\n", (1, 11)),
            ("a: x#y\t# b\n", (1, 7)),
            ("a: 'x\ty'\n", (1, 6)),
            ("a: 'x\n  # y'\t\n", (2, 7)),
            ("a: |\n  # x\ty\n", (2, 6)),
        ] {
            let mut problems = Vec::new();
            let stopped = read(source, &mut problems).err();
            problems.extend(stopped);
            let found = problems.first().map(|problem| (problem.line, problem.column));
            assert_eq!(found, Some(place), "{source:?}: {problems:?}");
        }
    }

    #[test]
    fn what_is_refused_is_told_with_its_place() {
        for (source, wanted) in [
            ("a: 1\nb: 2\na: 3\n", (3, "the key `a` is on line 1, too")),
            ("a: &x 1\nb: *x\n", (1, "anchors")),
            ("a: &x [1]\n", (1, "anchors")),
            ("a:\n  &x\n  b: 1\n", (3, "anchors")),
            ("b: *x\n", (1, "aliases")),
            ("? [a]\n: b\n", (1, "a key must be text")),
            ("a: 1\n---\nb: 2\n", (2, "a second document")),
            ("%YAML 1.2\n---\na: 1\n", (1, "")),
            ("a: 1 # \u{2028}b\n", (1, "U+2028")),
            ("a: 1\n# \u{7}\n", (2, "U+0007")),
            ("a: 1\rb: 2\n", (1, "U+000D")),
            ("# x\n...\na: 1\n", (2, "before anything else")),
            ("a: {ip: ::1}\n", (1, "in quotes")),
            ("a: [b?c]\n", (1, "in quotes")),
            ("a: [\n", (1, "unclosed")),
            ("# nothing\n", (0, "it is empty")),
            (&"[".repeat(100), (1, "")),
        ] {
            let mut problems = Vec::new();
            let stopped = read(source, &mut problems).err();
            problems.extend(stopped);
            let found = problems.first().map(|problem| (problem.line, problem.message.clone()));
            let found = found.unwrap_or_else(|| panic!("{source:?} is taken"));
            assert!(found.0 == wanted.0 && found.1.contains(wanted.1), "{source:?}: {found:?}");
        }
    }
}
