//! The filter on the system calls of commands: what is denied, and fsync and its relatives turned
//! into successes that do nothing.
//!
//! Denied are the ways to more rights (a user namespace of one's own), to the host past the
//! namespaces (keyrings, sockets that know no network namespace), and large parts of the kernel
//! that no maintainer script needs: what is not reachable need not be free of bugs. Capabilities
//! forbid most of it once more. Emulated programs are covered, too: qemu makes the host's calls.
//!
//! dpkg syncs every file and status change so that a running system survives a power cut. In a
//! build whose result counts only when complete, that is waste: measured 250 minutes plain, 22 with
//! fsync off (a dpkg bug report).

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, c_int, c_long, sock_filter,
};

use crate::Rights;

/// `AUDIT_ARCH_*` (`linux/audit.h`): the ELF machine, 64-bit, little-endian.
const AUDIT_ARCH: u32 = 0xc000_0000 | crate::Machine::host().elf_machine() as u32;
/// Marks the calls of x86's third calling convention (`__X32_SYSCALL_BIT`, `asm/unistd.h`). No call
/// of another machine has such a number.
const X32: u32 = 0x4000_0000;

const DROPPED: &[c_long] = &[
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
    libc::SYS_msync,
];

/// Answered with EPERM.
const DENIED: &[c_long] = &[
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    // Other processes' memory and descriptors. Pid 1 traces, commands do not.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The user's keyrings are the host's.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Parts of the kernel in which holes were found again and again.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    // Files past the mount namespace, and what belongs to the whole machine.
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
];

/// The only address families, all of them the network namespace's own. VSOCK, for one, reaches the
/// machine that a virtual one runs on.
const FAMILIES: &[c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Offsets in `struct seccomp_data` (`linux/seccomp.h`); both machines are little-endian.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// The filter's program.
pub(crate) fn program(rights: Rights, drop_fsync: bool) -> Vec<sock_filter> {
    // A foreign calling convention (32-bit programs) has other numbers for all that follows.
    let foreign = match rights {
        Rights::Package => SECCOMP_RET_KILL_PROCESS,
        Rights::Full => SECCOMP_RET_ALLOW,
    };
    let mut program = vec![load(ARCH), equal(AUDIT_ARCH, 1, 0), give(foreign), load(NUMBER)];
    if drop_fsync {
        let rule = |number: &c_long| [equal(*number as u32, 0, 1), give(errno(0))];
        program.extend(DROPPED.iter().flat_map(rule));
    }
    if rights == Rights::Package {
        deny(&mut program);
    }
    program.push(allow());
    program
}

/// Adds what denies; the call's number is loaded.
fn deny(program: &mut Vec<sock_filter>) {
    let denied = errno(libc::EPERM);
    program.extend([any_bit(X32, 0, 1), give(errno(libc::ENOSYS))]);
    let rule = |number: &c_long| [equal(*number as u32, 0, 1), give(denied)];
    program.extend(DENIED.iter().flat_map(rule));
    // Its flags lie in memory, out of a filter's sight; C libraries fall back to clone.
    program.extend([equal(libc::SYS_clone3 as u32, 0, 1), give(errno(libc::ENOSYS))]);
    for number in [libc::SYS_clone, libc::SYS_unshare] {
        let new_user = any_bit(libc::CLONE_NEWUSER as u32, 0, 1);
        let body = [load(FIRST_ARGUMENT), new_user, give(denied), allow()];
        program.push(equal(number as u32, 0, body.len() as u8));
        program.extend(body);
    }
    // Limits of other processes: pid 1 has the same user, which is all that the kernel asks.
    let body = [load(FIRST_ARGUMENT), equal(0, 0, 1), allow(), give(denied)];
    program.push(equal(libc::SYS_prlimit64 as u32, 0, body.len() as u8));
    program.extend(body);
    let families = FAMILIES.iter().flat_map(|family| [equal(*family as u32, 0, 1), allow()]);
    let mut body = vec![load(FIRST_ARGUMENT)];
    body.extend(families.chain([give(errno(libc::EAFNOSUPPORT))]));
    program.push(equal(libc::SYS_socket as u32, 0, body.len() as u8));
    program.extend(body);
}

/// The call fails with `number`; with zero it succeeds and does nothing.
const fn errno(number: c_int) -> u32 {
    SECCOMP_RET_ERRNO | number as u32
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

/// Skips `yes` instructions if what was loaded is `value`, else `no`.
fn equal(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: yes, jf: no, k: value }
}

/// The same if what was loaded has one of these bits.
fn any_bit(bits: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JSET | BPF_K) as u16, jt: yes, jf: no, k: bits }
}

