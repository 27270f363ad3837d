//! `config.txt`, as a Raspberry Pi 5 reads it on a normal start (Raspberry Pi documentation,
//! "config.txt" and "Conditional filters").

use std::collections::BTreeMap;

/// Bytes of a line that count: the rest is passed over.
const LINE: usize = 98;
/// Filters for models, that a Pi 5 passes.
const MODELS: [&str; 2] = ["pi5", "board-type=0x17"];

/// Files that are included, one within the other and all together, and lines of all together.
const MOST_DEPTH: usize = 8;
const MOST_FILES: usize = 64;
const MOST_LINES: usize = 20_000;
/// Lines that are read, of all files together.
const MOST_SEEN: usize = 200_000;

/// The lines that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigTxt {
    /// In order, as written: `key=value`, or words.
    pub(crate) lines: Vec<Line>,
    /// Lines that include what cannot be read.
    pub(crate) not_included: Vec<Line>,
    /// Files that were included.
    included: usize,
    /// Lines that were read.
    seen: usize,
}

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The file that it is in, as it is named.
    pub(crate) file: String,
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its text, without spaces around it.
    pub(crate) text: String,
}

/// The kinds of filters, and whether they hold: those of one kind replace each other; all kinds must
/// agree.
type Filters = BTreeMap<&'static str, bool>;

impl ConfigTxt {
    /// Takes out what filters exclude on a machine that starts from the partition of this number, and
    /// puts in the files that `read` has for `include`.
    pub(crate) fn parse(
        text: &str,
        partition: u32,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> ConfigTxt {
        let mut config = ConfigTxt::default();
        let mut filters = Filters::new();
        let mut open = vec!["config.txt".to_owned()];
        config.add(text, partition, read, &mut filters, &mut open);
        config
    }

    /// The lines of a file; `open` are the files that it is included by, and itself.
    fn add(
        &mut self,
        text: &str,
        partition: u32,
        read: &dyn Fn(&str) -> Option<String>,
        filters: &mut Filters,
        open: &mut Vec<String>,
    ) {
        let file = open.last().cloned().unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let end = line.char_indices().nth(LINE).map_or(line.len(), |(at, _)| at);
            let line = line[..end].trim();
            // Those that say nothing count, too: a file of them may be included many times.
            self.seen += 1;
            if self.seen > MOST_SEEN {
                return;
            }
            if line.is_empty() || line.starts_with('#') || self.lines.len() >= MOST_LINES {
                continue;
            }
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some("all") => filters.clear(),
                Some(filter) => {
                    let (kind, holds) = filter_kind(filter, partition);
                    filters.insert(kind, holds);
                }
                None if filters.values().all(|holds| *holds) => {
                    let (file, text) = (file.clone(), line.to_owned());
                    self.lines.push(Line { file, number: index + 1, text });
                    if let Some(name) = line.strip_prefix("include ").map(str::trim) {
                        self.include(name, partition, read, filters, open);
                    }
                }
                None => {}
            }
        }
    }

    fn include(
        &mut self,
        name: &str,
        partition: u32,
        read: &dyn Fn(&str) -> Option<String>,
        filters: &mut Filters,
        open: &mut Vec<String>,
    ) {
        let again = open.iter().any(|other| other == name);
        let too_many = open.len() >= MOST_DEPTH || self.included >= MOST_FILES;
        match (!again && !too_many).then(|| read(name)).flatten() {
            Some(text) => {
                self.included += 1;
                open.push(name.to_owned());
                self.add(&text, partition, read, filters, open);
                open.pop();
            }
            None => self.not_included.extend(self.lines.last().cloned()),
        }
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

    /// All values of a setting, with their lines.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a Line, &'a str)> {
        self.lines.iter().filter_map(move |line| {
            let (name, value) = line.text.split_once('=')?;
            (name.trim() == key).then(|| (line, value.trim()))
        })
    }

    /// The initramfs that are named, by `initramfs`, which has no equals sign, or by `ramfsfile`:
    /// they are loaded one behind the other.
    pub(crate) fn initramfs(&self) -> Option<Vec<&str>> {
        let names = self.lines.iter().rev().find_map(|line| {
            let mut words = line.text.split_ascii_whitespace();
            match words.next() {
                Some("initramfs") => Some(words.next().unwrap_or_default()),
                _ => line.text.strip_prefix("ramfsfile=").map(str::trim),
            }
        });
        Some(names?.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
    }

    /// Names of the initramfs; none if it starts without.
    pub(crate) fn initramfs_names(&self, kernel: &str) -> Vec<String> {
        match self.initramfs() {
            Some(names) => names.into_iter().map(str::to_owned).collect(),
            // "auto_initramfs": kernel8.img has initramfs8.
            None if self.is_on("auto_initramfs") => {
                let stem = kernel.strip_prefix("kernel").and_then(|rest| rest.strip_suffix(".img"));
                stem.map(|stem| format!("initramfs{stem}")).into_iter().collect()
            }
            None => Vec::new(),
        }
    }
}

