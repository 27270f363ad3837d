//! The two machine architectures, and what a Linux system calls their parts.

use serde::{Deserialize, Serialize};

/// A machine architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Machine {
    /// 64-bit Arm: Debian's arm64.
    Aarch64,
    /// 64-bit x86: Debian's amd64.
    X86_64,
}

impl Machine {
    /// The machine that this program was compiled for, hence runs on.
    #[must_use]
    pub const fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// The kernel's name, as `uname -m` prints it.
    #[must_use]
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The directory under `/usr/lib` for its libraries (Debian policy, multiarch tuples).
    #[must_use]
    pub const fn triplet(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-linux-gnu",
            Self::X86_64 => "x86_64-linux-gnu",
        }
    }

    /// `e_machine` of its ELF files (`linux/elf-em.h`).
    #[must_use]
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::Aarch64 => 183,
            Self::X86_64 => 62,
        }
    }

    /// The dynamic loader, where its psABI puts it.
    pub(crate) const fn loader(self) -> &'static str {
        match self {
            Self::Aarch64 => "/lib/ld-linux-aarch64.so.1",
            Self::X86_64 => "/lib64/ld-linux-x86-64.so.2",
        }
    }

    /// The qemu-user program that runs it on another machine (Debian's package `qemu-user`).
    pub const fn emulator(self) -> &'static str {
        match self {
            Self::Aarch64 => "/usr/bin/qemu-aarch64",
            Self::X86_64 => "/usr/bin/qemu-x86_64",
        }
    }

    /// The first 20 bytes of its executables and the mask of those that count: class, byte order,
    /// version, type (2 or 3: the mask drops the lowest bit) and machine. The ABI byte is left out.
    pub(crate) const fn elf_magic(self) -> ([u8; 20], [u8; 20]) {
        let machine = self.elf_machine().to_le_bytes();
        let magic = [
            0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, machine[0],
            machine[1],
        ];
        let mut mask = [0xff; 20];
        mask[7] = 0;
        mask[16] = 0xfe;
        (magic, mask)
    }
}
