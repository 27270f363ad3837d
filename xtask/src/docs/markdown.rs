//! As much of Markdown as the checks need: fenced blocks, headings, links.
//!
//! A comment of HTML above a block says what it is, and is not shown to readers:
//!
//! - `<!-- file: PATH -->`: the block is this file of the page's project;
//! - `<!-- no-run: REASON -->`: the commands are not run, and why.

use anyhow::{Context, Result, bail, ensure};

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its opening fence, from 1.
    pub(crate) line: usize,
    /// The first word behind the fence; empty if there is none.
    pub(crate) language: String,
    /// What is between the fences.
    pub(crate) text: String,
    /// What the comment above it says.
    pub(crate) note: Option<Note>,
}

/// What a comment says of the block below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// It is the content of this file.
    File(String),
    /// It is not run, for this reason.
    NoRun(String),
}

/// A link, and the line it is in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// All fenced blocks, in order.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut found = Vec::new();
    let mut note = None;
    let mut open: Option<(Block, &str)> = None;
    for (line, content) in numbered(text) {
        let trimmed = content.trim();
        if let Some((block, end)) = &mut open {
            if trimmed == *end {
                found.extend(open.take().map(|(block, _)| block));
            } else {
                block.text.push_str(content);
                block.text.push('\n');
            }
        } else if let Some((end, info)) = fence(trimmed) {
            let language = info.split([' ', ',']).next().unwrap_or_default().to_owned();
            open = Some((Block { line, language, text: String::new(), note: note.take() }, end));
        } else if let Some(comment) = comment(trimmed) {
            ensure!(note.is_none(), "line {line}: the comment above belongs to no block");
            note = self::note(comment).with_context(|| format!("line {line}"))?;
        } else if !trimmed.is_empty() && note.is_some() {
            bail!("line {line}: a comment about a block is above something else");
        }
    }
    match (open, note) {
        (Some((block, _)), _) => bail!("line {}: this block has no end", block.line),
        (None, Some(_)) => bail!("the last comment belongs to no block"),
        (None, None) => Ok(found),
    }
}

/// The anchors that headings get, as mdBook and GitHub make them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let Some(title) = line[level..].strip_prefix(' ').filter(|_| (1..=6).contains(&level))
        else {
            continue;
        };
        let plain = anchor(title);
        let same = |name: &&String| **name == plain || numbered_name(name, &plain);
        let before = found.iter().filter(same).count();
        found.push(if before == 0 { plain } else { format!("{plain}-{before}") });
    }
    found
}

/// All links and pictures that are not in code.
pub(crate) fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let mut rest = without_code(content);
        if let Some((name, target)) = rest.strip_prefix('[').and_then(|text| text.split_once("]: "))
            && !name.contains(']')
        {
            found.push(Link { line, target: target.trim().to_owned() });
            continue;
        }
        while let Some(at) = rest.find("](") {
            let behind = rest.split_off(at + 2);
            let Some(end) = behind.find(')') else { break };
            let target = behind[..end].split(' ').next().unwrap_or_default();
            found.push(Link { line, target: target.to_owned() });
            rest = behind[end..].to_owned();
        }
    }
    found
}

/// Lines with their numbers, from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// The lines that are in no fenced block.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut open: Option<&str> = None;
    numbered(text).filter(move |(_, line)| match (open, fence(line.trim())) {
        (None, None) => true,
        (None, Some((end, _))) => {
            open = Some(end);
            false
        }
        (Some(end), _) => {
            if line.trim() == end {
                open = None;
            }
            false
        }
    })
}

/// The fence that ends a block, and what stands behind the one that begins it.
fn fence(line: &str) -> Option<(&str, &str)> {
    let length = line.bytes().take_while(|byte| *byte == b'`').count();
    let info = line[length..].trim();
    (length >= 3 && !info.contains('`')).then(|| (&line[..length], info))
}

/// What a comment that is alone in its line says.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!--")?.strip_suffix("-->").map(str::trim)
}

/// What a comment says of a block; other comments are for people.
fn note(comment: &str) -> Result<Option<Note>> {
    let Some((key, value)) = comment.split_once(": ") else { return Ok(None) };
    let value = value.trim();
    match key {
        "file" => {
            let inside = value.split('/').all(|part| !matches!(part, "" | "." | ".."));
            ensure!(inside, "{value:?} is no path inside a project");
            Ok(Some(Note::File(value.to_owned())))
        }
        "no-run" => {
            ensure!(value.len() > 5, "no-run wants a reason");
            Ok(Some(Note::NoRun(value.to_owned())))
        }
        _ => Ok(None),
    }
}

/// A heading as an anchor.
fn anchor(title: &str) -> String {
    let keep = |char: char| match char {
        '-' | '_' => Some(char),
        _ if char.is_alphanumeric() => Some(char.to_ascii_lowercase()),
        _ if char.is_whitespace() => Some('-'),
        _ => None,
    };
    title.trim().chars().filter_map(keep).collect()
}

/// Whether `name` is `plain` with the number that makes a second one unique.
fn numbered_name(name: &str, plain: &str) -> bool {
    let number = name.strip_prefix(plain).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A line without what stands in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# One `two`, three\n\
        See [a](b.md#c) and `[not](this)`, ![x](y.svg \"title\").\n\
        [ref]: https://example.org\n\
        <!-- for people -->\n\
        <!-- file: layers/a/layer.toml -->\n\n\
        ```toml\n# not a heading [no](link)\n```\n\
        ## Again\n## Again\n\
        <!-- no-run: needs a board -->\n\
        ````console,x\n$ osb build\n```\n````\n\
        ```\nplain\n```\n";

    #[test]
    fn blocks_have_their_comments() {
        let found = blocks(PAGE).unwrap();
        let expected = [
            (
                "toml",
                "# not a heading [no](link)\n",
                Some(Note::File("layers/a/layer.toml".into())),
            ),
            ("console", "$ osb build\n```\n", Some(Note::NoRun("needs a board".into()))),
            ("", "plain\n", None),
        ];
        assert_eq!(found.len(), expected.len());
        for (block, (language, text, note)) in found.iter().zip(expected) {
            assert_eq!((block.language.as_str(), block.text.as_str()), (language, text));
            assert_eq!(block.note, note);
        }
        assert_eq!(found[0].line, 7);
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(anchors(PAGE), ["one-two-three", "again", "again-1"]);
    }

    #[test]
    fn links_in_code_are_none() {
        let found = links(PAGE);
        let targets: Vec<&str> = found.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["b.md#c", "y.svg", "https://example.org"]);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, says) in [
            ("```sh\n", "no end"),
            ("<!-- file: ../x -->\n```\n```\n", "no path"),
            ("<!-- file: /x -->\n```\n```\n", "no path"),
            ("<!-- no-run: x -->\n```\n```\n", "wants a reason"),
            ("<!-- file: x -->\ntext\n", "something else"),
            ("<!-- file: x -->\n<!-- file: y -->\n```\n```\n", "no block"),
            ("<!-- file: x -->\n", "no block"),
        ] {
            let error = format!("{:#}", blocks(text).unwrap_err());
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
