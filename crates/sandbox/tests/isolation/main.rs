//! Each way out of the guest that is known, tried from inside: none may lead anywhere.

// Helpers are not recognised as test code.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod attempts;
#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use common::{Fixture, copy_with_libraries, run, shell, text};
use osb_sandbox::{Command, Machine, Rights, Session, Spec};

/// What the copy of this program inside the guest is to attempt.
const ATTEMPT: &str = "OSB_SANDBOX_ATTEMPT";

/// Not a test: what runs inside the guest.
#[test]
#[ignore = "a helper that other tests start"]
fn helper() {
    if let Ok(words) = std::env::var(ATTEMPT) {
        println!("{}{}", attempts::ANSWER, attempts::attempt(&words));
    }
}

/// A guest of this machine's architecture, with this program in it; `None` without root.
fn guest() -> Option<(Fixture, Spec, String)> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can show that the guest's root is not the host's");
        return None;
    }
    let fixture = Fixture::new();
    let helper = std::env::current_exe().unwrap();
    copy_with_libraries(helper.to_str().unwrap(), &fixture.path("tools"));
    let name = helper.file_name().unwrap().to_str().unwrap().to_owned();
    let spec =
        Spec { lower: vec![fixture.path("tools")], guest: Machine::host(), ..fixture.spec() };
    Some((fixture, spec, name))
}

/// How the attempt ended: its status, and its answer if it lived to give one.
fn tried(session: &mut Session, helper: &str, words: &str) -> (i32, String) {
    let mut command = Command::new([helper, "--exact", "helper", "--ignored", "--nocapture"]);
    command.environment = vec![(ATTEMPT.to_owned(), words.to_owned())];
    let finished = session.run(&command).unwrap();
    let text = text(&finished);
    let answer = text.lines().find_map(|line| line.split_once(attempts::ANSWER));
    (finished.status, answer.map_or(text.clone(), |(_, answer)| answer.to_owned()))
}

/// The answer to an attempt in a session of its own.
fn answer(words: &str) -> Option<String> {
    let (_fixture, spec, helper) = guest()?;
    let mut session = Session::start(&spec).unwrap();
    let (status, answer) = tried(&mut session, &helper, words);
    assert_eq!(status, 0, "{answer}");
    Some(answer)
}

#[test]
fn what_is_shown_read_only_stays_so() {
    let Some((fixture, spec, helper)) = guest() else { return };
    let mut session = Session::start(&spec).unwrap();
    assert_eq!(tried(&mut session, &helper, "remount /run/osb/tools").1, "no then EROFS");
    assert!(!fixture.path("tools/written-by-the-guest").exists());
}

#[test]
fn full_rights_are_for_those_who_ask_for_them() {
    let Some((fixture, spec, helper)) = guest() else { return };
    let mut session = Session::start(&Spec { rights: Rights::Full, ..spec }).unwrap();
    assert_eq!(tried(&mut session, &helper, "remount /run/osb/tools").1, "yes then ok");
    assert!(fixture.path("tools/written-by-the-guest").exists(), "so the attempt is a real one");
    let namespaces = tried(&mut session, &helper, "namespaces").1;
    assert!(namespaces.ends_with(" clone=ok clone3=ok"), "{namespaces}");
}

#[test]
fn the_hosts_device_nodes_cannot_be_changed() {
    let Some((_fixture, spec, helper)) = guest() else { return };
    let facts = || fs::metadata("/dev/full").unwrap();
    let before = (facts().mode(), facts().ctime_nsec());
    let mut session = Session::start(&spec).unwrap();
    for device in ["full", "null", "tty"] {
        assert_eq!(tried(&mut session, &helper, &format!("chmod /dev/{device}")).1, "EROFS");
    }
    assert_eq!((facts().mode(), facts().ctime_nsec()), before);
    assert_eq!(shell(&mut session, "echo x >/dev/null; cat /dev/null; echo used"), "used\n");
}

#[test]
fn nothing_of_the_kernel_can_be_written_through_proc() {
    if let Some(answer) = answer("writable /proc") {
        assert_eq!(answer.trim(), "0");
    }
}

#[test]
fn what_the_kernel_tells_of_the_host_is_hidden() {
    let Some((_fixture, spec, _)) = guest() else { return };
    let mut session = Session::start(&spec).unwrap();
    let script = "for f in kcore keys kmsg kallsyms timer_list; do \
        [ ! -e /proc/$f ] || [ -c /proc/$f ] || echo $f; done; cd /sys; echo *";
    assert_eq!(shell(&mut session, script), "*\n");
}

#[test]
fn no_call_changes_mounts() {
    if let Some(answer) = answer("mount-api") {
        assert!(answer.split(' ').all(|call| call.ends_with("=EPERM")), "{answer}");
    }
}

#[test]
fn no_call_reaches_into_the_kernel() {
    if let Some(answer) = answer("kernel") {
        assert!(answer.split(' ').all(|call| call.ends_with("=EPERM")), "{answer}");
    }
}

#[test]
fn no_new_user_namespace_gives_rights_back() {
    if let Some(answer) = answer("namespaces") {
        assert_eq!(answer, "unshare=EPERM clone=EPERM clone3=ENOSYS");
    }
}

