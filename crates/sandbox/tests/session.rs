//! A session's life: what it limits, what it ends, what it shows of the host.

#![allow(clippy::unwrap_used)] // Helpers are not recognised as test code.

mod common;

use std::os::unix::fs::symlink;
use std::process::{Command as Process, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{Fixture, shell, text};
use osb_sandbox::{Bind, Command, Excess, SandboxError, Session};

/// Names the directory of the test that started this program as its helper.
const HELPER: &str = "OSB_SANDBOX_TEST_HELPER";

#[test]
fn orphans_are_reaped_while_a_command_runs() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let script = "(sh -c 'exit 0' & echo $! >/tmp/pid); sleep 1; cat /proc/$(cat /tmp/pid)/stat || echo gone";
    assert!(shell(&mut session, script).ends_with("gone\n"));
}

#[test]
fn the_status_of_a_signal() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let finished = common::run(&mut session, &["sh", "-c", "kill -9 $$"]);
    assert_eq!(finished.status, 137);
}

#[test]
fn a_command_that_takes_too_long_is_killed_and_the_session_goes_on() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let mut command = Command::new(["sh", "-c", "echo before; sleep 1000"]);
    command.timeout = Some(Duration::from_secs(2));
    match session.run(&command) {
        Err(SandboxError::Exceeded { program, excess, tail, .. }) => {
            assert_eq!((program.as_str(), tail.as_slice()), ("sh", &b"before\n"[..]));
            assert_eq!(excess, Excess::Time(Duration::from_secs(2)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shell(&mut session, "echo after"), "after\n");
}

#[test]
fn the_cancel_flag_ends_everything() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let flag = fixture.cancel.clone();
    let setter = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        flag.store(true, Ordering::Relaxed);
    });
    let marker = unique_sleep();
    let error = session.run(&Command::new(["sleep", marker.as_str()])).unwrap_err();
    assert!(matches!(error, SandboxError::Cancelled), "{error}");
    assert!(!runs(&marker));
    setter.join().unwrap();
}

#[test]
fn only_the_end_of_a_long_output_is_kept() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo the end >&2";
    let finished = common::run(&mut session, &["sh", "-c", script]);
    assert_eq!(finished.tail.len(), 64 << 10);
    assert_eq!(
        finished.log_bytes,
        (0..20000).map(|i| format!("line {i}\n").len() as u64).sum::<u64>() + 8
    );
    assert!(text(&finished).ends_with("line 19999\nthe end\n"));
    assert!(finished.user + finished.system > Duration::ZERO);
}

#[test]
fn there_is_no_network_but_loopback() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    let devices = shell(&mut session, "cat /proc/net/dev");
    let names: Vec<_> =
        devices.lines().skip(2).map(|l| l.trim().split(':').next().unwrap()).collect();
    assert_eq!(names, ["lo"]);
    assert_eq!(shell(&mut session, "cat /proc/net/route").lines().count(), 1, "no route");
    assert!(
        shell(&mut session, "cat /proc/net/if_inet6 /proc/net/fib_trie").contains("127.0.0.1"),
        "lo is up"
    );
}

#[test]
fn the_hosts_files_are_not_there() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    assert_eq!(shell(&mut session, "cd /; echo *"), "bin dev proc run sys tmp usr\n");
    assert_eq!(shell(&mut session, "cd /sys; echo *; cd /run; echo *"), "*\nlock osb\n");
}