/// The kind of a filter, and whether it holds for a Pi 5 that starts normally. What depends on one
/// board, a pin or a screen is taken as not holding.
fn filter_kind(filter: &str, partition: u32) -> (&'static str, bool) {
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
        _ if filter.starts_with("boot_partition=") => {
            ("partition", filter["boot_partition=".len()..].parse() == Ok(partition))
        }
        _ if filter.starts_with("0x") => ("serial", false),
        _ => ("other", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ConfigTxt {
        ConfigTxt::parse(text, 1, &|_| None)
    }

    #[test]
    fn filters_of_one_kind_replace_and_kinds_add_up() {
        let text = "a=1\n[pi4]\nb=1\n[pi5]\nc=1\n[0x1234]\nd=1\n[all]\ne=1\n[none]\nf=1\n# g=1\n";
        let config = parse(text);
        let keys: Vec<&str> = config.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(keys, ["a=1", "c=1", "e=1"]);
        assert_eq!(config.lines[1].number, 5);
    }

    #[test]
    fn the_initramfs_is_named_or_found() {
        let named = parse("initramfs a.img followkernel\n");
        assert_eq!(named.initramfs_names("kernel8.img"), ["a.img"]);
        let found = parse("auto_initramfs=1\n");
        assert_eq!(found.initramfs_names("kernel_2712.img"), ["initramfs_2712"]);
        assert!(parse("").initramfs_names("kernel8.img").is_empty());
        for text in ["initramfs a,b 0x1000", "ramfsfile=a,b", "initramfs x 0\nramfsfile=a, b\n"] {
            assert_eq!(parse(text).initramfs_names("kernel8.img"), ["a", "b"]);
        }
    }

    #[test]
    fn long_lines_end_early_and_the_last_value_counts() {
        let config = parse(&format!("k=1\nk=2{}\n", "x".repeat(200)));
        assert_eq!(config.get("k").map(str::len), Some(LINE - 2));
    }

    #[test]
    fn included_files_count_where_they_stand() {
        let read = |name: &str| match name {
            "one.txt" => Some("b=2\n[pi4]\nc=3\n".to_owned()),
            "loop.txt" => Some("d=4\ninclude loop.txt\n".to_owned()),
            _ => None,
        };
        let text = "a=1\ninclude one.txt\nx=1\n[all]\ninclude loop.txt\ninclude gone.txt\n";
        let config = ConfigTxt::parse(text, 1, &read);
        let lines = config.lines.iter().filter(|line| !line.text.starts_with("include"));
        let lines: Vec<_> = lines.map(|line| (&line.file[..], &line.text[..])).collect();
        // The filter of the first file goes on behind it.
        assert_eq!(lines, [("config.txt", "a=1"), ("one.txt", "b=2"), ("loop.txt", "d=4")]);
        let missing: Vec<_> = config.not_included.iter().map(|line| &line.text[..]).collect();
        assert_eq!(missing, ["include loop.txt", "include gone.txt"]);
    }

    #[test]
    fn the_partition_is_the_one_that_it_starts_from() {
        let text = "[boot_partition=2]\nkernel=b.img\n[boot_partition=12]\nkernel=c.img\n";
        let kernel = |partition| {
            let config = ConfigTxt::parse(text, partition, &|_| None);
            config.get("kernel").map(str::to_owned)
        };
        assert_eq!(kernel(1), None);
        assert_eq!(kernel(2).as_deref(), Some("b.img"));
        assert_eq!(kernel(12).as_deref(), Some("c.img"));
    }
}
