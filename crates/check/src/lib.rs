//! Reads an image the way firmware, kernel and kubelet will, and tells what is wrong.
//!
//! [`check`] holds the image against [`RULES`]: what a machine needs to start from it, what a
//! Kubernetes node needs, and what must not be in an image at all. Each rule is a value with a
//! reason, a source and a remedy; it holds, it does not and says where, or it does not apply and
//! says why.
//!
//! ```
//! use osb_check::{Context, Memo, Subject, check};
//! let mut root = osb_tree::Tree::new();
//! let key = osb_tree::Inode::file(0o600, b"of another host".to_vec());
//! root.lay("etc/ssh/ssh_host_ed25519_key", key).unwrap();
//! let subject = Subject { root: Some(root), ..Subject::default() };
//! let report = check(&subject, &Context::default(), &Memo::default());
//! assert!(report.failed().any(|result| result.rule.id == "no-host-keys"));
//! ```
//!
//! Invariants: nothing is mounted, run or written; the image is hostile: what is read of a file is
//! bounded, and so is what is kept of it; rules know the image and nothing of how it was made.

mod allow;
mod contents;
mod dpkg;
mod facts;
mod memo;
mod parse;
mod read;
mod rule;
mod rules;
mod subject;

pub use allow::{Allow, AllowError};
pub use facts::Context;
pub use memo::{Memo, Sums};
pub use rule::{Finding, Outcome, Report, Rule, RuleResult, Severity};
pub use rules::RULES;
pub use subject::{Other, Place, Subject};

/// Holds an image against all rules that the context selects.
pub fn check(subject: &Subject, context: &Context, memo: &Memo) -> Report {
    let facts = facts::Facts::new(subject, context, memo);
    let mut used = vec![false; context.allow.len()];
    let selected = RULES.iter().filter(|rule| context.selects(rule.id));
    let results = selected.map(|rule| rule.hold(&facts, &mut used)).collect();
    let unused = context.allow.iter().zip(used);
    let unused = unused.filter(|(allow, used)| !used && context.selects(allow.rule()));
    Report { results, unused: unused.map(|(allow, _)| allow.clone()).collect() }
}
