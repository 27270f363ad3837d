//! Measuring: exact counts, honest clocks, and programs that do not notice.

#![allow(clippy::unwrap_used)] // Helpers are not recognised as test code.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::{Duration, Instant};

use common::{Fixture, copy_with_libraries, exceeded, run, shell, text, used};
use osb_sandbox::{Command, Excess, Kind, Machine, SandboxError, Session, Spec, Stats};

/// How long each thread of the helper keeps a processor busy.
const BUSY: Duration = Duration::from_millis(100);

fn substituted(stats: &Stats, name: &str) -> u64 {
    used(stats, Kind::Substituted, &format!("/usr/bin/{name}")).0
}

#[test]
fn every_exec_counts_once_and_no_fork_does() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    let script = "(:); (cat /dev/null); cat /dev/null & wait; x=$(id -u); \
        i=0; while [ $i -lt 50 ]; do mkdir -p /tmp/x; i=$((i+1)); done; \
        sh -c 'exec sh -c \"exec rm -r /tmp/x\"'; no-such-program || exec ls /dev/null";
    shell(&mut session, script);
    assert_eq!(shell(&mut session, "cat /dev/null; echo second command"), "second command\n");
    let stats = session.finish().unwrap();
    let counts = ["sh", "cat", "id", "mkdir", "rm", "ls"].map(|name| substituted(&stats, name));
    assert_eq!(counts, [4, 3, 1, 50, 1, 1], "{stats:?}");
    assert_eq!(stats.programs.len(), 6, "{stats:?}");
    assert!(stats.programs.iter().all(|p| p.why.is_none() && !p.cpu.is_zero()), "{stats:?}");
    assert!(stats.programs.is_sorted_by(|a, b| a.cpu >= b.cpu), "{stats:?}");
}

#[test]
fn emulated_programs_come_with_the_reason() {
    let fixture = Fixture::new();
    fixture.native_emulator();
    fixture.guest_program("usr/lib/only-here");
    fixture.guest_program("usr/bin/uname");
    fs::copy(fixture.path("tools/usr/bin/cat"), fixture.path("tools/usr/bin/uname")).unwrap();
    std::os::unix::fs::symlink("../lib/only-here", fixture.path("guest/usr/bin/link")).unwrap();
    let mut session = fixture.start_measured();
    let script = "link a b; cd /usr/lib; ./only-here; uname; echo() { /usr/bin/echo; }; echo";
    assert_eq!(
        shell(&mut session, script),
        "-0 link /usr/bin/link a b\n-0 ./only-here ./only-here\n-0 uname /usr/bin/uname\n\n"
    );
    let stats = session.finish().unwrap();
    let program = |path: &str| stats.programs.iter().find(|p| p.path == path).unwrap();
    let (alone, uname) = (program("/usr/lib/only-here"), program("/usr/bin/uname"));
    assert_eq!((alone.kind, alone.starts), (Kind::Emulated, 2));
    assert_eq!(alone.why.as_deref(), Some("the tools tree lacks it"));
    assert_eq!((uname.kind, uname.starts), (Kind::Emulated, 1));
    assert_eq!(uname.why.as_deref(), Some("prints the machine"));
    assert_eq!(used(&stats, Kind::Native, "/usr/bin/echo").0, 1, "this machine's own");
    assert_eq!(stats.programs.len(), 4, "and the shell: {stats:?}");
}

#[test]
fn statuses_and_signals_are_what_they_are_otherwise() {
    let fixture = Fixture::new();
    let script = "trap 'echo usr1' USR1; kill -USR1 $$; \
        sh -c 'exit 3'; echo $?; sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -KILL $$'; echo $?; \
        sh -c 'kill -TRAP $$'; echo $?; sleep 1000 & kill -9 $!; wait $!; echo $?; no-such; echo $?";
    let outcome = |mut session: Session| {
        let finished = run(&mut session, &["sh", "-c", script]);
        let killed = run(&mut session, &["sh", "-c", "kill -9 $$"]).status;
        let missing = session.run(&Command::new(["no-such"])).unwrap_err();
        assert!(matches!(missing, SandboxError::NotStarted { .. }), "{missing}");
        assert_eq!(shell(&mut session, "echo on"), "on\n");
        (finished.status, killed, text(&finished))
    };
    let measured = outcome(fixture.start_measured());
    assert_eq!(measured, outcome(fixture.start()));
    assert!(measured.2.starts_with("usr1\n3\n"), "{measured:?}");
}

#[test]
fn a_stopped_process_stays_stopped_until_it_is_continued() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    let script = "cd /tmp; (while :; do echo >>n; done) & p=$!; size() { cat n | { n=0; while read l; \
        do n=$((n+1)); done; echo $n; }; }; sleep 0.2; kill -STOP $p; sleep 0.1; a=$(size); \
        sleep 0.3; b=$(size); kill -CONT $p; sleep 0.3; kill $p; wait $p; echo $?; \
        [ $a -gt 0 ] && [ $a = $b ] && [ $(size) -gt $b ]";
    assert!(shell(&mut session, script).ends_with("143\n"));
}

