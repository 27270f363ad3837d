//! dpkg's triggers (deb-triggers(5), lib/dpkg/triglib.c): who wants to be told of what.
//!
//! `triggers/File` has a line `PATH PACKAGE` for each interest in a path, `triggers/NAME` a line
//! `PACKAGE` for each interest in the trigger NAME; `/noawait` may follow the package. An
//! activation is noted in `triggers/Unincorp` as `TRIGGER PACKAGE…`, the packages being those that
//! await its processing, `-` for none; the next dpkg takes it from there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::UnpackError;
use crate::store::Package;

const NOAWAIT: &str = "/noawait";

/// What a package declares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) trigger: String,
    pub(crate) noawait: bool,
}

impl Interest {
    /// The line for the database.
    pub(crate) fn line(&self, package: &str) -> String {
        format!("{package}{}", if self.noawait { NOAWAIT } else { "" })
    }
}

/// The interests among the directives of a package's `triggers` file. Activations need nothing
/// here: dpkg makes them once more when it configures the package.
pub(crate) fn interests(package: &Package) -> Result<Vec<Interest>, UnpackError> {
    parse(&package.text("triggers")?).map_err(|line| {
        UnpackError::package(package.name(), format!("its triggers file has {line:?}"))
    })
}

fn parse(text: &str) -> Result<Vec<Interest>, String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (directive, trigger) =
            line.split_once(char::is_whitespace).ok_or_else(|| line.to_owned())?;
        let trigger = trigger.trim_start().to_owned();
        match directive {
            "interest" | "interest-await" => found.push(Interest { trigger, noawait: false }),
            "interest-noawait" => found.push(Interest { trigger, noawait: true }),
            "activate" | "activate-await" | "activate-noawait" => {}
            _ => return Err(line.to_owned()),
        }
    }
    Ok(found)
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
        assert_eq!(found[0].line("man-db"), "man-db/noawait");
        assert_eq!(found[1].line("a:arm64"), "a:arm64");
        assert_eq!(parse("interested x\n"), Err("interested x".to_owned()));
        assert!(parse("interest\n").is_err());
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
