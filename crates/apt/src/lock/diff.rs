//! What moved between two locks.

use std::collections::BTreeMap;
use std::fmt;

use super::{Lock, LockedPackage};
use crate::date::format_day;
use crate::version::Version;

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing it is, and what it is for.
    pub subject: Subject,
    /// Its name.
    pub name: String,
    /// What it was; none if it is new.
    pub from: Option<String>,
    /// What it is; none if it is gone.
    pub to: Option<String>,
    /// The source of what it is, or of what it was if it is gone.
    pub source: String,
    /// The suite of that source.
    pub suite: String,
    /// Whether a new version comes from a security archive.
    pub security: bool,
    /// Bytes that it was; 0 if it is new, or has no size.
    pub size_from: u64,
    /// Bytes that it is; 0 if it is gone, or has no size.
    pub size_to: u64,
}

impl Change {
    /// Whether a package or a tool goes back to an older version.
    pub fn is_downgrade(&self) -> bool {
        let version = |text: &Option<String>| Version::parse(text.as_deref()?).ok();
        let of_versions = matches!(self.subject, Subject::Package(_) | Subject::Tool(..));
        let both = version(&self.from).zip(version(&self.to));
        of_versions && both.is_some_and(|(from, to)| to < from)
    }
}

/// What a [`Change`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A pinned file of this layer.
    Artifact(String),
    /// A package of this layer.
    Package(String),
    /// A source.
    Source,
    /// A package of a tool set for a host architecture.
    Tool(String, String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Artifact(_) => write!(f, "artifact"),
            Subject::Package(_) => write!(f, "package"),
            Subject::Source => write!(f, "source"),
            Subject::Tool(set, host) => write!(f, "tool ({set}, {host})"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { name, from, to, subject, .. } = self;
        match (from, to) {
            (Some(from), Some(to)) => {
                let older = if self.is_downgrade() { " (older)" } else { "" };
                write!(f, "{subject} {name}: {from} → {to}{older}")
            }
            (None, Some(to)) => write!(f, "{subject} {name}: new, {to}"),
            (Some(from), None) => write!(f, "{subject} {name}: gone, was {from}"),
            (None, None) => write!(f, "{subject} {name}: changed"),
        }
    }
}

/// Sorted by kind and name.
pub(super) fn diff(old: &Lock, new: &Lock) -> Vec<Change> {
    let (old_items, new_items) = (contents(old), contents(new));
    let mut changes = Vec::new();
    for key in old_items.keys().chain(new_items.keys().filter(|key| !old_items.contains_key(*key)))
    {
        let (from, to) = (old_items.get(key), new_items.get(key));
        let same = |(a, b): (&Item, &Item)| a.shown == b.shown && a.digest == b.digest;
        if from.zip(to).is_some_and(same) {
            continue;
        }
        // The same version with other bytes deserves to be seen as such.
        let same_text = from.zip(to).is_some_and(|(a, b)| a.shown == b.shown);
        let show = |item: Option<&Item>| {
            item.map(|item| match same_text {
                true => format!("{} ({})", item.shown, item.digest.get(..12).unwrap_or("")),
                false => item.shown.clone(),
            })
        };
        let Some(item) = to.or(from) else { continue };
        let suite = |lock: &Lock| {
            let source = lock.sources.iter().find(|source| source.name == item.source);
            source.map(|source| source.suite.clone()).unwrap_or_default()
        };
        changes.push(Change {
            subject: item.subject.clone(),
            name: key.1.clone(),
            from: show(from),
            to: show(to),
            source: item.source.clone(),
            suite: suite(if to.is_some() { new } else { old }),
            security: to.is_some() && new.is_security(&item.source),
            size_from: from.map_or(0, |item| item.size),
            size_to: to.map_or(0, |item| item.size),
        });
    }
    changes.sort_by_key(|change| (change.subject.to_string(), change.name.clone()));
    changes
}

struct Item {
    subject: Subject,
    /// A version or a day.
    shown: String,
    digest: String,
    source: String,
    size: u64,
}

/// Everything by kind and name.
fn contents(lock: &Lock) -> BTreeMap<(String, String), Item> {
    let package = |subject: Subject, p: &LockedPackage| Item {
        subject,
        shown: p.version.clone(),
        digest: p.sha256.clone(),
        source: p.source.clone(),
        size: p.size,
    };
    let mut all = BTreeMap::new();
    let mut add = |name: &str, item: Item| {
        all.insert((item.subject.to_string(), name.to_owned()), item);
    };
    for source in &lock.sources {
        let item = Item {
            subject: Subject::Source,
            shown: format_day(source.date),
            digest: source.release_sha256.clone(),
            source: source.name.clone(),
            size: 0,
        };
        add(&source.name, item);
    }
    for p in &lock.packages {
        add(&p.name, package(Subject::Package(p.layer.clone()), p));
    }
    for artifact in &lock.artifacts {
        let item = Item {
            subject: Subject::Artifact(artifact.layer.clone()),
            shown: artifact.sha256.get(..12).unwrap_or_default().to_owned(),
            digest: artifact.sha256.clone(),
            source: String::new(),
            size: artifact.size,
        };
        add(&artifact.url, item);
    }
    for tool in &lock.tools {
        let subject = Subject::Tool(tool.set.clone(), tool.host.clone());
        add(&tool.package.name, package(subject, &tool.package));
    }
    all
}
