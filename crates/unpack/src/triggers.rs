//! dpkg's triggers (deb-triggers(5), lib/dpkg/triglib.c): who wants to be told of what.
//!
//! `triggers/File` has a line `PATH PACKAGE` for each interest in a path, `triggers/NAME` a line
//! `PACKAGE` for each interest in the trigger NAME; `/noawait` may follow the package. An
//! activation is noted in `triggers/Unincorp` as `TRIGGER PACKAGE…`, the packages being those that
//! await its processing, `-` for none; the next dpkg takes it from there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::UnpackError;
use crate::store::Package;

pub(crate) const TRIGGERS: &str = "var/lib/dpkg/triggers";

const NOAWAIT: &str = "/noawait";

/// What a package declares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) trigger: String,
    pub(crate) noawait: bool,
}

impl Interest {
    /// The file of the database, in `triggers`.
    pub(crate) fn file(&self) -> &str {
        if self.trigger.starts_with('/') { "File" } else { &self.trigger }
    }
}

/// The interests among the directives of a package's `triggers` file. Activations need nothing
/// here: dpkg makes them once more when it configures the package.
pub(crate) fn interests(package: &Package) -> Result<Vec<Interest>, UnpackError> {
    parse(&package.text("triggers")?).map_err(|line| {
        UnpackError::package(package.name(), format!("its triggers file has {line:?}"))
    })
}

pub(crate) fn parse(text: &str) -> Result<Vec<Interest>, String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (directive, trigger) =
            line.split_once(char::is_whitespace).ok_or_else(|| line.to_owned())?;
        let trigger = trigger.trim_start().to_owned();
        if !is_name(&trigger) {
            return Err(line.to_owned());
        }
        match directive {
            "interest" | "interest-await" => found.push(Interest { trigger, noawait: false }),
            "interest-noawait" => found.push(Interest { trigger, noawait: true }),
            "activate" | "activate-await" | "activate-noawait" => {}
            _ => return Err(line.to_owned()),
        }
    }
    Ok(found)
}

/// Whether dpkg takes this for a trigger (`trig_classify_byname`): an absolute path without empty
/// components, or what could be a package's name. It becomes the name of a file.
fn is_name(trigger: &str) -> bool {
    let mut bytes = trigger.bytes();
    match trigger.strip_prefix('/') {
        Some(path) => {
            path.bytes().all(|b| b.is_ascii_graphic())
                && path.split('/').all(|part| !part.is_empty())
        }
        None => {
            bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
                && bytes.all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b))
        }
    }
}

/// A file of interests, to which more are added.
///
/// dpkg reads no file that has two of the same (`trk_file_interest_change`): a later one takes the
/// place of an earlier one, at the end.
#[derive(Debug, Default)]
pub(crate) struct InterestFile {
    lines: Vec<Option<String>>,
    /// Where the line of a subject is: what stands before `/noawait`.
    at: HashMap<String, usize>,
}

impl InterestFile {
    /// From its text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut file = InterestFile::default();
        text.lines().for_each(|line| file.push(line));
        file
    }

    /// Adds the interest of `package`.
    pub(crate) fn add(&mut self, interest: &Interest, package: &str) {
        let subject = match interest.trigger.starts_with('/') {
            true => format!("{} {package}", interest.trigger),
            false => package.to_owned(),
        };
        self.push(&format!("{subject}{}", if interest.noawait { NOAWAIT } else { "" }));
    }

    fn push(&mut self, line: &str) {
        let subject = line.strip_suffix(NOAWAIT).unwrap_or(line).to_owned();
        if let Some(earlier) = self.at.insert(subject, self.lines.len()) {
            self.lines[earlier] = None;
        }
        self.lines.push(Some(line.to_owned()));
    }

    /// Its text.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().flatten().map(|line| format!("{line}\n")).collect()
    }
}

/// Paths in which installed packages are interested, and what was activated.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Path below the root to whether some interest awaits, and some does not.
    paths: HashMap<String, (bool, bool)>,
    activated: BTreeMap<String, BTreeSet<String>>,
}

impl Watched {
    /// From the text of `triggers/File`.
    pub(crate) fn parse(file: &str) -> Self {
        let mut paths: HashMap<String, (bool, bool)> = HashMap::new();
        for (path, package) in file.lines().filter_map(|line| line.rsplit_once(' ')) {
            let entry = paths.entry(path.trim_start_matches('/').to_owned()).or_default();
            if package.ends_with(NOAWAIT) { entry.1 = true } else { entry.0 = true }
        }
        Watched { paths, activated: BTreeMap::new() }
    }

    /// `package` has something at `path`.
    pub(crate) fn touch(&mut self, path: &str, package: &str) {
        let Some((awaits, noawait)) = self.paths.get(path) else { return };
        let who = self.activated.entry(format!("/{path}")).or_default();
        if *awaits {
            who.insert(package.to_owned());
        }
        if *noawait {
            who.insert("-".to_owned());
        }
    }

    /// Forgets what was activated and returns it, added to the text of `triggers/Unincorp`.
    pub(crate) fn take_activated(&mut self, unincorp: &str) -> Option<String> {
        let mut all = std::mem::take(&mut self.activated);
        if all.is_empty() {
            return None;
        }
        for line in unincorp.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            if let Some(trigger) = words.next() {
                all.entry(trigger).or_default().extend(words);
            }
        }
        let line = |(trigger, who): (String, BTreeSet<String>)| {
            format!("{trigger} {}\n", who.into_iter().collect::<Vec<_>>().join(" "))
        };
        Some(all.into_iter().map(line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_unknown_ones_refused() {
        let text =
            "# a\n\ninterest-noawait /usr/share/man\ninterest x\nactivate-noawait ldconfig\n";
        let found = parse(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].file(), found[1].file()), ("File", "x"));
        let add = |text: &str, interest, package| {
            let mut file = InterestFile::parse(text);
            file.add(interest, package);
            file.text()
        };
        assert_eq!(
            add("/usr/share/man man-db\n/usr/share/man other\n", &found[0], "man-db"),
            "/usr/share/man other\n/usr/share/man man-db/noawait\n"
        );
        assert_eq!(
            add("b/noawait\na:arm64/noawait\n", &found[1], "a:arm64"),
            "b/noawait\na:arm64\n"
        );
        assert_eq!(parse("interested x\n"), Err("interested x".to_owned()));
        assert!(parse("interest\n").is_err());
        for name in ["../x", "a/b", "/a//b", "/a/", "/", "a_b", "a b", "/a\u{7f}"] {
            assert!(parse(&format!("interest {name}\n")).is_err(), "{name}");
        }
    }

    /// The whole file was written anew for each interest.
    #[test]
    fn time_is_linear_to_the_number_of_interests() {
        let started = std::time::Instant::now();
        let mut file = InterestFile::default();
        for number in 0..100_000 {
            let interest = Interest { trigger: format!("/a{number}"), noawait: false };
            file.add(&interest, "x");
        }
        assert_eq!(file.text().lines().count(), 100_000);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn only_watched_paths_activate() {
        let mut watched = Watched::parse("/usr/share/man man-db/noawait\n/etc/a b\n/etc/a c\n");
        watched.touch("usr/share/doc", "x");
        assert_eq!(watched.take_activated("old -\n"), None);
        watched.touch("usr/share/man", "x");
        watched.touch("etc/a", "x");
        watched.touch("etc/a", "y:arm64");
        assert_eq!(
            watched.take_activated("old -\n/etc/a z\n").as_deref(),
            Some("/etc/a x y:arm64 z\n/usr/share/man -\nold -\n")
        );
        assert_eq!(watched.take_activated(""), None);
    }
}
