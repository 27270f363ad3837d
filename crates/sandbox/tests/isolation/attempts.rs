//! What a hostile program tries. Each attempt runs inside the guest, in a copy of this very test
//! program, and prints one word: how the kernel answered.
#![allow(unsafe_code)] // System calls that no library offers are the point.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{Error, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null;
use std::time::Duration;

use libc::{c_long, c_void};

/// Precedes the answer among what the test harness prints.
pub(crate) const ANSWER: &str = "ANSWER:";

/// Makes the attempt and tells the answer.
pub(crate) fn attempt(words: &str) -> String {
    let (name, argument) = words.split_once(' ').unwrap_or((words, ""));
    match name {
        "remount" => remount(argument),
        "mount-api" => each(&[
            ("mount", libc::SYS_mount),
            ("umount2", libc::SYS_umount2),
            ("pivot_root", libc::SYS_pivot_root),
            ("open_tree", libc::SYS_open_tree),
            ("move_mount", libc::SYS_move_mount),
            ("fsopen", libc::SYS_fsopen),
            ("fspick", libc::SYS_fspick),
            ("mount_setattr", libc::SYS_mount_setattr),
        ]),
        "kernel" => each(&[
            ("bpf", libc::SYS_bpf),
            ("perf_event_open", libc::SYS_perf_event_open),
            ("userfaultfd", libc::SYS_userfaultfd),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("keyctl", libc::SYS_keyctl),
            ("add_key", libc::SYS_add_key),
            ("request_key", libc::SYS_request_key),
            ("kexec_load", libc::SYS_kexec_load),
            ("open_by_handle_at", libc::SYS_open_by_handle_at),
            ("quotactl", libc::SYS_quotactl),
            ("swapon", libc::SYS_swapon),
            ("acct", libc::SYS_acct),
            ("init_module", libc::SYS_init_module),
            ("ptrace", libc::SYS_ptrace),
            ("process_vm_writev", libc::SYS_process_vm_writev),
            ("setns", libc::SYS_setns),
        ]),
        // To what it is: nothing is broken if it works.
        "chmod" => answer(
            fs::metadata(argument)
                .and_then(|facts| fs::set_permissions(argument, facts.permissions())),
        ),
        "writable" => writable(Path::new(argument)),
        "namespaces" => namespaces(),
        "first-process" => first_process(),
        "capabilities-back" => capabilities_back(),
        "connect" => connect(argument),
        "abstract" => {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(argument).unwrap();
            answer(UnixStream::connect_addr(&address).map(drop))
        }
        "sockets" => sockets(),
        "descriptors" => descriptors(),
        "foreign-abi" => foreign_abi(),
        "x32" => x32(),
        "usual" => usual(),
        other => panic!("no attempt is called {other}"),
    }
}

/// `ok`, or the name of the error.
fn answer(result: std::io::Result<()>) -> String {
    let Err(error) = result else { return "ok".to_owned() };
    let names = [
        (libc::EPERM, "EPERM"),
        (libc::EACCES, "EACCES"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EROFS, "EROFS"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::ENOENT, "ENOENT"),
    ];
    let name = names.iter().find(|(number, _)| Some(*number) == error.raw_os_error());
    name.map_or_else(|| error.to_string(), |(_, name)| (*name).to_owned())
}

fn checked(result: c_long) -> std::io::Result<()> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// `NAME=ANSWER` for each call, made without sensible arguments: a call that is open answers
/// EFAULT, EINVAL or the like.
fn each(calls: &[(&str, c_long)]) -> String {
    let call = |(name, number): &(&str, c_long)| {
        // SAFETY: null pointers and zeros; the kernel checks them.
        let result = unsafe { libc::syscall(*number, 0, 0, 0, 0, 0, 0) };
        format!("{name}={}", answer(checked(result)))
    };
    calls.iter().map(call).collect::<Vec<_>>().join(" ")
}

