//! `config.txt`, as a Raspberry Pi 5 reads it on a normal start (Raspberry Pi documentation,
//! "config.txt" and "Conditional filters").

use std::collections::BTreeMap;

/// Bytes of a line that count: the rest is passed over.
const LINE: usize = 98;
/// Filters for models, that a Pi 5 passes.
const MODELS: [&str; 2] = ["pi5", "board-type=0x17"];

/// The lines that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigTxt {
    /// In order, as written: `key=value`, or words.
    pub(crate) lines: Vec<Line>,
}

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its text, without spaces around it.
    pub(crate) text: String,
}

impl ConfigTxt {
    /// Takes out what filters exclude.
    pub(crate) fn parse(text: &str) -> ConfigTxt {
        // Filters of one kind replace each other; all kinds must agree.
        let mut filters: BTreeMap<&str, bool> = BTreeMap::new();
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let end = line.char_indices().nth(LINE).map_or(line.len(), |(at, _)| at);
            let line = line[..end].trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some("all") => filters.clear(),
                Some(filter) => {
                    let (kind, holds) = filter_kind(filter);
                    filters.insert(kind, holds);
                }
                None if filters.values().all(|holds| *holds) => {
                    lines.push(Line { number: index + 1, text: line.to_owned() });
                }
                None => {}
            }
        }
        ConfigTxt { lines }
    }

    /// The last value of a setting.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().rev().find_map(|line| {
            let (name, value) = line.text.split_once('=')?;
            (name.trim() == key).then(|| value.trim())
        })
    }

    /// Whether a setting of 0 or 1 is 1.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value != "0")
    }

    /// The words behind `initramfs`, which has no equals sign, and the number of its line.
    pub(crate) fn initramfs(&self) -> Option<(usize, Vec<&str>)> {
        self.lines.iter().rev().find_map(|line| {
            let mut words = line.text.split_ascii_whitespace();
            (words.next() == Some("initramfs")).then(|| (line.number, words.collect()))
        })
    }

    /// Name of the initramfs.
    pub(crate) fn initramfs_name(&self, kernel: &str) -> Option<String> {
        match self.initramfs() {
            Some((_, words)) => words.first().map(|name| (*name).to_owned()),
            // "auto_initramfs": kernel8.img has initramfs8.
            None if self.is_on("auto_initramfs") => {
                let stem = kernel.strip_prefix("kernel")?.strip_suffix(".img")?;
                Some(format!("initramfs{stem}"))
            }
            None => None,
        }
    }
}

/// The kind of a filter, and whether it holds for a Pi 5 that starts normally. What depends on one
/// board, a pin or a screen is taken as not holding.
fn filter_kind(filter: &str) -> (&'static str, bool) {
    match filter {
        "none" => ("none", false),
        "tryboot" => ("tryboot", false),
        _ if MODELS.contains(&filter) => ("model", true),
        _ if filter.starts_with("pi")
            || filter.starts_with("cm")
            || filter.starts_with("board-") =>
        {
            ("model", false)
        }
        _ if filter.starts_with("boot_partition=") => ("partition", filter.ends_with("=1")),
        _ if filter.starts_with("0x") => ("serial", false),
        _ => ("other", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_one_kind_replace_and_kinds_add_up() {
        let text = "a=1\n[pi4]\nb=1\n[pi5]\nc=1\n[0x1234]\nd=1\n[all]\ne=1\n[none]\nf=1\n# g=1\n";
        let config = ConfigTxt::parse(text);
        let keys: Vec<&str> = config.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(keys, ["a=1", "c=1", "e=1"]);
        assert_eq!(config.lines[1].number, 5);
    }

    #[test]
    fn the_initramfs_is_named_or_found() {
        let named = ConfigTxt::parse("initramfs a.img followkernel\n");
        assert_eq!(named.initramfs_name("kernel8.img").as_deref(), Some("a.img"));
        let found = ConfigTxt::parse("auto_initramfs=1\n");
        assert_eq!(found.initramfs_name("kernel_2712.img").as_deref(), Some("initramfs_2712"));
        assert_eq!(ConfigTxt::parse("").initramfs_name("kernel8.img"), None);
    }

    #[test]
    fn long_lines_end_early_and_the_last_value_counts() {
        let config = ConfigTxt::parse(&format!("k=1\nk=2{}\n", "x".repeat(200)));
        assert_eq!(config.get("k").map(str::len), Some(LINE - 2));
    }
}
