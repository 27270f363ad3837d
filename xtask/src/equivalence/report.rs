//! What was compared, what was allowed and by which rule, what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::allow::Allowed;
use super::archive;
use super::facts::{Aspect, differences};
use crate::test::clear;

/// All sets that were compared.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sets: Vec<Line>,
    /// Number of a rule to the count of differences that it allowed.
    used: BTreeMap<usize, usize>,
}

#[derive(Debug)]
struct Line {
    set: String,
    entries: usize,
    /// Entries without any difference.
    equal: usize,
    /// Entries that differ, but only as rules allow.
    allowed: usize,
    /// Entries with a difference that no rule allows.
    differing: usize,
}

impl Report {
    /// Compares two archives; fails if they differ in what no rule allows.
    pub(crate) fn compare(
        &mut self,
        set: &str,
        osb: &Path,
        peer: &Path,
        epoch: i64,
        allowed: &Allowed,
        folder: &Path,
    ) -> Result<((), String)> {
        let (ours, theirs) = (archive::read(osb, epoch)?, archive::read(peer, epoch)?);
        let entries = ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>().len();
        let found = differences(&ours, &theirs);
        let unequal = found.iter().map(|found| found.path.clone()).collect::<BTreeSet<_>>().len();
        let sifted = allowed.sift(set, found);
        let differing = sifted.left.iter().map(|left| &left.path).collect::<BTreeSet<_>>().len();
        let count: usize = sifted.allowed.values().sum();
        self.sets.push(Line {
            set: set.to_owned(),
            entries,
            equal: entries - unequal,
            allowed: unequal - differing,
            differing,
        });
        for (rule, count) in sifted.allowed {
            *self.used.entry(rule).or_default() += count;
        }
        for left in &sifted.left {
            println!(
                "{set}: {}: {}\n    osb        {}\n    mmdebstrap {}",
                left.path, left.aspect, left.osb, left.peer
            );
        }
        let contents: Vec<String> = sifted
            .left
            .iter()
            .filter(|left| matches!(left.aspect, Aspect::Content | Aspect::Lines))
            .map(|left| left.path.clone())
            .collect();
        let differ = folder.join("differ");
        clear(&differ)?;
        if !contents.is_empty() {
            archive::extract(osb, &contents, &differ.join("osb"))?;
            archive::extract(peer, &contents, &differ.join("mmdebstrap"))?;
        }
        if differing > 0 {
            bail!(
                "{differing} of {entries} entries differ; files with other bytes: {}",
                differ.display()
            );
        }
        Ok(((), format!("{entries} entries, {count} differences are allowed")))
    }

    /// Every rule must have been needed by some set.
    pub(crate) fn no_stale(&self, allowed: &Allowed) -> Result<((), String)> {
        let stale: Vec<&str> = allowed
            .rules
            .iter()
            .enumerate()
            .filter(|(number, _)| !self.used.contains_key(number))
            .map(|(_, rule)| rule.path.as_str())
            .collect();
        ensure!(stale.is_empty(), "these rules matched nothing: {}", stale.join(", "));
        Ok(((), format!("{} rules", allowed.rules.len())))
    }

    /// Prints the table of sets and that of rules.
    pub(crate) fn print(&self, allowed: &Allowed) {
        println!(
            "\n{:12} {:>9} {:>9} {:>9} {:>9}",
            "set", "entries", "equal", "allowed", "differing"
        );
        for line in &self.sets {
            let Line { set, entries, equal, allowed, differing } = line;
            println!("{set:12} {entries:9} {equal:9} {allowed:9} {differing:9}");
        }
        println!("\n{:>9}  of {} rules", "allowed", allowed.rules.len());
        for (number, rule) in allowed.rules.iter().enumerate() {
            let count = self.used.get(&number).copied().unwrap_or_default();
            println!("{count:9}  {}: {}", rule.path, rule.reason);
        }
    }
}
