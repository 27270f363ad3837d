//! Commands that use more than they may: ended soon, with everything that they started, and the
//! session goes on.

#![allow(clippy::unwrap_used)] // Helpers are not recognised as test code.

mod common;

use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{Fixture, exceeded, shell};
use osb_sandbox::{Command, Excess, Limits, SandboxError, Session, Spec};

/// A session with these limits.
fn start(fixture: &Fixture, limits: impl Fn(&mut Limits)) -> Session {
    let mut spec = fixture.spec();
    limits(&mut spec.limits);
    Session::start(&spec).unwrap()
}

/// Fails unless no process is left and the session runs further commands.
fn assert_alone(session: &mut Session) {
    let processes = shell(session, "for p in /proc/[0-9]*; do echo $p; done");
    assert_eq!(processes.lines().count(), 2, "pid 1 and the shell itself: {processes}");
}

#[test]
fn a_daemon_is_killed_and_named() {
    let fixture = Fixture::new();
    for measure in [false, true] {
        let mut session = Session::start(&Spec { measure, ..fixture.spec() }).unwrap();
        let start = Instant::now();
        let ended = exceeded(&mut session, "setsid sleep 1000 & echo started");
        assert!(start.elapsed() < Duration::from_secs(30), "it waited for it");
        assert_eq!(ended.output, "started\n");
        assert_eq!(ended.excess, Excess::LeftBehind(fixture.spec().limits.grace));
        let [process] = &ended.processes[..] else { panic!("{ended:?}") };
        assert_eq!(process.command, "sleep 1000");
        assert!(process.environment.contains(&("HOME".to_owned(), "/root".to_owned())));
        assert!(ended.text.contains("sleep 1000"), "{ended:?}");
        assert_alone(&mut session);
    }
}

#[test]
fn what_ends_by_itself_soon_is_waited_for() {
    let fixture = Fixture::new();
    let mut session = start(&fixture, |limits| limits.grace = Duration::from_secs(20));
    let begin = Instant::now();
    let output = shell(&mut session, "(sleep 0.3; echo the tail) & echo first");
    assert_eq!(output, "first\nthe tail\n");
    assert!(begin.elapsed() < Duration::from_secs(15), "no longer than that");
}

#[test]
fn a_failed_command_is_told_of_as_failed_whatever_it_leaves() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let finished = common::run(&mut session, &["sh", "-c", "sleep 1000 & exit 3"]);
    assert_eq!(finished.status, 3);
    assert_alone(&mut session);
}

#[test]
fn endless_output_is_ended() {
    let fixture = Fixture::new();
    let mut session = start(&fixture, |limits| limits.output = 1 << 20);
    let ended = exceeded(&mut session, "while :; do echo again and again; done");
    assert_eq!(ended.excess, Excess::Output(1 << 20));
    assert!(ended.output.contains("again and again\n") && ended.output.len() <= 64 << 10);
    assert_alone(&mut session);
}

#[test]
fn a_fork_bomb_is_ended() {
    let fixture = Fixture::new();
    for measure in [false, true] {
        let mut spec = Spec { measure, ..fixture.spec() };
        spec.limits.processes = 300;
        let mut session = Session::start(&spec).unwrap();
        let begin = Instant::now();
        // Also when it hides: the shell that begins has ended by then.
        for script in ["bomb() { bomb & bomb; }; bomb", "bomb() { bomb & bomb; }; bomb & exit 0"] {
            match session.run(&Command::new(["sh", "-c", script])) {
                Err(SandboxError::Exceeded { excess: Excess::Processes(300), .. }) => {}
                // On a busy machine the kernel's own limit may be faster than the watchdog.
                Ok(done) if String::from_utf8_lossy(&done.tail).contains("Cannot fork") => {}
                Ok(done) => panic!("it ended with {} and {} bytes", done.status, done.log_bytes),
                Err(error) => panic!("{error}"),
            }
            assert_alone(&mut session);
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
}

#[test]
fn the_kernel_stops_a_fork_bomb_that_is_faster_than_the_watchdog() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(6), Some(14)) {
        eprintln!("SKIPPED: before Linux 6.14 the number of process ids is the whole machine's");
        return;
    }
    let host = || fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let before = host();
    let fixture = Fixture::new();
    let mut session = start(&fixture, |limits| limits.processes = 300);
    assert_eq!(shell(&mut session, "cat /proc/sys/kernel/pid_max"), "1324\n");
    assert_eq!(host(), before, "the host's stays");
}

#[test]
fn a_full_disk_is_prevented() {
    let fixture = Fixture::new();
    let space = rustix::fs::statvfs(fixture.directory.path()).unwrap();
    let free = space.f_bavail * space.f_frsize;
    // Far enough below what is free for what else this machine does meanwhile.
    let reserve = free.saturating_sub(256 << 20);
    let mut session = start(&fixture, |limits| limits.free_space = reserve);
    assert_eq!(shell(&mut session, "echo a little >/file; cat /file"), "a little\n");
    let script = "while :; do cat /bin/sh /bin/sh >>/file; cat /file /file >/file2; \
        cat /file2 >/file; done";
    let ended = exceeded(&mut session, script);
    let Excess::Space { free, reserve: limit } = ended.excess else { panic!("{ended:?}") };
    assert!(limit == reserve && free < reserve, "{free} of {reserve}");
}

#[test]
fn memory_file_systems_are_bounded() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let mounts = shell(&mut session, "cat /proc/self/mounts");
    for place in ["/tmp", "/run", "/dev", "/dev/shm"] {
        let found = mounts.lines().find(|line| line.split(' ').nth(1) == Some(place)).unwrap();
        assert!(found.contains("size=") && found.contains("nr_inodes="), "{found}");
    }
    // What does not fit is the command's own failure, at once.
    let finished = common::run(&mut session, &["sh", "-c", "cat /dev/zero >/dev/shm/../file"]);
    assert_ne!(finished.status, 0);
}

#[test]
fn a_limit_that_is_exceeded_ends_only_its_command() {
    let fixture = Fixture::new();
    let mut session = start(&fixture, |limits| limits.output = 1000);
    for _ in 0..2 {
        exceeded(&mut session, "while :; do echo x; done");
        assert_eq!(shell(&mut session, "echo on"), "on\n");
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(
        shell(&mut session, "echo idle time counts for nobody"),
        "idle time counts for nobody\n"
    );
}
