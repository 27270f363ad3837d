//! Exec substitution: which program runs when the guest starts one.

#![allow(clippy::unwrap_used)] // Helpers are not recognised as test code.

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};

use common::{Fixture, elf_header, foreign, run, shell, text, used};
use osb_sandbox::{Command, Kind, Machine, Mode, SandboxError, Session};

#[test]
fn the_tools_tree_runs_in_place_of_the_guest() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    assert_eq!(session.mode(), Mode::Private);
    assert_eq!(
        shell(&mut session, "echo substituted; cat /proc/sys/kernel/hostname"),
        "substituted\nguest\n"
    );
    let stats = session.finish().unwrap();
    assert_eq!(used(&stats, Kind::Substituted, "/usr/bin/sh").0, 1);
    assert_eq!(used(&stats, Kind::Substituted, "/usr/bin/cat").0, 1);
    assert_eq!(stats.programs.len(), 2, "{stats:?}");
}

#[test]
fn the_contents_of_files_stay_the_guests() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let finished = run(&mut session, &["cat", "/bin/sh"]);
    assert_eq!(finished.tail, elf_header(foreign()));
}

#[test]
fn what_the_tools_tree_lacks_is_emulated_with_argv0() {
    let fixture = Fixture::new();
    fixture.guest_program("usr/bin/only-here");
    let mut session = fixture.start();
    let finished = run(&mut session, &["only-here", "a b", "c"]);
    assert_eq!(text(&finished), "emulated -0 only-here /usr/bin/only-here a b c\n");
}

#[test]
fn a_program_that_a_rule_names_is_emulated_though_the_tools_tree_has_it() {
    let fixture = Fixture::new();
    fixture.guest_program("usr/bin/uname");
    fs::copy(fixture.path("tools/usr/bin/cat"), fixture.path("tools/usr/bin/uname")).unwrap();
    let mut session = fixture.start();
    let finished = run(&mut session, &["/bin/uname", "-m"]);
    assert_eq!(text(&finished), "emulated -0 /bin/uname /bin/uname -m\n");
}

#[test]
fn a_tool_for_another_machine_is_not_used() {
    let fixture = Fixture::new();
    fs::write(fixture.path("tools/usr/bin/id"), elf_header(foreign())).unwrap();
    let mut session = fixture.start();
    assert_eq!(text(&run(&mut session, &["id"])), "emulated -0 id /usr/bin/id\n");
}

#[test]
fn links_are_resolved_in_the_guest_and_the_name_is_kept() {
    let fixture = Fixture::new();
    symlink("/etc/alternatives/shell", fixture.path("guest/usr/bin/shell")).unwrap();
    fs::create_dir_all(fixture.path("guest/etc/alternatives")).unwrap();
    symlink("/bin/sh", fixture.path("guest/etc/alternatives/shell")).unwrap();
    let mut session = fixture.start();
    assert_eq!(text(&run(&mut session, &["shell", "-c", "echo $0"])), "shell\n");
}

#[test]
fn scripts_are_started_by_their_interpreter() {
    let fixture = Fixture::new();
    fixture.script("guest/usr/bin/script", "#!/bin/sh -e\necho \"$0 $1\"; false; echo not here\n");
    let mut session = fixture.start();
    let finished = run(&mut session, &["script", "argument"]);
    assert_eq!((finished.status, text(&finished).as_str()), (1, "/usr/bin/script argument\n"));
}

#[test]
fn long_argument_lists_pass() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let arguments = (0..60_000).map(|i| format!("{i}"));
    let argv =
        ["sh", "-c", "echo $# ${60000}", "sh"].map(str::to_owned).into_iter().chain(arguments);
    let finished = session.run(&Command::new(argv)).unwrap();
    assert_eq!(text(&finished), "60000 59999\n");
}

#[test]
fn what_the_guest_lacks_is_not_there_though_the_tools_tree_has_it() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.path("guest/usr/bin/cat")).unwrap();
    let mut session = fixture.start();
    let error = session.run(&Command::new(["cat"])).unwrap_err();
    assert!(matches!(error, SandboxError::NotStarted { .. }), "{error}");
}

#[test]
fn input_is_passed_on() {
    let fixture = Fixture::new();
    let mut command = Command::new(["cat", "-", "/proc/sys/kernel/hostname"]);
    command.stdin = b"input, ".to_vec();
    let finished = fixture.start().run(&command).unwrap();
    assert_eq!((finished.status, text(&finished).as_str()), (0, "input, guest\n"));
}

#[test]
fn changes_land_in_the_upper_directory() {
    let fixture = Fixture::new();
    fs::write(fixture.path("guest/removed"), "").unwrap();
    let mut session = fixture.start();
    shell(&mut session, "echo text >/new; rm /removed; echo lost >/tmp/x; echo lost >/run/x");
    session.finish().unwrap();
    assert_eq!(fs::read_to_string(fixture.path("upper/new")).unwrap(), "text\n");
    assert!(fs::metadata(fixture.path("upper/removed")).unwrap().file_type().is_char_device());
    assert!(fixture.path("guest/removed").exists());
    assert!(!fixture.path("upper/tmp/x").exists() && !fixture.path("upper/run/x").exists());
    // A second session on the same directories goes on.
    assert_eq!(shell(&mut fixture.start(), "cat /new"), "text\n");
}

#[test]
fn without_lower_directories_the_upper_one_is_the_root() {
    let fixture = Fixture::new();
    let mut spec = fixture.spec();
    spec.upper = spec.lower.remove(0);
    let mut session = Session::start(&spec).unwrap();
    shell(&mut session, "echo text >/new");
    drop(session);
    assert_eq!(fs::read_to_string(fixture.path("guest/new")).unwrap(), "text\n");
}

#[test]
fn a_guest_of_this_machine_needs_no_interpreter() {
    let fixture = Fixture::new();
    let mut spec = fixture.spec();
    spec.lower = vec![fixture.path("tools")];
    spec.guest = Machine::host();
    let mut session = Session::start(&spec).unwrap();
    assert_eq!(session.mode(), Mode::Native);
    // Its libraries lie where the loader looks.
    assert_eq!(shell(&mut session, "echo direct"), "direct\n");
    assert_eq!(session.finish().unwrap(), osb_sandbox::Stats::default());
}

#[test]
fn a_tools_tree_without_an_emulator_is_an_error_that_says_so() {
    let fixture = Fixture::new();
    let emulator = format!("qemu-{}", foreign().kernel_name());
    fs::remove_file(fixture.path("tools/usr/bin").join(&emulator)).unwrap();
    let error = Session::start(&fixture.spec()).unwrap_err().to_string();
    assert!(error.contains(&emulator) && error.contains("qemu-user"), "{error}");
}
