//! `osb nodes add`: one more entry, and nothing else.

use std::collections::BTreeMap;

use osb_node::{AddError, Entry};
use serde_json::json;

use super::target::Target;
use crate::cli::NodesAdd;
use crate::exit::{BAD_INPUT, Failure};
use crate::output::Output;

/// Lines that are shown around a change.
const AROUND: usize = 3;

pub(super) fn run(arguments: &NodesAdd, output: &Output) -> Result<(), Failure> {
    let file = &arguments.file;
    let name = file.display().to_string();
    let entry = entry(arguments)?;
    let (change, made) = loop {
        let target = Target::open(file)?;
        let text = target.text();
        let after = entry.add_to(&name, text).map_err(|error| refused(&name, &error))?;
        let told = (difference(text, &after), target.is_new());
        // Another program may have made the file in the meantime.
        if arguments.dry_run || target.replace(&after)? {
            break told;
        }
    };
    let verb = match (arguments.dry_run, made) {
        (true, _) => "would be added to",
        (false, true) => "is the first in the new file",
        (false, false) => "is added to",
    };
    let value = json!({
        "event": "add", "file": name, "hostname": arguments.hostname,
        "written": !arguments.dry_run, "new_file": made, "difference": change,
    });
    output.answer(&value, &format!("{change}{} {verb} {name}", arguments.hostname));
    Ok(())
}

fn entry(arguments: &NodesAdd) -> Result<Entry, Failure> {
    let mut labels = BTreeMap::new();
    for (key, value) in &arguments.label {
        if labels.insert(key.clone(), value.clone()).is_some() {
            let text = format!("--label {key} is there twice: a node has one value of it");
            return Err(Failure::new(BAD_INPUT, text));
        }
    }
    Ok(Entry {
        hostname: arguments.hostname.clone(),
        mac: arguments.mac.clone(),
        serial: arguments.serial.clone(),
        role: arguments.role,
        ip: arguments.ip,
        labels,
    })
}

fn refused(name: &str, error: &AddError) -> Failure {
    let failure = Failure::from_error(BAD_INPUT, error);
    match error {
        AddError::Entry { .. } => failure.with_hint(format!("{name} stays as it is")),
        AddError::Inventory(_) => failure.with_hint("correct it first; nothing was written"),
        AddError::Layout { .. } => failure,
    }
}

/// What changed, as lines with + and -, and some around them.
fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let lines = |sign: &'static str, lines: &[&str]| {
        lines.iter().map(|line| format!("{sign}{line}\n")).collect::<String>()
    };
    let end = old.len() - tail;
    [
        lines(" ", &old[head.saturating_sub(AROUND)..head]),
        lines("-", &old[head..end]),
        lines("+", &new[head..new.len() - tail]),
        lines(" ", &old[end..(end + AROUND).min(old.len())]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_what_is_around_it() {
        assert_eq!(difference("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nx\n5\n"), " 2\n 3\n 4\n+x\n 5\n");
        assert_eq!(difference("a: []\nb: 1\n", "a:\n- x\nb: 1\n"), "-a: []\n+a:\n+- x\n b: 1\n");
        assert_eq!(difference("", "x\n"), "+x\n");
    }
}