/// Makes a read-only bind mount writable in both ways that there are.
fn remount(path: &str) -> String {
    let at = CString::new(path).unwrap();
    let attributes = libc::mount_attr {
        attr_set: 0,
        attr_clr: libc::MOUNT_ATTR_RDONLY,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: all pointers are to live values, or null where the call wants none.
    let results = unsafe {
        [
            libc::mount(null(), at.as_ptr(), null(), libc::MS_REMOUNT | libc::MS_BIND, null())
                .into(),
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                at.as_ptr(),
                0,
                &raw const attributes,
                size_of_val(&attributes),
            ),
        ]
    };
    let write = fs::write(Path::new(path).join("written-by-the-guest"), "x");
    format!("{} then {}", if results.iter().all(|r| *r < 0) { "no" } else { "yes" }, answer(write))
}

/// Files below a folder of /proc that take a write of no bytes. (Root may open all of them.)
fn writable(folder: &Path) -> String {
    fn walk(folder: &Path, depth: u32, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let process = name.bytes().all(|b| b.is_ascii_digit());
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && !(depth == 0 && process) {
                walk(&path, depth + 1, found);
            } else if kind.is_file() && takes_writes(&path).unwrap_or(false) {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, 0, &mut found);
    format!("{} {}", found.len(), found.join(" "))
}

fn takes_writes(path: &Path) -> std::io::Result<bool> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let hidden = file.metadata()?.file_type().is_char_device();
    Ok(!hidden && file.write(b"").is_ok())
}

/// Every way to a new user namespace, which would come with all capabilities.
fn namespaces() -> String {
    let new_user = libc::CLONE_NEWUSER as c_long;
    // SAFETY: no memory is involved.
    let unshare = answer(checked(unsafe { libc::syscall(libc::SYS_unshare, new_user) }));
    let as_child = |result: c_long| {
        if result == 0 {
            // SAFETY: the child ends at once.
            unsafe { libc::_exit(0) };
        }
        answer(checked(result))
    };
    // SAFETY: like fork, with the stack copied; the child only ends.
    let clone = as_child(unsafe {
        libc::syscall(libc::SYS_clone, new_user | c_long::from(libc::SIGCHLD), 0, 0, 0, 0)
    });
    // struct clone_args (linux/sched.h), its first version: 64 bytes, the flags first.
    let mut arguments = [0u64; 8];
    arguments[0] = libc::CLONE_NEWUSER as u64;
    // SAFETY: the pointer is to 64 live bytes; the child only ends.
    let clone3 = as_child(unsafe {
        libc::syscall(libc::SYS_clone3, arguments.as_mut_ptr(), size_of_val(&arguments))
    });
    format!("unshare={unshare} clone={clone} clone3={clone3}")
}

/// Pid 1 has more rights than commands: nobody may become it.
fn first_process() -> String {
    let open = |path: &str, write: bool| {
        answer(OpenOptions::new().read(true).write(write).open(path).map(drop))
    };
    let list = |path: &str| answer(fs::read_dir(path).map(drop));
    // SAFETY: no memory is involved.
    let seize = unsafe { libc::ptrace(libc::PTRACE_SEIZE, 1, null::<c_void>(), null::<c_void>()) };
    let seize = answer(checked(seize));
    // SAFETY: no memory is involved; the kernel drops both signals for pid 1 (pid_namespaces(7)).
    unsafe {
        libc::kill(1, libc::SIGKILL);
        libc::kill(1, libc::SIGSTOP);
    }
    format!(
        "seize={seize} mem={} fd={} root={} ns={}",
        open("/proc/1/mem", true),
        open("/proc/1/fd/0", false),
        list("/proc/1/root/"),
        open("/proc/1/ns/mnt", false),
    )
}

