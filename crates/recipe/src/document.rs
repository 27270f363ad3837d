//! A TOML file with `--set` laid over it, and the way back from a value to its place.
//!
//! The overrides are parsed as if they stood below the file's last line: every byte of the
//! document has one offset, so a span says by itself whether it lies in the file or in which
//! option.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Place, Problem, did_you_mean};

/// A text, where it comes from, and the overrides that apply to it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    file: String,
    /// The file's text, then one line for each override.
    text: String,
    /// Offsets in `text` at which its lines begin: a recipe of many lines is asked for the place of
    /// each of its values, and counting lines for each is quadratic.
    lines: Vec<usize>,
    /// Offset in `text` where the overrides begin.
    own: usize,
    /// Name of the option each override came by, in order.
    overrides: Vec<(usize, &'static str)>,
}

/// A dotted key and a value, as given on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    /// `--set` or `--arch`.
    pub(crate) option: &'static str,
    /// `image.board=uefi`.
    pub(crate) text: String,
}

impl Document {
    /// A document of its own.
    pub(crate) fn new(file: impl Into<String>, text: &str) -> Self {
        let mut document = Document {
            file: file.into(),
            text: String::new(),
            lines: vec![0],
            own: 0,
            overrides: Vec::new(),
        };
        document.append(text);
        document.own = document.text.len();
        document
    }

    /// Adds whole lines to the text.
    fn append(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
        let ends = self.text[start..].match_indices('\n').map(|(end, _)| start + end + 1);
        self.lines.extend(ends);
    }

    /// The typed content, with `overrides` applied in order.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        overrides: &[Override],
    ) -> Result<T, Problem> {
        let own = self.text[..self.own].to_owned();
        let mut shifted = Vec::new();
        for option in overrides {
            let start = self.text.len();
            self.overrides.push((start, option.option));
            self.append(&line_of(&option.text));
            // Blank bytes before an override give its values their offsets in `text`.
            shifted.push((start, " ".repeat(start) + &self.text[start..]));
        }
        let mut root = DeTable::parse(&own).map_err(|error| self.explain(&error))?;
        for (start, text) in &shifted {
            let table = DeTable::parse(text).map_err(|error| {
                let span = error.span().unwrap_or_default();
                self.problem(
                    span.start.max(*start)..span.end.max(*start),
                    format!("not KEY=VALUE: {}", error.message()),
                )
                .hint("write --set table.key=value, for example --set kubernetes.upstream=1.36")
            })?;
            self.merge(root.get_mut(), table.into_inner())?;
        }
        T::deserialize(toml::de::Deserializer::from(root)).map_err(|error| self.explain(&error))
    }

    /// The place of an offset.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let offset = span.start.min(self.text.len().saturating_sub(1));
        let offset = floor(&self.text, offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[..line].last().copied().unwrap_or(0);
        let column = self.text[start..offset].chars().count() + 1;
        if offset < self.own {
            return Place { file: self.file.clone(), line, column };
        }
        // One override may be several lines, so lines do not tell which it is.
        let until = self.overrides.partition_point(|(start, _)| *start <= offset);
        let option = self.overrides[..until].last().map_or("--set", |(_, option)| *option);
        let number = self.overrides[..until].iter().filter(|(_, o)| *o == option).count();
        Place { file: option.to_owned(), line: number, column }
    }

    /// A problem at `span`.
    pub(crate) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(self.place(&span), message)
    }

    /// A problem with the document as a whole.
    pub(crate) fn whole(&self, message: impl Into<String>) -> Problem {
        Problem::new(Place { file: self.file.clone(), line: 0, column: 0 }, message)
    }

    /// Lays `over` onto `base`: tables are merged key by key, everything else is replaced.
    fn merge<'a>(&self, base: &mut DeTable<'a>, over: DeTable<'a>) -> Result<(), Problem> {
        for (key, value) in over {
            let (span, value_span) = (key.span(), value.span());
            let name = key.get_ref().to_string();
            match (base.get_mut(name.as_str()).map(Spanned::get_mut), value.into_inner()) {
                (Some(DeValue::Table(base)), DeValue::Table(over)) => self.merge(base, over)?,
                (Some(DeValue::Table(_)), _) => {
                    return Err(self
                        .problem(span, format!("`{name}` is a table, not a value"))
                        .hint(format!("set one of its keys: {name}.KEY=VALUE")));
                }
                (_, value) => {
                    base.remove(name.as_str());
                    base.insert(key, Spanned::new(value_span, value));
                }
            }
        }
        Ok(())
    }

    /// A parse or type error of the TOML library in our words.
    fn explain(&self, error: &toml::de::Error) -> Problem {
        let message = error.message();
        let problem = match error.span() {
            Some(span) => self.problem(span, restate(message)),
            None => self.whole(restate(message)),
        };
        problem.maybe_hint(suggest(message))
    }
}

/// An override as a line of TOML. A value that is TOML stays (`"a"`, `true`, `["a"]`);
/// everything else, `7` and `1.36` included, is a string: no key that can be set is a number.
fn line_of(text: &str) -> String {
    let Some((key, value)) = text.split_once('=') else { return text.to_owned() };
    let value = value.trim();
    let toml = matches!(value, "true" | "false") || value.starts_with(['"', '\'', '[', '{']);
    match toml {
        true => format!("{key}={value}"),
        false => format!("{key}={}", toml::Value::from(value)),
    }
}

