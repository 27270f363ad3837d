//! What moved between two locks.

use std::collections::BTreeMap;
use std::fmt;

use super::{Lock, LockedPackage};
use crate::date::format_day;

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What it was; none if it is new.
    pub from: Option<String>,
    /// What it is; none if it is gone.
    pub to: Option<String>,
    /// `package`, `tool (build, amd64)` or `source`.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { name, from, to, what } = self;
        match (from, to) {
            (Some(from), Some(to)) => write!(f, "{what} {name}: {from} → {to}"),
            (None, Some(to)) => write!(f, "{what} {name}: new, {to}"),
            (Some(from), None) => write!(f, "{what} {name}: gone, was {from}"),
            (None, None) => write!(f, "{what} {name}: changed"),
        }
    }
}

/// Sorted by kind and name.
pub(super) fn diff(old: &Lock, new: &Lock) -> Vec<Change> {
    let (old, new) = (contents(old), contents(new));
    let mut changes = Vec::new();
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (from, to) = (old.get(key), new.get(key));
        if from == to {
            continue;
        }
        let (what, name) = key.clone();
        // The same version with other bytes deserves to be seen as such.
        let same_text = from.zip(to).is_some_and(|(a, b)| a.shown == b.shown);
        let show = |item: Option<&Item>| {
            item.map(|item| match same_text {
                true => format!("{} ({})", item.shown, item.digest.get(..12).unwrap_or("")),
                false => item.shown.clone(),
            })
        };
        changes.push(Change { name, from: show(from), to: show(to), what });
    }
    changes.sort_by(|a, b| (&a.what, &a.name).cmp(&(&b.what, &b.name)));
    changes
}

#[derive(PartialEq, Eq)]
struct Item {
    /// A version or a day.
    shown: String,
    digest: String,
}

/// Everything by kind and name.
fn contents(lock: &Lock) -> BTreeMap<(String, String), Item> {
    let package = |p: &LockedPackage| Item { shown: p.version.clone(), digest: p.sha256.clone() };
    let mut all = BTreeMap::new();
    for source in &lock.sources {
        let item = Item { shown: format_day(source.date), digest: source.release_sha256.clone() };
        all.insert(("source".to_owned(), source.name.clone()), item);
    }
    for p in &lock.packages {
        all.insert(("package".to_owned(), p.name.clone()), package(p));
    }
    for tool in &lock.tools {
        let what = format!("tool ({}, {})", tool.set, tool.host);
        all.insert((what, tool.package.name.clone()), package(&tool.package));
    }
    all
}
