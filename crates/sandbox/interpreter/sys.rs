//! Raw Linux system calls, process start and the memory routines that `core` expects.
//!
//! There is no libc here, so everything that is unsafe about talking to the kernel lives in this
//! file; `main.rs` sees safe functions wherever the kernel checks the arguments itself.

use core::arch::{asm, global_asm};

// The kernel enters with the stack pointer at argc (System V ABI, "Process Initialization").
// `start` gets that pointer as its only argument, on an aligned stack.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    "ud2",
    start = sym crate::start,
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "mov x30, #0",
    "mov x0, sp",
    "bl {start}",
    "brk #0",
    start = sym crate::start,
);

/// System call numbers (`asm/unistd.h` of each architecture).
#[cfg(target_arch = "x86_64")]
mod nr {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const PREAD64: usize = 17;
    pub const EXECVE: usize = 59;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const READLINKAT: usize = 267;
    pub const OPENAT2: usize = 437;
}
#[cfg(target_arch = "aarch64")]
mod nr {
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const PREAD64: usize = 67;
    pub const READLINKAT: usize = 78;
    pub const EXIT_GROUP: usize = 94;
    pub const EXECVE: usize = 221;
    pub const MMAP: usize = 222;
    pub const OPENAT2: usize = 437;
}

/// `O_*` flags with the same value on both architectures.
pub const O_NONBLOCK: usize = 0o4000;
pub const O_CLOEXEC: usize = 0o2000000;
pub const O_PATH: usize = 0o10000000;

const AT_FDCWD: isize = -100;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// An error number, positive as in `errno.h`.
#[derive(Clone, Copy)]
pub struct Errno(pub isize);

/// A system call with up to six arguments; the result is the kernel's, negative for errors.
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does with them.
unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention: it preserves every register but the result (and
    // rcx, r11 on x86-64); the caller vouches for the pointers.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above, with x8 for the number and x0 for the result.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") args[0] as isize => result,
            in("x1") args[1], in("x2") args[2],
            in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    result
}

fn checked(result: isize) -> Result<usize, Errno> {
    if result < 0 { Err(Errno(-result)) } else { Ok(result as usize) }
}

/// Opens a path; `path` must end in NUL.
pub fn open(path: &[u8], flags: usize) -> Result<usize, Errno> {
    debug_assert!(path.last() == Some(&0));
    let path = path.as_ptr() as usize;
    // SAFETY: `path` points to a string that ends in NUL.
    checked(unsafe { syscall(nr::OPENAT, [AT_FDCWD as usize, path, flags | O_CLOEXEC, 0, 0, 0]) })
}

/// Opens `path` (ends in NUL) as seen from the directory `root`: links, absolute ones too, and
/// `..` stay below it.
pub fn open_in_root(root: usize, path: &[u8], flags: usize) -> Result<usize, Errno> {
    debug_assert!(path.last() == Some(&0));
    // struct open_how (linux/openat2.h): flags, mode, resolve.
    let how = [(flags | O_CLOEXEC) as u64, 0, RESOLVE_IN_ROOT];
    let args =
        [root, path.as_ptr() as usize, how.as_ptr() as usize, core::mem::size_of_val(&how), 0, 0];
    // SAFETY: both pointers are to live values, the size is that of `how`.
    checked(unsafe { syscall(nr::OPENAT2, args) })
}

/// Reads what a descriptor gives at an offset.
pub fn read_at(fd: usize, buffer: &mut [u8], offset: usize) -> Result<usize, Errno> {
    let args = [fd, buffer.as_mut_ptr() as usize, buffer.len(), offset, 0, 0];
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    checked(unsafe { syscall(nr::PREAD64, args) })
}

/// Reads until the end or until the buffer is full.
pub fn read_all(fd: usize, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        let args = [fd, rest.as_mut_ptr() as usize, rest.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most `rest.len()` bytes.
        match checked(unsafe { syscall(nr::READ, args) })? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Writes once; short writes and errors are the caller's to judge.
pub fn write(fd: usize, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads at most `bytes.len()` bytes.
    checked(unsafe { syscall(nr::WRITE, [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) })
}

/// Closes a descriptor.
pub fn close(fd: usize) {
    // SAFETY: no memory is involved.
    let _ = unsafe { syscall(nr::CLOSE, [fd, 0, 0, 0, 0, 0]) };
}

/// The target of a symbolic link; `path` must end in NUL.
pub fn readlink<'b>(path: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    debug_assert!(path.last() == Some(&0));
    let args = [
        AT_FDCWD as usize,
        path.as_ptr() as usize,
        buffer.as_mut_ptr() as usize,
        buffer.len(),
        0,
        0,
    ];
    // SAFETY: the path ends in NUL and the kernel writes at most `buffer.len()` bytes.
    let length = checked(unsafe { syscall(nr::READLINKAT, args) })?;
    Ok(&buffer[..length])
}

/// Room for `count` words, zeroed; argument lists may be larger than any fixed buffer.
pub fn allocate_words(count: usize) -> Result<&'static mut [*const u8], Errno> {
    const PROT_READ_WRITE: usize = 3;
    const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
    let args = [0, count.max(1) * 8, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, usize::MAX, 0];
    // SAFETY: a new private mapping overlaps nothing.
    let address = checked(unsafe { syscall(nr::MMAP, args) })?;
    // SAFETY: the mapping is zeroed, page-aligned, of that length, and never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(address as *mut *const u8, count) })
}

/// Replaces the process; returns only on failure.
///
/// # Safety
/// `path` ends in NUL; both lists end in a null pointer and point to strings that end in NUL.
pub unsafe fn execve(path: &[u8], argv: &[*const u8], envp: &[*const u8]) -> Errno {
    let args = [path.as_ptr() as usize, argv.as_ptr() as usize, envp.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the caller's promise.
    Errno(-unsafe { syscall(nr::EXECVE, args) })
}

/// Ends the process.
pub fn exit(status: usize) -> ! {
    loop {
        // SAFETY: no memory is involved.
        unsafe { syscall(nr::EXIT_GROUP, [status, 0, 0, 0, 0, 0]) };
    }
}

// The compiler emits calls to these five. They are plain byte loops: the interpreter copies a few
// kilobytes at most. Volatile accesses keep the loops from being compiled into calls to themselves.

/// # Safety
/// As C's `memcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write_volatile(from.add(i).read()) };
    }
    to
}

/// # Safety
/// As C's `memmove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize) < from as usize {
        // SAFETY: copying upwards is right when the target lies below.
        return unsafe { memcpy(to, from, n) };
    }
    for i in (0..n).rev() {
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write_volatile(from.add(i).read()) };
    }
    to
}

/// # Safety
/// As C's `memset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write_volatile(byte as u8) };
    }
    to
}

/// # Safety
/// As C's `memcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: the caller's promise.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// # Safety
/// As BSD's `bcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(a, b, n) }
}

/// # Safety
/// As C's `strlen`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(s: *const u8) -> usize {
    let mut n = 0;
    // SAFETY: the caller's promise.
    while unsafe { s.add(n).read_volatile() } != 0 {
        n += 1;
    }
    n
}

/// Named by the unwind tables of the precompiled `core`. Nothing unwinds here (panic = abort), so
/// it is never called; the linker only wants the symbol.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let _ = write(2, b"osb interpreter: internal error\n");
    exit(126)
}
