//! The report for programs: an object for each difference, then one with the counts.

use osb_image::compare::{Fact, Report};
use osb_tree::diff::{Aspect, Change, Difference};
use serde_json::{Value, json};

use super::text;
use crate::printable::path as shown_path;

/// All objects; at most `limit` a section.
pub(super) fn lines(report: &Report, limit: usize) -> Vec<Value> {
    let mut lines = Vec::new();
    let facts = [
        ("build", &report.build),
        ("packages", &report.packages),
        ("partitions", &report.partitions),
    ];
    for (section, facts) in facts {
        lines.extend(facts.iter().take(limit).map(|fact| self::fact(section, fact)));
    }
    let paths = report.paths.iter().flat_map(|group| {
        group.differences.iter().map(|each| path(&group.volume, group.package.as_deref(), each))
    });
    lines.extend(paths.take(limit));
    lines.extend(report.files.iter().take(limit).map(|file| {
        json!({
            "event": "difference",
            "section": "bytes",
            "name": file.name,
            "offset": file.first.as_ref().map(|first| first.offset),
            "decompressed": file.inside,
            "text": text::file(file),
        })
    }));
    let paths: usize = report.paths.iter().map(|group| group.differences.len()).sum();
    lines.push(json!({
        "event": "diff",
        "equal": report.is_equal(),
        "counts": {
            "build": report.build.len(),
            "packages": report.packages.len(),
            "partitions": report.partitions.len(),
            "paths": paths,
            "bytes": report.files.len(),
        },
        "notes": report.notes,
    }));
    lines
}

fn fact(section: &str, fact: &Fact) -> Value {
    json!({"event": "difference", "section": section, "name": fact.subject, "a": fact.a, "b": fact.b})
}

fn path(volume: &str, package: Option<&str>, difference: &Difference) -> Value {
    let (change, aspects): (_, &[Aspect]) = match &difference.change {
        Change::Added => ("added", &[]),
        Change::Removed => ("removed", &[]),
        Change::Changed(aspects) => ("changed", aspects),
    };
    let what: Vec<Value> = aspects
        .iter()
        .map(|aspect| json!({"aspect": name(aspect), "text": text::aspect(aspect)}))
        .collect();
    json!({
        "event": "difference",
        "section": "paths",
        "volume": volume,
        "package": package,
        "path": shown_path(&difference.path, false),
        "type": difference.kind.name(),
        "change": change,
        "what": what,
        "below": difference.below,
    })
}

/// The name of an aspect in the public interface.
fn name(aspect: &Aspect) -> &'static str {
    match aspect {
        Aspect::Type { .. } => "type",
        Aspect::Mode { .. } => "mode",
        Aspect::Owner { .. } => "owner",
        Aspect::Mtime { .. } => "mtime",
        Aspect::Size { .. } => "size",
        Aspect::Content(_) => "content",
        Aspect::Target { .. } => "target",
        Aspect::Device { .. } => "device",
        Aspect::Xattr { .. } => "xattr",
        Aspect::Links { .. } => "links",
    }
}
