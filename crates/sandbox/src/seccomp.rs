//! The filter that turns fsync and its relatives into successes that do nothing.
//!
//! dpkg syncs every file and status change so that a running system survives a power cut. In a
//! build whose result counts only when complete, that is waste: measured 250 minutes plain, 22 with
//! fsync off (a dpkg bug report). Emulated programs are covered too: qemu passes the call on.

use std::io;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};

use crate::sys;

/// `AUDIT_ARCH_*` (`linux/audit.h`): the ELF machine, 64-bit, little-endian.
const AUDIT_ARCH: u32 = 0xc000_0000 | crate::Machine::host().elf_machine() as u32;

const DROPPED: [c_long; 6] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
    libc::SYS_msync,
];

/// Installs the filter for this process and all its future children.
pub(crate) fn drop_fsync() -> io::Result<()> {
    sys::set_seccomp_filter(&mut program())
}

/// Offsets in `struct seccomp_data` (`linux/seccomp.h`).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

fn program() -> Vec<sock_filter> {
    let count = DROPPED.len() as u8;
    // A foreign calling convention (32-bit programs) has other numbers: allow it all.
    let mut program = vec![load(ARCH), jump_if(AUDIT_ARCH, 0, count + 1), load(NUMBER)];
    for (number, i) in DROPPED.into_iter().zip(0..) {
        // On a match, over the remaining tests and the "allow" that follows them.
        program.push(jump_if(number as u32, count - i, 0));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program.push(give(libc::SECCOMP_RET_ERRNO)); // errno 0: the call returns 0.
    program
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump_if(value: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt, jf, k: value }
}

fn give(action: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: action }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, for the instructions that it uses.
    fn run(number: u32, arch: u32) -> u32 {
        let program = program();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let i = program[at];
            at += 1;
            match u32::from(i.code) {
                c if c == BPF_LD | BPF_W | BPF_ABS => {
                    accumulator = if i.k == NUMBER { number } else { arch };
                }
                c if c == BPF_JMP | BPF_JEQ | BPF_K => {
                    at += usize::from(if accumulator == i.k { i.jt } else { i.jf });
                }
                _ => return i.k,
            }
        }
    }

    #[test]
    fn only_sync_calls_of_this_architecture_are_dropped() {
        for number in DROPPED {
            assert_eq!(run(number as u32, AUDIT_ARCH), libc::SECCOMP_RET_ERRNO);
            assert_eq!(run(number as u32, 0x4000_0003), libc::SECCOMP_RET_ALLOW, "i386");
        }
        for number in [libc::SYS_read, libc::SYS_write, libc::SYS_execve, libc::SYS_openat] {
            assert_eq!(run(number as u32, AUDIT_ARCH), libc::SECCOMP_RET_ALLOW);
        }
    }
}