#[test]
fn commands_have_few_capabilities_and_get_no_more() {
    let Some((_fixture, spec, helper)) = guest() else { return };
    let mut session = Session::start(&spec).unwrap();
    let status = shell(&mut session, "cat /proc/self/status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SETPCAP 8,
    // SYS_CHROOT 18, SETFCAP 31 (linux/capability.h).
    let few = "00000000800401fb";
    for set in ["CapPrm:\t", "CapEff:\t", "CapBnd:\t"] {
        assert_eq!(field(set), few, "{set}");
    }
    for set in ["CapInh:\t", "CapAmb:\t"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs:\t"), field("Seccomp:\t")), ("1", "2"));
    let answer = tried(&mut session, &helper, "capabilities-back").1;
    assert_eq!(answer, format!("capset=EPERM then {few}"));
}

#[test]
fn what_maintainer_scripts_do_works() {
    if let Some(answer) = answer("usual") {
        assert!(answer.split(' ').all(|call| call.ends_with("=0")), "{answer}");
    }
}

#[test]
fn the_first_process_is_out_of_reach() {
    let Some((_fixture, spec, helper)) = guest() else { return };
    for measure in [false, true] {
        let mut session = Session::start(&Spec { measure, ..spec.clone() }).unwrap();
        let answer = tried(&mut session, &helper, "first-process").1;
        assert_eq!(answer, "seize=EPERM mem=EACCES fd=EACCES root=EACCES ns=EACCES");
        assert_eq!(shell(&mut session, "echo it lives"), "it lives\n");
        session.finish().unwrap();
    }
}

#[test]
fn other_system_call_conventions_are_no_way_round() {
    let Some((_fixture, spec, helper)) = guest() else { return };
    let mut session = Session::start(&spec).unwrap();
    let (status, answer) = tried(&mut session, &helper, "foreign-abi");
    assert_eq!(status, 128 + libc::SIGSYS, "{answer}");
    assert_eq!(tried(&mut session, &helper, "x32").1, "ENOSYS");
}

#[test]
fn only_the_three_standard_descriptors_are_open() {
    let Some((_fixture, spec, helper)) = guest() else { return };
    // One that survives an exec, as a careless parent may have left it to osb.
    let file = fs::File::open("/").unwrap();
    let careless = rustix::io::dup(&file).unwrap();
    rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
    let mut session = Session::start(&spec).unwrap();
    assert_eq!(
        tried(&mut session, &helper, "descriptors").1,
        "0=/dev/null 1=pipe 2=pipe",
        "the test's own is {}",
        careless.as_raw_fd()
    );
}

#[test]
fn no_address_outside_can_be_reached() {
    let start = Instant::now();
    // Documentation addresses (RFC 5737, RFC 3849).
    for address in ["192.0.2.1:80", "[2001:db8::1]:80"] {
        if let Some(answer) = answer(&format!("connect {address}")) {
            assert_eq!(answer, "ENETUNREACH", "{address}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(15), "at once");
}

#[test]
fn no_socket_of_the_host_can_be_reached() {
    let name = format!("osb-sandbox-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    if let Some(answer) = answer(&format!("abstract {name}")) {
        assert_eq!(answer, "ECONNREFUSED");
    }
}

#[test]
fn only_sockets_of_the_network_namespace_exist() {
    if let Some(answer) = answer("sockets") {
        let (open, closed): (Vec<_>, Vec<_>) = answer.split(' ').partition(|s| s.ends_with("=ok"));
        let open: Vec<_> = open.iter().map(|s| s.split('=').next().unwrap()).collect();
        assert_eq!(open[..2], ["unix", "inet"], "{answer}");
        assert!(open.contains(&"netlink"), "{answer}");
        assert!(closed.iter().all(|s| s.ends_with("=EAFNOSUPPORT")), "{answer}");
        assert!(closed.iter().any(|s| s.starts_with("vsock=")), "{answer}");
    }
}

#[test]
fn the_environment_is_what_the_spec_says() {
    let Some((_fixture, spec, _)) = guest() else { return };
    let spec = Spec { environment: vec![("OWN".to_owned(), "1".to_owned())], ..spec };
    let mut session = Session::start(&spec).unwrap();
    let finished = run(&mut session, &["cat", "/proc/self/environ"]);
    let text = text(&finished);
    let mut names: Vec<_> =
        text.split_terminator('\0').filter_map(|v| v.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LC_ALL", "OWN", "PATH", "TZ"]);
}

/// A command may start the program that its process was before, through /proc: the host's file.
#[test]
fn the_hosts_own_program_cannot_be_changed() {
    let Some((fixture, spec, _)) = guest() else { return };
    std::os::unix::fs::symlink("/proc/self/exe", fixture.path("tools/usr/bin/own")).unwrap();
    let mode = || fs::metadata(&spec.launcher).unwrap().mode();
    let before = mode();
    let mut session = Session::start(&spec).unwrap();
    let finished = run(&mut session, &["/usr/bin/own", "change-own-file"]);
    assert!(text(&finished).contains("ReadOnlyFilesystem"), "{}", text(&finished));
    assert_eq!(mode(), before);
}