/// The greatest character boundary not after `offset`.
fn floor(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The words between backticks.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// serde speaks of fields and variants; whoever writes a recipe knows keys and values.
fn restate(message: &str) -> String {
    let words = quoted(message);
    match (message, words.first()) {
        (m, Some(word)) if m.starts_with("unknown field") => format!("unknown key `{word}`"),
        (m, Some(word)) if m.starts_with("missing field") => format!("missing key `{word}`"),
        (m, Some(word)) if m.starts_with("duplicate field") => format!("key `{word}` twice"),
        (m, Some(word)) if m.starts_with("unknown variant") => format!("unknown value `{word}`"),
        _ => message.trim_end().replace('\n', "; ").replace("a sequence", "a list"),
    }
}

/// What was probably meant, else what is possible, or how a value of the right type is written.
fn suggest(message: &str) -> Option<String> {
    if message.starts_with("invalid type") {
        let (_, expected) = message.rsplit_once("expected ")?;
        let example = match expected.trim_end() {
            "a string" => "in quotes: \"...\"",
            "a sequence" => "a list: [\"...\", \"...\"]",
            "a boolean" => "true or false, without quotes",
            "a map" => "a table: [name], and its keys below",
            number if number.starts_with(['i', 'u']) => "a number, without quotes",
            other if other.starts_with("struct") => "a table: [name], and its keys below",
            _ => return None,
        };
        return Some(format!("write {example}"));
    }
    let words = quoted(message);
    let (word, known) = words.split_first()?;
    if !message.starts_with("unknown") || known.is_empty() {
        return None;
    }
    did_you_mean(word, known.iter().copied())
        .or_else(|| Some(format!("possible here: {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        image: BTreeMap<String, toml::Value>,
        #[serde(default)]
        level: Option<Spanned<u32>>,
        #[serde(default)]
        word: Option<Spanned<String>>,
    }

    fn set(text: &str) -> Override {
        Override { option: "--set", text: text.to_owned() }
    }

    #[test]
    fn an_override_of_several_lines_is_one_place() {
        let mut document = Document::new("osb.toml", "[image]\nname = \"a\"\n");
        let set = |text: &str| Override { option: "--set", text: text.to_owned() };
        let read: toml::Table = document
            .read(&[set("image.layers=[\"base\",\n\n\"k8s\"]"), set("image.version=7")])
            .unwrap();
        assert_eq!(read["image"]["version"].as_str(), Some("7"));
        let offset = |text: &str| document.text.find(text).unwrap();
        let at = |text: &str| document.place(&(offset(text)..offset(text) + 1));
        assert_eq!((at("k8s").file.as_str(), at("k8s").line), ("--set", 1));
        assert_eq!((at("7").file.as_str(), at("7").line), ("--set", 2));
    }

    #[test]
    fn overrides_merge_into_tables_and_keep_plain_words_strings() {
        let mut document = Document::new("a.toml", "[image]\nname = \"x\"\nkept = 1\n");
        let sample: Sample =
            document.read(&[set("image.name=1.36"), set("image.new=true"), set("word=7")]).unwrap();
        assert_eq!(sample.image["name"].as_str(), Some("1.36"));
        assert_eq!(sample.image["kept"].as_integer(), Some(1));
        assert_eq!(sample.image["new"].as_bool(), Some(true));
        let place = document.place(&sample.word.unwrap().span());
        assert_eq!(place.to_string(), "--set:3:6");
    }

    #[test]
    fn unknown_keys_have_a_place_and_a_hint() {
        let mut document = Document::new("a.toml", "# é\nlevl = 3\n");
        let problem = document.read::<Sample>(&[]).unwrap_err();
        assert_eq!(problem.to_string(), "a.toml:2:1: unknown key `levl`");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `level`?"));
    }

    #[test]
    fn a_bad_override_is_named() {
        let mut document = Document::new("a.toml", "");
        let problem = document.read::<Sample>(&[set("word=7"), set("wrod=8")]).unwrap_err();
        assert_eq!(problem.place.to_string(), "--set:2:1");
        let mut document = Document::new("a.toml", "");
        let problem = document.read::<Sample>(&[set("level")]).unwrap_err();
        assert_eq!(problem.place.file, "--set");
        let mut document = Document::new("a.toml", "[image]\na = 1\n");
        let problem = document.read::<Sample>(&[set("image=7")]).unwrap_err();
        assert!(problem.message.contains("is a table"), "{problem}");
    }

    #[test]
    fn wrong_types_and_syntax_errors_have_a_place() {
        let right: Sample = Document::new("a.toml", "level = 3\n").read(&[]).unwrap();
        assert_eq!(right.level.map(Spanned::into_inner), Some(3));
        let mut document = Document::new("a.toml", "level = \"3\"\n");
        let problem = document.read::<Sample>(&[]).unwrap_err();
        assert_eq!(problem.place.to_string(), "a.toml:1:9");
        assert_eq!(problem.hint.as_deref(), Some("write a number, without quotes"));
        let mut document = Document::new("a.toml", "image = 3\n");
        let problem = document.read::<Sample>(&[]).unwrap_err();
        assert_eq!(problem.hint.as_deref(), Some("write a table: [name], and its keys below"));
        let mut document = Document::new("a.toml", "level = 3\nimage = [\n");
        let problem = document.read::<Sample>(&[]).unwrap_err();
        assert_eq!(problem.place.file, "a.toml");
        assert!(problem.place.line >= 2, "{problem}");
    }
}
