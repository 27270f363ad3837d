//! dpkg's path rules against a recursive matcher that is slow and plain.

use osb_unpack::{Entry, Filter, Kind};

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "filter",
    about: "path-exclude rules for a path on the first line; a plain matcher agrees",
    run,
    seeds,
    words: &["path-exclude=/", "path-include=/", "*", "?", "[", "]", "[!", "\\", "-"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, rules) = text.split_once('\n').unwrap_or((text, ""));
    let kind = Kind::File;
    let entry = Entry { path: path.to_owned(), kind, mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    let skips = Filter::parse(rules.lines()).skips(&entry);
    let directory = Entry { kind: Kind::Directory, ..entry };
    assert!(skips || !Filter::parse(rules.lines()).skips(&directory), "a folder comes back sooner");
    // The plain one takes exponential time, so it is for what is short, and knows no brackets.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/*?.".contains(c);
    let patterns: Vec<(bool, &str)> = rules
        .lines()
        .filter_map(|line| {
            let include = line.strip_prefix("path-include=").map(|pattern| (true, pattern));
            include.or_else(|| Some((false, line.strip_prefix("path-exclude=")?)))
        })
        .collect();
    if path.len() > 30 || patterns.iter().any(|(_, p)| p.len() > 12 || !p.chars().all(plain)) {
        return;
    }
    let text: Vec<char> = format!("/{path}").chars().collect();
    let matching =
        |(_, pattern): &&(bool, &str)| matches(&pattern.chars().collect::<Vec<_>>(), &text);
    let last = patterns.iter().rev().find(matching);
    assert_eq!(skips, last.is_some_and(|(include, _)| !include), "{path:?} {rules:?}");
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            matches(rest, text) || !text.is_empty() && matches(pattern, &text[1..])
        }
        (['?', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([literal, rest @ ..], [c, text @ ..]) => literal == c && matches(rest, text),
        _ => false,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let rules = "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n\
                 path-exclude=/l/en[_@]*/*\npath-exclude=/[!a-c]\\*?";
    let text = format!("usr/share/doc/a/copyright\n{rules}\n");
    let mut seeds = texts([text.as_str(), "a\npath-exclude=*a*b\n", "a\npath-exclude=/?*"]);
    seeds.push(long("a\n", "path-exclude=/usr/share/#/*\n", ""));
    // Paths have at most 4095 bytes, patterns are the recipe's: no more than is real.
    let path = "a".repeat(4000);
    seeds.push(format!("{path}\npath-exclude=*{}\n", "a".repeat(200)).into_bytes());
    seeds.push(format!("{path}\npath-exclude=*{}\n", "[".repeat(200)).into_bytes());
    seeds.push(format!("{path}\npath-exclude={}b\n", "*a".repeat(100)).into_bytes());
    seeds
}
