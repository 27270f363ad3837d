//! Where in the text of a `nodes.yaml` one more entry goes.

use crate::yaml::{self, Content, Value};

/// The text with an entry behind the last one, if there is a place; `entry` writes it, its dash
/// behind an indentation.
pub(crate) fn with_entry(text: &str, entry: &dyn Fn(&str) -> String) -> Option<String> {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines = |indent: &str| entry(indent).replace('\n', newline);
    let first = || insert(text, text.len(), newline, &format!("nodes:{newline}{}", lines("  ")));
    if says_nothing(text) {
        return Some(first());
    }
    let body = without_mark(text);
    let mark = text.len() - body.len();
    let document = yaml::read(body, &mut Vec::new()).ok()?;
    let Content::Table { block: true, entries } = &document.content else { return None };
    let Some((_, nodes)) = entries.iter().find(|(key, _)| key.text == "nodes") else {
        return Some(first());
    };
    let Content::List { block, entries } = &nodes.content else { return None };
    match (block, entries.is_empty()) {
        (true, _) => {
            let indent = indentation(body, entries.first()?)?;
            let at = mark + end_of_entries(body, nodes, indent.len());
            Some(insert(text, at, newline, &lines(indent)))
        }
        // Of `[]` the brackets go; what stands behind them in the line stays.
        (false, true) if is_bare(&body[nodes.range.clone()]) => {
            let before = text[..mark + nodes.range.start].trim_end_matches(' ');
            let at = end_of_line(body, nodes.range.end) - nodes.range.end + before.len();
            let without = format!("{before}{}", &body[nodes.range.end..]);
            Some(insert(&without, at, newline, &lines("  ")))
        }
        (false, _) => None,
    }
}

/// Whether there are blank lines and comments only.
pub(crate) fn says_nothing(text: &str) -> bool {
    without_mark(text).lines().all(yaml::is_blank)
}

/// A text without the byte order mark that editors of other systems put in front.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Whether brackets have nothing between them, not even a comment.
fn is_bare(brackets: &str) -> bool {
    let inner = brackets.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// What stands before the dash of an entry, if the two are on one line and it is blanks alone.
fn indentation<'t>(text: &'t str, entry: &Value) -> Option<&'t str> {
    let before = text[..entry.range.start].trim_end_matches(' ').strip_suffix('-')?;
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    line.chars().all(|char| char == ' ').then_some(line)
}

/// Where the next entry of a list begins whose dashes are behind `indent` blanks. Comments that are
/// indented deeper belong to the last entry.
fn end_of_entries(text: &str, list: &Value, indent: usize) -> usize {
    // A text of several lines goes on through the blank lines behind it.
    let mut end = end_of_line(text, text[..list.range.end].trim_end().len());
    let mut at = end;
    for line in text[end..].split_inclusive('\n') {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let comment = line.trim_start().starts_with('#');
        at += line.len();
        match (comment, yaml::is_blank(line)) {
            (true, _) if depth > indent => end = at,
            (false, true) => {}
            _ => break,
        }
    }
    end
}

/// Where the line ends in which `at` is, with its line break.
fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length + 1)
}

/// Puts whole lines into a text, at the beginning of a line or at the end.
fn insert(text: &str, at: usize, newline: &str, lines: &str) -> String {
    let (before, after) = text.split_at(at);
    let at_line_start = without_mark(before).is_empty() || before.ends_with('\n');
    let newline = if at_line_start { "" } else { newline };
    format!("{before}{newline}{lines}{after}")
}
