//! Rules and reports for people.

use std::fmt::Write;

use osb_check::{Finding, Outcome, RULES, Report, Severity};

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
            tell(&mut text, findings, *more);
            let _ = writeln!(text, "  why:    {}", rule.reason);
            let _ = writeln!(text, "  remedy: {}", rule.remedy);
        }
    }
    for result in report.not_proven() {
        let Outcome::NotProven { findings, more } = &result.outcome else { continue };
        let _ = writeln!(text, "not proven: {}", result.rule.id);
        tell(&mut text, findings, *more);
    }
    for result in report.results.iter().filter(|result| !result.allowed.is_empty()) {
        let _ = writeln!(text, "allowed: {}", result.rule.id);
        tell(&mut text, &result.allowed, 0);
    }
    for allow in &report.unused {
        let _ = writeln!(text, "allows nothing: {}", printable(&allow.to_string()));
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
    let unproven = report.not_proven().count();
    let held = report.results.len() - skipped.len() - report.failed().count() - unproven;
    let _ = writeln!(
        text,
        "{} of {} hold; {}, {}, {}; {}{} do not apply{}",
        held,
        count(report.results.len(), "rule"),
        count(report.count(Severity::Error), "error"),
        count(report.count(Severity::Warning), "warning"),
        count(report.count(Severity::Note), "note"),
        if unproven > 0 { format!("{unproven} not proven; ") } else { String::new() },
        skipped.len(),
        match report.allowed() {
            0 => String::new(),
            allowed => format!("; {} allowed", count(allowed, "finding")),
        }
    );
    text
}

/// The places of a rule, as many as people read.
fn tell(text: &mut String, findings: &[Finding], more: usize) {
    for finding in findings.iter().take(SHOWN) {
        let place = finding.path.as_ref().map(|bytes| path(bytes, false) + ": ");
        let place = place.unwrap_or_default();
        let _ = writeln!(text, "  {}", printable(&format!("{place}{}", finding.text)));
    }
    let more = more + findings.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more (--json lists them)");
    }
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