/// Takes all capabilities into every set that there is.
fn capabilities_back() -> String {
    let head: [u32; 2] = [0x2008_0522, 0]; // _LINUX_CAPABILITY_VERSION_3, this process
    let data = [u32::MAX; 6];
    // SAFETY: capset reads a header and two structures of three numbers each.
    let capset = unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), data.as_ptr()) };
    let capset = answer(checked(capset));
    let after = std::process::Command::new("cat").arg("/proc/self/status").output().unwrap();
    let after = String::from_utf8(after.stdout).unwrap();
    let effective = after.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    format!("capset={capset} then {effective}")
}

fn connect(address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    answer(TcpStream::connect_timeout(&address, Duration::from_secs(20)).map(drop))
}

/// `FAMILY=ANSWER` for address families that know no network namespace, or no good use.
fn sockets() -> String {
    let families = [
        ("unix", libc::AF_UNIX),
        ("inet", libc::AF_INET),
        ("inet6", libc::AF_INET6),
        ("netlink", libc::AF_NETLINK),
        ("vsock", libc::AF_VSOCK),
        ("alg", libc::AF_ALG),
        ("packet", libc::AF_PACKET),
        ("bluetooth", libc::AF_BLUETOOTH),
    ];
    let open = |(name, family): &(&str, libc::c_int)| {
        // SAFETY: no memory is involved.
        let result = unsafe { libc::socket(*family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        format!("{name}={}", answer(checked(result.into())))
    };
    families.iter().map(open).collect::<Vec<_>>().join(" ")
}

/// The open descriptors, without the one that lists them, and what they are.
fn descriptors() -> String {
    let mut found: Vec<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?.display().to_string();
            let target = target.split(':').next().unwrap_or_default().to_owned();
            let own = target.starts_with("/proc/");
            (!own).then(|| format!("{}={target}", entry.file_name().display()))
        })
        .collect();
    found.sort();
    found.join(" ")
}

/// A system call by the 32-bit convention, whose numbers are others.
#[cfg(target_arch = "x86_64")]
fn foreign_abi() -> String {
    let mut number: i32 = 20; // getpid
    // SAFETY: getpid touches no memory; the kernel keeps all other registers (r8 to r11 aside).
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") number, out("r8") _, out("r9") _, out("r10") _,
            out("r11") _);
    }
    format!("pid {number}")
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign_abi() -> String {
    // A 32-bit program would be needed.
    std::process::exit(128 + libc::SIGSYS)
}

/// A system call by the x32 convention: the same entry, other numbers.
fn x32() -> String {
    // SAFETY: getpid touches no memory.
    answer(checked(unsafe { libc::syscall(0x4000_0000 | libc::SYS_getpid) }))
}

/// What maintainer scripts do, and must be able to.
fn usual() -> String {
    let path = |name: &str| CString::new(format!("/root-of-test/{name}")).unwrap();
    fs::create_dir("/root-of-test").unwrap();
    fs::write("/root-of-test/file", "x").unwrap();
    // VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE permitted and effective (linux/capability.h).
    let capability: [u32; 5] = [0x0200_0001, 1 << 10, 0, 0, 0];
    let name = CString::new("security.capability").unwrap();
    // SAFETY: all pointers are to live values of the sizes given.
    let results = unsafe {
        [
            ("chown", libc::chown(path("file").as_ptr(), 12, 34)),
            (
                "setcap",
                libc::setxattr(
                    path("file").as_ptr(),
                    name.as_ptr(),
                    capability.as_ptr().cast(),
                    size_of_val(&capability),
                    0,
                ),
            ),
            ("setgid", libc::chmod(path("file").as_ptr(), 0o6755)),
            ("fifo", libc::mknod(path("fifo").as_ptr(), libc::S_IFIFO | 0o600, 0)),
            ("chroot", libc::chroot(path("").as_ptr())),
            ("setgroups", libc::setgroups(1, [1000].as_ptr())),
            ("setresgid", libc::setresgid(1000, 1000, 1000)),
            ("setresuid", libc::setresuid(1000, 1000, 1000)),
        ]
    };
    let tell = |(name, result): (&str, libc::c_int)| format!("{name}={result}");
    results.map(tell).join(" ")
}
