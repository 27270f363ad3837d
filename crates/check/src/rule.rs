//! What a rule is, and what comes of it.

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
}

impl Finding {
    /// About a path.
    pub(crate) fn at(path: impl AsRef<[u8]>, text: impl Into<String>) -> Finding {
        Finding { path: Some(path.as_ref().to_vec()), text: text.into() }
    }

    /// About the whole.
    pub(crate) fn whole(text: impl Into<String>) -> Finding {
        Finding { path: None, text: text.into() }
    }
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not, here.
    Found {
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
}

impl Rule {
    pub(crate) fn hold(&'static self, facts: &Facts) -> RuleResult {
        let outcome = match (self.run)(facts) {
            Err(Skip(reason)) => Outcome::DoesNotApply(reason),
            Ok(findings) if findings.is_empty() => Outcome::Holds,
            Ok(mut findings) => {
                let more = findings.len().saturating_sub(MOST_FINDINGS);
                findings.truncate(MOST_FINDINGS);
                Outcome::Found { findings, more }
            }
        };
        RuleResult { rule: self, outcome }
    }
}

/// What came of all rules, in their order.
#[derive(Debug, Default)]
pub struct Report {
    /// One for each rule.
    pub results: Vec<RuleResult>,
}

impl Report {
    /// The rules that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &RuleResult> {
        self.results.iter().filter(|result| matches!(result.outcome, Outcome::Found { .. }))
    }

    /// How many rules of a severity do not hold.
    pub fn count(&self, severity: Severity) -> usize {
        self.failed().filter(|result| result.rule.severity == severity).count()
    }
}
