//! dpkg's database: which files its packages have, and what is known of their contents.

use std::collections::{HashMap, HashSet};

use osb_image::Diversions;
use osb_tree::{Inode, Kind, Tree};
use osb_unpack::Filter;

use crate::read::{self, Files};

/// How much of all lists and sums is read, in bytes: a desktop has some 60 MiB.
const LISTS: u64 = 96 << 20;
/// Most bytes of the database of packages.
pub(crate) const STATUS: u64 = 16 << 20;
/// Most patterns for what is not unpacked: each path is held against all of them.
const MOST_PATTERNS: usize = 256;
const FOLDER: &[u8] = b"var/lib/dpkg/info";

/// The packages' files, but for directories that are there.
#[derive(Debug, Default)]
pub(crate) struct Dpkg {
    /// In the order of packages and their lists.
    pub(crate) files: Vec<Listed>,
    /// The packages' names.
    pub(crate) packages: Vec<String>,
    /// Packages that are not installed as they should be: name and state.
    pub(crate) odd_states: Vec<(String, String)>,
    /// Packages whose versions are held.
    pub(crate) held: HashSet<String>,
    /// Packages some of whose files have no sums: name, and how many.
    pub(crate) without_sums: Vec<(String, usize)>,
    /// Packages without a whole list of files: name, and what is wrong with it.
    pub(crate) without_list: Vec<(String, String)>,
    /// Files of the database that could not be read, and why.
    pub(crate) unread: Vec<(Vec<u8>, String)>,
    by_path: HashMap<Vec<u8>, usize>,
}

/// A path that a package lists.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Index of the package.
    pub(crate) package: usize,
    /// Where it is, links on the way followed, behind diversions.
    pub(crate) path: Vec<u8>,
    /// What its content is, if that is known and must be so.
    pub(crate) md5: Option<[u8; 16]>,
    /// Whether it is configuration, which may be changed.
    pub(crate) conffile: bool,
    /// Whether dpkg was told not to unpack it.
    pub(crate) excluded: bool,
}

impl Dpkg {
    /// Reads the database of a root.
    pub(crate) fn read(root: &Tree, reader: &Files) -> Dpkg {
        let mut dpkg = Dpkg::default();
        let mut left = LISTS;
        let mut unread = Vec::new();
        let mut take = |path: &[u8]| -> Vec<u8> {
            let content = root.get(path).and_then(Inode::content);
            let bytes = content.map_or(Ok(Vec::new()), |content| read::bytes(content, left));
            let bytes = bytes.unwrap_or_else(|why| {
                unread.push((path.to_vec(), why));
                Vec::new()
            });
            left -= bytes.len() as u64;
            bytes
        };
        let status = reader.limited(root, "var/lib/dpkg/status", STATUS).unwrap_or_default();
        let (names, conffiles) = dpkg.status(&status);
        let diversions = take(b"var/lib/dpkg/diversions");
        let diversions = Diversions::parse(&diversions);
        let filter = filter(root, reader);
        let mut folders = Folders { root, known: HashMap::new() };
        for name in names {
            let info = |suffix: &str| [FOLDER, b"/", name.as_bytes(), suffix.as_bytes()].concat();
            if root.get(info(".list")).is_none() {
                dpkg.without_list.push((name, "there is none".to_owned()));
                continue;
            }
            let (list, sums) = (take(&info(".list")), take(&info(".md5sums")));
            let sums: HashMap<&[u8], [u8; 16]> =
                sums.split(|b| *b == b'\n').filter_map(sum).collect();
            if let Some(problem) = list_problem(&list, &sums) {
                dpkg.without_list.push((name.clone(), problem));
            }
            let plain = name.split(':').next().unwrap_or(&name).as_bytes();
            let (index, before) = (dpkg.packages.len(), dpkg.files.len());
            for line in list.split(|byte| *byte == b'\n') {
                // The root itself is `/.`.
                let Some(listed) =
                    line.strip_prefix(b"/").filter(|path| !matches!(*path, b"" | b"."))
                else {
                    continue;
                };
                let behind = diversions.behind(line, plain);
                let diverted = behind != line;
                let path = folders.real(behind.strip_prefix(b"/").unwrap_or(behind));
                if root.get(&path).is_some_and(Inode::is_directory) {
                    continue;
                }
                let text = String::from_utf8_lossy(listed);
                dpkg.files.push(Listed {
                    package: index,
                    md5: sums.get(listed).copied(),
                    conffile: conffiles.contains(line) && !diverted,
                    excluded: filter.skips_path(&text, true),
                    path,
                });
            }
            let files = &dpkg.files[before..];
            let plain_files = files.iter().filter(|file| !file.conffile && !file.excluded);
            let unknown = plain_files.filter(|file| {
                let inode = root.get(&file.path);
                file.md5.is_none() && inode.is_some_and(|inode| matches!(inode.kind, Kind::File(_)))
            });
            match unknown.count() {
                0 => {}
                count => dpkg.without_sums.push((name.clone(), count)),
            }
            dpkg.packages.push(name);
        }
        dpkg.unread = unread;
        let paths = dpkg.files.iter().enumerate();
        dpkg.by_path = paths.map(|(index, file)| (file.path.clone(), index)).collect();
        dpkg
    }

