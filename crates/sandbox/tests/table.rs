//! Every row of the substitution table, in a sandbox: what it says is what happens.

#![allow(clippy::unwrap_used)] // Helpers are not recognised as test code.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;

use common::{Fixture, copy_with_libraries, foreign, run, text};
use osb_sandbox::table::{ROWS, Row};
use osb_sandbox::{Machine, Session};

/// A program that the pattern names: `python3*` stands for `python3.13`, too.
fn example(pattern: &str) -> String {
    let name = pattern.replace('*', ".example");
    if name.starts_with('/') { name } else { format!("/usr/bin/{name}") }
}

/// Puts a program of this machine into the tools tree under the row's name, and a foreign one into
/// the guest. The one prints its arguments, or its environment if the row has variables.
fn put(fixture: &Fixture, row: &Row, knowing: bool) -> String {
    let (pattern, variables, knows) = match *row {
        Row::Emulate { pattern, .. } => (pattern, &[][..], ""),
        Row::Program { pattern, variables, knows, .. } => (pattern, variables, knows),
    };
    let program = example(pattern);
    let inside = program.trim_start_matches('/');
    let tool = if variables.is_empty() { "echo" } else { "env" };
    let tools = fixture.path("tools");
    copy_with_libraries(tool, &tools);
    fs::copy(tools.join("usr/bin").join(tool), tools.join(inside)).unwrap();
    if knowing {
        // Behind the end of an ELF file may be anything.
        let mut file = OpenOptions::new().append(true).open(tools.join(inside)).unwrap();
        file.write_all(knows.as_bytes()).unwrap();
    }
    fixture.guest_program(inside);
    program
}

fn expand(text: &str) -> String {
    text.replace("{tools}", "/run/osb/tools")
        .replace("{root}", "/run/osb/root")
        .replace("{triplet}", Machine::host().triplet())
        .replace("{guest}", foreign().triplet())
}

fn output(session: &mut Session, argv: &[&str]) -> String {
    text(&run(session, argv))
}

#[test]
fn every_row_does_what_it_says() {
    for row in ROWS {
        let fixture = Fixture::new();
        let program = put(&fixture, row, true);
        let emulated = format!("emulated -0 {program} {program}");
        let Row::Program { include, variables, unless, despite, .. } = *row else {
            let mut session = fixture.start();
            assert_eq!(output(&mut session, &[&program, "x"]), format!("{emulated} x\n"));
            continue;
        };
        let mut includes = String::new();
        for directory in include {
            let directory = directory.replace('*', "40");
            let in_tools = expand(&directory);
            let in_guest = in_tools.replace(Machine::host().triplet(), foreign().triplet());
            fs::create_dir_all(fixture.path("tools").join(in_tools.trim_start_matches('/')))
                .unwrap();
            fs::create_dir_all(fixture.path("guest").join(in_guest.trim_start_matches('/')))
                .unwrap();
            includes += &format!("-I/run/osb/tools{in_tools} ");
        }
        let mut session = fixture.start();
        if variables.is_empty() {
            assert_eq!(
                output(&mut session, &[&program, "x"]),
                format!("{includes}x\n"),
                "{program}"
            );
        } else {
            let environment = output(&mut session, &[&program]);
            for variable in variables.iter().map(|variable| expand(variable)) {
                assert!(
                    environment.lines().any(|line| line == variable),
                    "{program}: {environment}"
                );
            }
        }
        for letter in unless.chars() {
            let option = format!("-s{letter}");
            let got = output(&mut session, &[&program, &option, "x"]);
            assert_eq!(got, format!("{emulated} {option} x\n"));
            for script in despite.iter().map(|script| script.replace('*', ".example")) {
                let got = output(&mut session, &[&program, &option, &script]);
                assert!(!got.starts_with("emulated"), "{got}");
            }
        }
    }
}

#[test]
fn a_row_that_counts_on_something_is_emulated_without_it() {
    let mut checked = 0;
    for row in ROWS {
        if let Row::Program { knows, .. } = row
            && !knows.is_empty()
        {
            let fixture = Fixture::new();
            let program = put(&fixture, row, false);
            let mut session = fixture.start();
            assert!(output(&mut session, &[&program]).starts_with("emulated"), "{program}");
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn every_emulated_row_has_a_reason_and_no_row_hides_another() {
    for (index, row) in ROWS.iter().enumerate() {
        let (Row::Emulate { pattern, .. } | Row::Program { pattern, .. }) = row;
        if let Row::Emulate { why, .. } = row {
            assert!(why.split(' ').count() > 2, "{pattern}: {why}");
        }
        for earlier in &ROWS[..index] {
            let (Row::Emulate { pattern: before, .. } | Row::Program { pattern: before, .. }) =
                earlier;
            let hides = before.strip_suffix('*').is_some_and(|start| pattern.starts_with(start));
            assert!(!hides && before != pattern, "{before} hides {pattern}");
        }
    }
}

#[test]
fn the_root_is_there_once_more_for_programs_that_want_another() {
    let fixture = Fixture::new();
    fixture.script("guest/mark", "");
    let mut session = fixture.start();
    for place in ["/run/osb/root", "/run/osb/root/run/osb/root"] {
        assert_eq!(
            output(&mut session, &["ls", &format!("{place}/mark")]),
            format!("{place}/mark\n")
        );
    }
    // The first has everything that is mounted, the tools, too: programs run with it as root.
    let listing =
        output(&mut session, &["ls", "/run/osb/root/proc/self", "/run/osb/root/run/osb/tools"]);
    assert!(listing.contains("cmdline") && listing.contains("usr"), "{listing}");
}