#[test]
fn a_stopped_process_can_be_killed() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    let script = "sleep 1000 & kill -STOP $!; sleep 0.1; kill -9 $!; wait $!; echo $?; \
        sleep 1000 & kill -STOP $!";
    let ended = exceeded(&mut session, script);
    assert!(matches!(ended.excess, Excess::LeftBehind(_)), "{ended:?}");
    assert!(ended.output.ends_with("137\n"), "{ended:?}");
    assert_eq!(shell(&mut session, "echo on"), "on\n");
}

#[test]
fn daemons_are_measured_reaped_and_killed() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    let start = Instant::now();
    let script = "(setsid sh -c 'sh -c \"while :; do :; done\" & exit' &); sleep 0.5";
    assert!(matches!(exceeded(&mut session, script).excess, Excess::LeftBehind(_)));
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for them");
    let processes = shell(&mut session, "for p in /proc/[0-9]*; do echo $p; done");
    assert_eq!(processes.lines().count(), 2, "pid 1 and the shell itself: {processes}");
    let script =
        "(sh -c 'exit 0' & echo $! >/tmp/p); sleep 0.5; ls /proc/$(cat /tmp/p) || echo gone";
    assert!(shell(&mut session, script).ends_with("gone\n"));
    let stats = session.finish().unwrap();
    assert_eq!((substituted(&stats, "setsid"), substituted(&stats, "sh")), (1, 6), "{stats:?}");
    let cpu = used(&stats, Kind::Substituted, "/usr/bin/sh").1;
    assert!(cpu > Duration::from_millis(50), "the loop's time counts: {cpu:?}");
}

#[test]
fn a_command_that_takes_too_long_is_killed() {
    let fixture = Fixture::new();
    let mut session = fixture.start_measured();
    let mut command = Command::new(["sh", "-c", "while :; do (:); done"]);
    command.timeout = Some(Duration::from_secs(1));
    let error = session.run(&command).unwrap_err();
    assert!(matches!(error, SandboxError::Exceeded { excess: Excess::Time(_), .. }), "{error}");
    let cpu = used(&session.finish().unwrap(), Kind::Substituted, "/usr/bin/sh").1;
    assert!(cpu > Duration::from_millis(100), "{cpu:?}");
}

#[test]
fn threads_are_no_programs_but_use_time_and_may_execute_one() {
    let fixture = Fixture::new();
    let helper = std::env::current_exe().unwrap();
    copy_with_libraries(helper.to_str().unwrap(), &fixture.path("tools"));
    let name = helper.file_name().unwrap().to_str().unwrap();
    fixture.guest_program(&format!("usr/bin/{name}"));
    let mut session = fixture.start_measured();
    let mut command =
        Command::new([name, "--exact", "helper_with_threads", "--ignored", "--nocapture"]);
    command.environment = vec![("HELPER".to_owned(), "1".to_owned())];
    let finished = session.run(&command).unwrap();
    assert!(text(&finished).ends_with("executed by a thread\n"), "{}", text(&finished));
    let stats = session.finish().unwrap();
    let (starts, cpu) = used(&stats, Kind::Substituted, &format!("/usr/bin/{name}"));
    assert_eq!((starts, substituted(&stats, "sh")), (1, 1), "{stats:?}");
    assert!(cpu >= 3 * BUSY, "{cpu:?}");
    let all: Duration = stats.programs.iter().map(|program| program.cpu).sum();
    let whole = finished.user + finished.system;
    assert!(all.abs_diff(whole) < Duration::from_millis(100), "{all:?} of {whole:?}");
}

/// Not a test: three busy threads, of which the last executes a program.
#[test]
#[ignore = "a helper that another test starts"]
fn helper_with_threads() {
    if std::env::var_os("HELPER").is_none() {
        return;
    }
    let busy = || {
        // Nanoseconds on a processor come first.
        let spent = || fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        while spent().split(' ').next().unwrap().parse::<u128>().unwrap() < BUSY.as_nanos() {}
    };
    let threads = [thread::spawn(busy), thread::spawn(busy)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "echo executed by a thread"]);
    let last = thread::spawn(move || {
        busy();
        panic!("{}", shell.exec());
    });
    last.join().unwrap();
}

#[test]
fn set_user_id_programs_give_nothing() {
    let fixture = Fixture::new();
    copy_with_libraries("setpriv", &fixture.path("tools"));
    fs::set_permissions(fixture.path("tools/usr/bin/id"), Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(fixture.directory.path(), Permissions::from_mode(0o755)).unwrap();
    for measure in [false, true] {
        let spec = Spec {
            lower: vec![fixture.path("tools")],
            guest: Machine::host(),
            measure,
            ..fixture.spec()
        };
        let mut session = Session::start(&spec).unwrap();
        let script = "setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'id -u; id -ru'";
        assert_eq!(shell(&mut session, script), "1000\n1000\n", "measured: {measure}");
        let stats = session.finish().unwrap();
        let starts = used(&stats, Kind::Native, "/usr/bin/id").0;
        assert_eq!(starts, if measure { 2 } else { 0 }, "{stats:?}");
        assert_eq!(stats.programs.is_empty(), !measure);
    }
}