    /// Reads `status`; the names by which packages have files in `info`, and all conffiles.
    fn status(&mut self, status: &str) -> (Vec<String>, HashSet<Vec<u8>>) {
        let (mut names, mut conffiles) = (Vec::new(), HashSet::new());
        for stanza in status.split("\n\n") {
            let field = |name: &str| {
                stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let (Some(name), Some(state)) = (field("Package"), field("Status")) else { continue };
            let mut words = state.split(' ');
            if words.next() == Some("hold") {
                self.held.insert(name.to_owned());
            }
            match (words.next(), words.next()) {
                (Some("ok"), Some("installed")) => {}
                (Some("ok"), Some("config-files" | "not-installed")) => continue,
                _ => self.odd_states.push((name.to_owned(), state.to_owned())),
            }
            let same = field("Multi-Arch") == Some("same");
            names.push(match (same, field("Architecture")) {
                (true, Some(architecture)) => format!("{name}:{architecture}"),
                _ => name.to_owned(),
            });
            let lines = stanza.lines().skip_while(|line| !line.starts_with("Conffiles:")).skip(1);
            for line in lines.take_while(|line| line.starts_with(' ')) {
                conffiles.extend(
                    line.split_ascii_whitespace().next().map(|path| path.as_bytes().to_vec()),
                );
            }
        }
        (names, conffiles)
    }

    /// What is listed at a path.
    pub(crate) fn at(&self, path: &[u8]) -> Option<&Listed> {
        self.by_path.get(path).map(|index| &self.files[*index])
    }

    /// The name of the package that a file is of.
    pub(crate) fn package(&self, file: &Listed) -> &str {
        &self.packages[file.package]
    }
}

/// What is wrong with a list of files: it ends within a line, or lacks files that have sums.
fn list_problem(list: &[u8], sums: &HashMap<&[u8], [u8; 16]>) -> Option<String> {
    if list.last().is_some_and(|byte| *byte != b'\n') {
        return Some("it is cut off".to_owned());
    }
    let listed: HashSet<&[u8]> = list.split(|byte| *byte == b'\n').collect();
    let is_listed = |path: &&[u8]| listed.contains(&[b"/", *path].concat()[..]);
    let lacking = sums.keys().find(|path| !is_listed(path))?;
    Some(format!("it lacks /{}, of which the package has the sum", lacking.escape_ascii()))
}

/// A line of md5sums(5).
fn sum(line: &[u8]) -> Option<(&[u8], [u8; 16])> {
    let (digits, path) = line.split_at_checked(32)?;
    let mut sum = [0; 16];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some((path.strip_prefix(b"  ")?, sum))
}

/// What dpkg is told not to unpack (dpkg(1), `path-exclude`).
fn filter(root: &Tree, reader: &Files) -> Filter {
    let mut texts: Vec<String> = reader.text(root, "etc/dpkg/dpkg.cfg").into_iter().collect();
    texts.extend(reader.texts(root, "etc/dpkg/dpkg.cfg.d", "").into_iter().map(|(_, text)| text));
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("path-"));
    // `path-exclude /x` is the same as `path-exclude=/x`.
    let lines = lines.map(|line| line.replacen([' ', '\t'], "=", 1)).take(MOST_PATTERNS);
    let lines: Vec<String> = lines.collect();
    Filter::parse(lines.iter().map(String::as_str))
}

/// Where folders lead: packages may still say `/lib`, since `usr` was merged.
struct Folders<'a> {
    root: &'a Tree,
    known: HashMap<Vec<u8>, Vec<u8>>,
}

impl Folders<'_> {
    fn real(&mut self, path: &[u8]) -> Vec<u8> {
        let Some(at) = path.iter().rposition(|byte| *byte == b'/') else { return path.to_vec() };
        let (folder, name) = path.split_at(at);
        if !self.known.contains_key(folder) {
            let real = self.root.resolve(folder).unwrap_or_else(|_| folder.to_vec());
            self.known.insert(folder.to_vec(), real);
        }
        [&self.known[folder][..], name].concat()
    }
}
