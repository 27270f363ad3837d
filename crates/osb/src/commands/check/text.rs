//! Rules and reports for people.

use std::fmt::Write;

use osb_check::{Outcome, RULES, Report, Severity};

use crate::format::count;
use crate::printable::{path, printable};

/// Findings of a rule that are shown.
const SHOWN: usize = 20;

/// What is wrong, the worst first; then what was not looked at; then the counts.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for result in report.failed().filter(|result| result.rule.severity == severity) {
            let Outcome::Found { findings, more } = &result.outcome else { continue };
            let rule = result.rule;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: {}", severity.name(), rule.id);
            for finding in findings.iter().take(SHOWN) {
                let place = finding.path.as_ref().map(|bytes| path(bytes, false) + ": ");
                let place = place.unwrap_or_default();
                let _ = writeln!(text, "  {}", printable(&format!("{place}{}", finding.text)));
            }
            let more = more + findings.len().saturating_sub(SHOWN);
            if more > 0 {
                let _ = writeln!(text, "  … and {more} more (--json lists them)");
            }
            let _ = writeln!(text, "  why:    {}", rule.reason);
            let _ = writeln!(text, "  remedy: {}", rule.remedy);
        }
    }
    let mut skipped = Vec::new();
    for result in &report.results {
        if let Outcome::DoesNotApply(reason) = &result.outcome {
            skipped.push(format!("{} ({reason})", result.rule.id));
        }
    }
    for line in &skipped {
        let _ = writeln!(text, "does not apply: {}", printable(line));
    }
    let held = report.results.len() - skipped.len() - report.failed().count();
    let _ = writeln!(
        text,
        "{} of {} hold; {}, {}, {}; {} do not apply",
        held,
        count(report.results.len(), "rule"),
        count(report.count(Severity::Error), "error"),
        count(report.count(Severity::Warning), "warning"),
        count(report.count(Severity::Note), "note"),
        skipped.len()
    );
    text
}

/// Each rule with all that there is to say of it.
pub(super) fn list() -> String {
    let mut text = String::new();
    for rule in RULES {
        let _ = writeln!(text, "{} ({})", rule.id, rule.severity.name());
        let _ = writeln!(text, "  {}", rule.claim);
        let _ = writeln!(text, "  why:    {}", rule.reason);
        let _ = writeln!(text, "  source: {}", rule.source);
        let _ = writeln!(text, "  remedy: {}", rule.remedy);
    }
    text
}
