//! The report for people: sections from the top down, each cut at a number of lines.

use std::fmt::Write;

use osb_image::compare::{Fact, Report};

use super::text;
use crate::printable::printable;

/// The whole report.
pub(super) fn text(report: &Report, limit: usize) -> String {
    let mut out = String::new();
    section(&mut out, "build", report.build.iter().map(fact), limit);
    section(&mut out, "packages", report.packages.iter().map(fact), limit);
    section(&mut out, "partitions", report.partitions.iter().map(fact), limit);
    section(&mut out, "paths", paths(report).into_iter(), limit);
    section(&mut out, "bytes", report.files.iter().map(text::file), limit);
    for note in &report.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "note: {}", printable(note));
    }
    if report.is_equal() {
        out += "nothing differs\n";
    }
    out
}

/// A heading, and lines below it, unless there are none.
fn section(
    out: &mut String,
    name: &str,
    lines: impl ExactSizeIterator<Item = String>,
    limit: usize,
) {
    let count = lines.len();
    if count == 0 {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name}");
    for line in lines.take(limit) {
        let _ = writeln!(out, "  {}", printable(&line));
    }
    if count > limit {
        let _ = writeln!(out, "  … and {} more", count - limit);
    }
}

/// The lines of all groups, each group under its name.
fn paths(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for group in &report.paths {
        let package = group.package.as_deref().unwrap_or("no package");
        lines.push(format!("{}, {package}", group.volume));
        lines.extend(group.differences.iter().map(|each| format!("  {}", text::difference(each))));
    }
    lines
}

fn fact(fact: &Fact) -> String {
    match (&fact.a, &fact.b) {
        (Some(a), Some(b)) => format!("~ {}: {a} → {b}", fact.subject),
        (Some(a), None) => format!("- {} {a}", fact.subject),
        (None, Some(b)) => format!("+ {} {b}", fact.subject),
        (None, None) => fact.subject.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(count: usize) -> Report {
        let fact = |number: usize| Fact {
            subject: format!("p{number}"),
            a: Some("1".into()),
            b: (number > 0).then(|| "2".into()),
        };
        Report { packages: (0..count).map(fact).collect(), ..Report::default() }
    }

    #[test]
    fn sections_are_cut_and_say_so() {
        assert_eq!(text(&report(4), 2), "packages\n  - p0 1\n  ~ p1: 1 → 2\n  … and 2 more\n");
        assert_eq!(text(&report(2), 2), "packages\n  - p0 1\n  ~ p1: 1 → 2\n");
        assert_eq!(text(&report(0), 2), "nothing differs\n");
    }
}