fn give(action: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: action }
}

fn allow() -> sock_filter {
    give(SECCOMP_RET_ALLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, for the instructions that it uses.
    fn run_on(program: &[sock_filter], number: c_long, arch: u32, argument: u32) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let i = program[at];
            at += 1;
            let jump = |holds| usize::from(if holds { i.jt } else { i.jf });
            match u32::from(i.code) {
                c if c == BPF_LD | BPF_W | BPF_ABS => {
                    accumulator = match i.k {
                        NUMBER => number as u32,
                        ARCH => arch,
                        FIRST_ARGUMENT => argument,
                        other => panic!("offset {other}"),
                    }
                }
                c if c == BPF_JMP | BPF_JEQ | BPF_K => at += jump(accumulator == i.k),
                c if c == BPF_JMP | BPF_JSET | BPF_K => at += jump(accumulator & i.k != 0),
                c if c == BPF_RET | BPF_K => return i.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    fn run(number: c_long, argument: u32) -> u32 {
        run_on(&program(Rights::Package, true), number, AUDIT_ARCH, argument)
    }

    #[test]
    fn only_sync_calls_are_dropped_and_only_on_demand() {
        for number in DROPPED {
            assert_eq!(run(*number, 0), SECCOMP_RET_ERRNO);
            let durable = program(Rights::Package, false);
            assert_eq!(run_on(&durable, *number, AUDIT_ARCH, 0), SECCOMP_RET_ALLOW);
        }
        for number in [libc::SYS_read, libc::SYS_write, libc::SYS_execve, libc::SYS_openat] {
            assert_eq!(run(number, 0), SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn denied_calls_fail_whatever_their_arguments() {
        for number in DENIED {
            for argument in [0, 1, u32::MAX] {
                assert_eq!(run(*number, argument), errno(libc::EPERM));
            }
        }
    }

    #[test]
    fn processes_may_be_made_but_no_user_namespaces() {
        for number in [libc::SYS_clone, libc::SYS_unshare] {
            assert_eq!(run(number, libc::CLONE_VM as u32 | 17), SECCOMP_RET_ALLOW);
            let flags = libc::CLONE_NEWUSER as u32 | 17;
            assert_eq!(run(number, flags), errno(libc::EPERM));
        }
        assert_eq!(run(libc::SYS_prlimit64, 0), SECCOMP_RET_ALLOW);
        assert_eq!(run(libc::SYS_prlimit64, 1), errno(libc::EPERM));
        assert_eq!(run(libc::SYS_clone3, 0), errno(libc::ENOSYS));
    }

    #[test]
    fn sockets_are_of_known_families() {
        for family in 0..64 {
            let known = FAMILIES.contains(&family);
            let expected = if known { SECCOMP_RET_ALLOW } else { errno(libc::EAFNOSUPPORT) };
            assert_eq!(run(libc::SYS_socket, family as u32), expected, "{family}");
        }
    }

    #[test]
    fn other_calling_conventions_are_refused() {
        let i386 = 0x4000_0003;
        let program = program(Rights::Package, true);
        assert_eq!(run_on(&program, libc::SYS_read, i386, 0), SECCOMP_RET_KILL_PROCESS);
        assert_eq!(run(libc::SYS_read | c_long::from(X32), 0), errno(libc::ENOSYS));
    }

    #[test]
    fn full_rights_are_full_but_for_fsync() {
        let program = program(Rights::Full, true);
        for number in DENIED.iter().chain(&[libc::SYS_clone3, libc::SYS_unshare, libc::SYS_socket])
        {
            assert_eq!(run_on(&program, *number, AUDIT_ARCH, u32::MAX), SECCOMP_RET_ALLOW);
        }
        assert_eq!(run_on(&program, libc::SYS_fsync, AUDIT_ARCH, 0), errno(0));
        assert_eq!(run_on(&program, libc::SYS_fsync, 0x4000_0003, 0), SECCOMP_RET_ALLOW);
    }
}
