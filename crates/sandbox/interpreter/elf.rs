//! The little of ELF that decides how a program of the tools tree is started (System V gABI,
//! chapter 4; 64-bit little-endian only, which both supported architectures are).

/// How many bytes of the file `Program::parse` wants to see; program headers follow the file header
/// directly in everything that a linker writes.
pub const HEAD: usize = 4096;

const PT_INTERP: u32 = 3;

/// A 64-bit little-endian ELF file.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// `e_machine`.
    pub machine: u16,
    /// Whether it asks for a dynamic loader.
    pub dynamic: bool,
}

impl Program {
    /// Looks at the first bytes of a file; `None` if it is no such ELF file.
    pub fn parse(head: &[u8]) -> Option<Self> {
        // \x7fELF, ELFCLASS64, ELFDATA2LSB.
        if head.len() < 64 || head[..6] != *b"\x7fELF\x02\x01" {
            return None;
        }
        let machine = half(head, 18)?;
        let table = usize::try_from(u64::from_le_bytes(head[32..40].try_into().ok()?)).ok()?;
        let (size, count) = (usize::from(half(head, 54)?), usize::from(half(head, 56)?));
        let dynamic = (0..count).any(|i| {
            let at = table.checked_add(i.saturating_mul(size));
            at.and_then(|at| word(head, at)) == Some(PT_INTERP)
        });
        Some(Self { machine, dynamic })
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file header for this machine with one program header of a type.
    fn file(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 120];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 62;
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file
    }

    #[test]
    fn the_loader_is_asked_for_by_a_program_header() {
        assert_eq!(Program::parse(&file(3)), Some(Program { machine: 62, dynamic: true }));
        assert_eq!(Program::parse(&file(1)), Some(Program { machine: 62, dynamic: false }));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut file = file(3);
        assert_eq!(Program::parse(&file[..63]), None);
        assert_eq!(Program::parse(b"#!/bin/sh"), None);
        // A table beyond the end, and one whose place overflows.
        file[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Program::parse(&file), Some(Program { machine: 62, dynamic: false }));
        file[4] = 1;
        assert_eq!(Program::parse(&file), None, "32-bit");
    }
}
