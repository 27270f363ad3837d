//! What a rule is, and what comes of it.

use crate::allow::Allow;
use crate::facts::Facts;

/// Most findings of one rule that are kept; the others are counted.
const MOST_FINDINGS: usize = 1000;

/// How bad it is if a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// It will hurt somebody, some day.
    Warning,
    /// It does not start, does not work as a node, or gives secrets away.
    Error,
}

impl Severity {
    /// Its name: `error`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, which stays what it is: words with dashes.
    pub id: &'static str,
    /// How bad it is if it does not hold.
    pub severity: Severity,
    /// What holds, in one sentence.
    pub claim: &'static str,
    /// What happens otherwise.
    pub reason: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Looks whether it holds.
    pub(crate) run: fn(&Facts<'_>) -> Verdict,
}

/// Where a rule does not hold; or why it does not apply.
pub(crate) type Verdict = Result<Vec<Finding>, Skip>;

/// A reason why a rule does not apply.
#[derive(Debug, Clone)]
pub(crate) struct Skip(pub(crate) String);

impl Skip {
    pub(crate) fn because<T>(reason: impl Into<String>) -> Result<T, Skip> {
        Err(Skip(reason.into()))
    }
}

/// One place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path on the running node, without the slash at its beginning; `None` if it is about the
    /// disk or the image as a whole.
    pub path: Option<Vec<u8>>,
    /// What is wrong there.
    pub text: String,
    /// Whether nothing is known to be wrong there: it could not be looked at.
    pub unseen: bool,
}

impl Finding {
    /// About a path.
    pub(crate) fn at(path: impl AsRef<[u8]>, text: impl Into<String>) -> Finding {
        Finding { path: Some(path.as_ref().to_vec()), text: text.into(), unseen: false }
    }

    /// About the whole.
    pub(crate) fn whole(text: impl Into<String>) -> Finding {
        Finding { path: None, text: text.into(), unseen: false }
    }

    /// A path at which the rule could not look, and why.
    pub(crate) fn unseen(path: impl AsRef<[u8]>, why: impl Into<String>) -> Finding {
        Finding { unseen: true, ..Finding::at(path, why) }
    }
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not, here.
    Found {
        /// The places, with those that could not be looked at; at most a thousand.
        findings: Vec<Finding>,
        /// How many there are besides.
        more: usize,
    },
    /// It holds wherever it was looked, and these places could not be looked at.
    NotProven {
        /// The places; at most a thousand.
        findings: Vec<Finding>,
        /// How many there are besides.
        more: usize,
    },
    /// The image has nothing that it is about.
    DoesNotApply(String),
}

/// A rule, and what came of it.
#[derive(Debug)]
pub struct RuleResult {
    /// The rule.
    pub rule: &'static Rule,
    /// What came of it.
    pub outcome: Outcome,
    /// Findings that are allowed; the outcome is without them. At most a thousand.
    pub allowed: Vec<Finding>,
}

impl Rule {
    /// Looks whether it holds, but for what is allowed; `used` tells which allowances were needed.
    pub(crate) fn hold(&'static self, facts: &Facts, used: &mut [bool]) -> RuleResult {
        let allow = &facts.context.allow;
        let is_allowed = |finding: &Finding| {
            let mut found = false;
            for (each, used) in allow.iter().zip(used.iter_mut()) {
                if each.covers(self.id, finding) {
                    (found, *used) = (true, true);
                }
            }
            found
        };
        let (mut allowed, outcome) = match (self.run)(facts) {
            Err(Skip(reason)) => (Vec::new(), Outcome::DoesNotApply(reason)),
            Ok(findings) => {
                let (allowed, findings) = findings.into_iter().partition(is_allowed);
                (allowed, Outcome::of(findings))
            }
        };
        allowed.truncate(MOST_FINDINGS);
        RuleResult { rule: self, outcome, allowed }
    }
}

impl Outcome {
    fn of(mut findings: Vec<Finding>) -> Outcome {
        // What is wrong comes before what is not known.
        findings.sort_by_key(|finding| finding.unseen);
        let Some(first) = findings.first() else { return Outcome::Holds };
        let proven = !first.unseen;
        let more = findings.len().saturating_sub(MOST_FINDINGS);
        findings.truncate(MOST_FINDINGS);
        match proven {
            true => Outcome::Found { findings, more },
            false => Outcome::NotProven { findings, more },
        }
    }
}

/// What came of all rules, in their order.
#[derive(Debug, Default)]
pub struct Report {
    /// One for each rule.
    pub results: Vec<RuleResult>,
    /// Allowances for rules that were held which allowed nothing.
    pub unused: Vec<Allow>,
}

impl Report {
    /// The rules that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &RuleResult> {
        self.results.iter().filter(|result| matches!(result.outcome, Outcome::Found { .. }))
    }

    /// The rules that could not look everywhere, and hold as far as they could.
    pub fn not_proven(&self) -> impl Iterator<Item = &RuleResult> {
        self.results.iter().filter(|result| matches!(result.outcome, Outcome::NotProven { .. }))
    }

    /// How many findings are allowed.
    pub fn allowed(&self) -> usize {
        self.results.iter().map(|result| result.allowed.len()).sum()
    }

    /// How many rules of a severity do not hold.
    pub fn count(&self, severity: Severity) -> usize {
        self.failed().filter(|result| result.rule.severity == severity).count()
    }
}
