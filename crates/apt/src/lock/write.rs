//! The lock as text. Written by hand rather than by a serializer, so that the order and the look of
//! a file under review never depend on a library.

use std::fmt::{Display, Write};

use super::{Lock, LockedPackage};
use crate::date::format_day;

const HEADER: &str = "\
# What this image is made of: made by `osb lock`, kept under version control, not edited by hand.
# Each digest comes from an index that a checked signature vouches for.
";

pub(super) fn to_toml(lock: &Lock) -> String {
    // The tables of a lock built in memory may have been pushed in any order.
    let mut lock = lock.clone();
    lock.sort();
    let mut out = Output(HEADER.to_owned());
    out.value("version", lock.version);
    out.text("architecture", &lock.architecture);
    out.text("inputs", &lock.inputs);
    if let Some(inputs) = &lock.tool_inputs {
        out.text("tool_inputs", inputs);
    }
    for layer in &lock.layers {
        out.table("layer");
        out.text("name", &layer.name);
        out.list("wants", &layer.wants);
        if !layer.debs.is_empty() {
            out.list("debs", &layer.debs);
        }
    }
    for source in &lock.sources {
        out.table("source");
        out.text("name", &source.name);
        out.text("suite", &source.suite);
        if let Some(inputs) = &source.inputs {
            out.text("inputs", inputs);
        }
        out.text("release_sha256", &source.release_sha256);
        out.value("date", format_args!("{} # {}", source.date, format_day(source.date)));
    }
    for package in &lock.packages {
        out.table("package");
        out.package(package);
        out.text("layer", &package.layer);
    }
    for artifact in &lock.artifacts {
        out.table("artifact");
        out.text("layer", &artifact.layer);
        out.text("url", &artifact.url);
        out.value("size", artifact.size);
        out.text("sha256", &artifact.sha256);
    }
    for tool in &lock.tools {
        out.table("tool");
        out.text("set", &tool.set);
        out.text("host", &tool.host);
        out.package(&tool.package);
    }
    out.0
}

struct Output(String);

impl Output {
    fn table(&mut self, name: &str) {
        self.0.push_str("\n[[");
        self.0.push_str(name);
        self.0.push_str("]]\n");
    }

    fn value(&mut self, key: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, quote(text));
    }

    /// One item a line, so that a review shows which one is new.
    fn list(&mut self, key: &str, items: &[String]) {
        let lines: String = items.iter().map(|item| format!("    {},\n", quote(item))).collect();
        match lines.is_empty() {
            true => self.value(key, "[]"),
            false => self.value(key, format_args!("[\n{lines}]")),
        }
    }

    fn package(&mut self, package: &LockedPackage) {
        self.text("name", &package.name);
        self.text("version", &package.version);
        self.text("architecture", &package.architecture);
        self.text("source", &package.source);
        self.text("path", &package.path);
        self.value("size", package.size);
        self.text("sha256", &package.sha256);
    }
}

/// A basic string of TOML 1.0.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Control characters need an escape.
            c if c.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