#[test]
fn binds_show_what_the_spec_names_and_no_more() {
    let fixture = Fixture::new();
    for name in ["closed", "open"] {
        fs::create_dir(fixture.path(name)).unwrap();
        fs::write(fixture.path(name).join("file"), name).unwrap();
    }
    let mut spec = fixture.spec();
    let bind = |name: &str, writable| Bind {
        source: fixture.path(name),
        target: format!("/run/osb/binds/{name}"),
        writable,
    };
    spec.binds = vec![
        bind("closed", false),
        bind("open", true),
        Bind {
            source: fixture.path("closed/file"),
            target: "/run/osb/one".into(),
            writable: false,
        },
    ];
    let mut session = Session::start(&spec).unwrap();
    let script = "cd /run/osb/binds; cat closed/file open/file /run/osb/one; echo >closed/new; echo >open/new; echo >/run/osb/tools/new";
    assert!(
        text(&common::run(&mut session, &["sh", "-c", script])).starts_with("closedopenclosed")
    );
    assert!(!fixture.path("closed/new").exists() && fixture.path("open/new").exists());
    assert!(!fixture.path("tools/new").exists());
    for target in
        ["/run/osb/../../etc", "/etc", "/run/osb/", "/run/osb/tools/usr", "/run/osb/exec.conf"]
    {
        spec.binds = vec![Bind { target: target.into(), ..bind("open", true) }];
        assert!(matches!(Session::start(&spec), Err(SandboxError::Invalid(_))), "{target}");
    }
}

#[test]
fn a_link_in_place_of_a_mount_point_is_refused() {
    let fixture = Fixture::new();
    let outside = fixture.path("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, fixture.path("guest/run")).unwrap();
    let error = Session::start(&fixture.spec()).unwrap_err().to_string();
    assert!(error.contains("/run in the guest is not a directory"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn surroundings_of_commands() {
    let fixture = Fixture::new();
    let mut session = fixture.start();
    assert_eq!(
        shell(&mut session, "umask; ulimit -n; ulimit -c; id -u; pwd; echo $TZ $HOME"),
        "0022\n1024\n0\n0\n/\nUTC /root\n"
    );
    let limits = shell(&mut session, "cat /proc/self/limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    // One byte: with none the kernel would still start the host's handler of core dumps.
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["1", "1", "bytes"]);
}

#[test]
fn a_launcher_that_is_none_is_an_error_that_says_so() {
    let fixture = Fixture::new();
    let mut spec = fixture.spec();
    spec.launcher = "/bin/true".into();
    let error = Session::start(&spec).unwrap_err().to_string();
    assert!(error.contains("dispatch()"), "{error}");
}

#[test]
fn nothing_is_left_when_the_parent_is_killed() {
    let fixture = Fixture::new();
    let marker = unique_sleep();
    let mut parent = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_is_killed", "--ignored"])
        .env(HELPER, format!("{} {marker}", fixture.directory.path().display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the command runs", || runs(&marker));
    assert!(mounted(&fixture), "the test sees the session's mounts");
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the command is gone", || !runs(&marker));
    wait_for("the mounts are gone", || !mounted(&fixture));
}

/// Not a test: the process that `nothing_is_left_when_the_parent_is_killed` kills.
#[test]
#[ignore = "a helper that another test starts"]
fn helper_that_is_killed() {
    // Run by `--include-ignored` without its caller: nothing to do.
    let Ok(value) = std::env::var(HELPER) else { return };
    let (directory, marker) = value.rsplit_once(' ').unwrap();
    let mut spec = Fixture::new().spec();
    let base = std::path::Path::new(directory);
    spec.lower = vec![base.join("guest")];
    (spec.upper, spec.work) = (base.join("upper"), base.join("work"));
    spec.tools.root = base.join("tools");
    let mut session = Session::start(&spec).unwrap();
    let script = format!("setsid sleep {marker} & sleep {marker}");
    let _ = session.run(&Command::new(["sh", "-c", script.as_str()]));
}

/// A duration for `sleep` that no other process on this machine has as its argument.
fn unique_sleep() -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    format!("{}.{now:09}", 1_000_000 + std::process::id())
}

/// Whether a process with this last argument runs, in whatever namespace.
fn runs(marker: &str) -> bool {
    let wanted = format!("sleep\0{marker}\0");
    processes("cmdline").any(|line| line.ends_with(&wanted))
}

/// Whether a process has a mount of the fixture.
fn mounted(fixture: &Fixture) -> bool {
    let directory = fixture.directory.path().to_str().unwrap();
    processes("mountinfo").any(|mounts| mounts.contains(directory))
}

/// A file of every process.
fn processes(file: &str) -> impl Iterator<Item = String> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(move |e| fs::read(e.unwrap().path().join(file)).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
