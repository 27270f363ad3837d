//! System calls that rustix does not offer, or offers as unsafe because of what they may do to a
//! program with threads. Each function here is a thin, safe wrapper.
#![allow(unsafe_code)] // The reasons are at each call.

use std::ffi::CStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::thread::UnshareFlags;

use crate::confine::Confinement;

/// Moves the calling process into new namespaces of every kind. Only for a process with one thread:
/// the kernel refuses a new user namespace to others (EINVAL).
pub(crate) fn unshare_everything() -> io::Result<()> {
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: the danger is CLONE_FILES, which is not among the flags.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Moves the calling process into a new user namespace, without any ids yet. For one thread only, as
/// above.
pub(crate) fn unshare_user() -> io::Result<()> {
    // SAFETY: as above.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }?)
}

/// Gives the calling process a host name of its own: harmless, and a privilege.
pub(crate) fn unshare_host_name() -> io::Result<()> {
    // SAFETY: as above.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUTS) }?)
}

/// The login name and the group of a user, by the host's name service; `None` if it knows none.
pub(crate) fn user_entry(uid: u32) -> Option<(String, u32)> {
    // SAFETY: passwd is plain data, for which zero is a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut buffer = [0; 16 << 10];
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are to live values, the length is the buffer's.
    unsafe {
        libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found);
    }
    if found.is_null() {
        return None;
    }
    // SAFETY: the call has set it to a string in the buffer, which still lives.
    let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_str().ok()?;
    Some((name.to_owned(), entry.pw_gid))
}

/// Gives up the supplementary groups of whoever started osb: they mean nothing inside.
pub(crate) fn drop_groups() -> io::Result<()> {
    // SAFETY: a length of zero means that the pointer is not read.
    check(unsafe { libc::setgroups(0, std::ptr::null()) }.into())
}

/// Makes one mount read-only, whether it is attached anywhere or not.
pub(crate) fn set_mount_read_only(mount: &impl std::os::fd::AsRawFd) -> io::Result<()> {
    mount_read_only(mount.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

/// Makes a mount and all mounts below it read-only (mount_setattr, Linux 5.12). Unlike a remount it
/// leaves the flags alone that a user namespace may not change.
pub(crate) fn set_read_only(path: &CStr) -> io::Result<()> {
    mount_read_only(libc::AT_FDCWD, path, libc::AT_RECURSIVE)
}

fn mount_read_only(folder: libc::c_int, path: &CStr, flags: libc::c_int) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path ends in NUL, the size is that of the structure.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            folder,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
}

/// Brings the loopback interface of the current network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    use std::os::fd::AsRawFd;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: ifreq is plain data, for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())
}

/// Kills every process that the caller may signal, except itself: as pid 1 of a pid namespace, all
/// others in it (kill(2), pid -1).
pub(crate) fn kill_all_others() {
    // SAFETY: no memory is involved. ESRCH, the only possible error, means that there is none.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// CPU time (user, system) of all children that were waited for, and theirs.
pub(crate) fn children_cpu() -> (Duration, Duration) {
    // SAFETY: rusage is plain data, for which zero is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live rusage. The call cannot fail with these arguments.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let duration = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    (duration(usage.ru_utime), duration(usage.ru_stime))
}

/// Lets a command start in a session of its own, without a controlling terminal, and confined.
/// Nothing that is to happen before its exec may be added after this.
pub(crate) fn confined(command: &mut Command, mut confinement: Confinement) {
    let confine = move || {
        rustix::process::setsid()?;
        confinement.enter()
    };
    // SAFETY: all of it are plain system calls, hence async-signal-safe; nothing is allocated.
    unsafe { command.pre_exec(confine) };
}

/// Lets no open descriptor but the three standard ones survive an exec: what whoever started osb
/// left open is not for the guest.
pub(crate) fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: nothing is closed here; descriptors of this process stay as they are.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })
}

/// Puts a seccomp filter on the calling process and its future children. It must have set
/// no_new_privs, or have CAP_SYS_ADMIN.
pub(crate) fn set_seccomp_filter(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the structure names a live program of that length; the kernel checks and copies it.
    check(
        unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
        }
        .into(),
    )
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
