//! The differences that may be: `xtask/equivalence/allowed.toml`, reviewed like code.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use glob_match::glob_match;
use serde::Deserialize;

use super::facts::{Aspect, Difference};

/// All rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowed {
    #[serde(rename = "allow", default)]
    pub(crate) rules: Vec<Rule>,
}

/// One kind of difference that is no fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// `*` within one component, `**` across.
    pub(crate) path: String,
    /// In what the entries may differ.
    pub(crate) aspects: Vec<Aspect>,
    /// The sets that it is for; all, if none is named.
    #[serde(default)]
    pub(crate) sets: Vec<String>,
    /// Why that is right.
    pub(crate) reason: String,
}

impl Allowed {
    /// Reads the rules.
    pub(crate) fn read(path: &Path) -> Result<Allowed> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Allowed> {
        let allowed: Allowed = toml::from_str(text)?;
        for rule in &allowed.rules {
            ensure!(!rule.aspects.is_empty(), "the rule for {:?} allows nothing", rule.path);
            ensure!(rule.reason.len() > 10, "the rule for {:?} has no reason", rule.path);
            let first = rule.path.split('/').next().unwrap_or_default();
            ensure!(
                !first.contains('*') || rule.aspects == [Aspect::DirectoryMtime],
                "the rule for {:?} is for everything",
                rule.path
            );
        }
        Ok(allowed)
    }

    /// The number of the first rule that allows the difference.
    fn find(&self, set: &str, difference: &Difference) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.aspects.contains(&difference.aspect)
                && (rule.sets.is_empty() || rule.sets.iter().any(|name| name == set))
                && glob_match(&rule.path, &difference.path)
        })
    }

    /// Parts the differences of a set: how many each rule allows, and what is left.
    pub(crate) fn sift(&self, set: &str, differences: Vec<Difference>) -> Sifted {
        let mut sifted = Sifted::default();
        for difference in differences {
            match self.find(set, &difference) {
                Some(rule) => *sifted.allowed.entry(rule).or_default() += 1,
                None => sifted.left.push(difference),
            }
        }
        sifted
    }
}

/// Differences of one set.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// Number of the rule to the count of differences that it allows.
    pub(crate) allowed: BTreeMap<usize, usize>,
    /// What no rule allows.
    pub(crate) left: Vec<Difference>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "[[allow]]\npath = \"var/log/**\"\naspects = [\"only-peer\", \"content\"]\n\
        reason = \"logs tell of the build\"\n\
        [[allow]]\npath = \"etc/x\"\naspects = [\"mtime\"]\nsets = [\"a\"]\nreason = \"made by both\"\n";

    fn difference(path: &str, aspect: Aspect) -> Difference {
        Difference { path: path.to_owned(), aspect, osb: String::new(), peer: String::new() }
    }

    #[test]
    fn a_rule_is_for_its_paths_aspects_and_sets() {
        let allowed = Allowed::parse(RULES).unwrap();
        let differences = vec![
            difference("var/log/apt/history.log", Aspect::OnlyPeer),
            difference("var/log/apt/history.log", Aspect::Mode),
            difference("etc/x", Aspect::Mtime),
        ];
        let sifted = allowed.sift("a", differences.clone());
        assert_eq!(sifted.allowed, [(0, 1), (1, 1)].into());
        assert_eq!(sifted.left, [difference("var/log/apt/history.log", Aspect::Mode)]);
        assert_eq!(allowed.sift("b", differences).left.len(), 2);
    }

    #[test]
    fn rules_without_reason_or_limit_are_refused() {
        for (from, to) in [
            ("logs tell of the build", ""),
            ("var/log/**", "**/log"),
            ("[\"mtime\"]", "[]"),
            ("[\"mtime\"]", "[\"times\"]"),
            ("reason = \"made", "why = \"made"),
        ] {
            assert!(Allowed::parse(&RULES.replace(from, to)).is_err(), "{to}");
        }
    }
}
