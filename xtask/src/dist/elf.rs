//! What a program needs of the system it is started on: its machine, and its libraries with the
//! oldest versions that have all the symbols (the `.gnu.version_r` section, LSB 10.7.3).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader as _;
use object::{Endianness, FileKind};

/// A 64-bit machine that osb runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Machine {
    /// What the kernel (`uname -m`) and Rust call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
        }
    }

    /// What Debian calls it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        }
    }
}

/// What a program needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) machine: Machine,
    /// Packages of Debian with the oldest versions that do.
    packages: BTreeMap<&'static str, Version>,
}

/// `2.34` as numbers.
type Version = Vec<u32>;

impl Needs {
    /// Reads the headers of a program.
    pub(crate) fn of(program: &[u8]) -> Result<Self> {
        ensure!(matches!(FileKind::parse(program), Ok(FileKind::Elf64)), "it is no 64-bit ELF");
        let header = FileHeader64::<Endianness>::parse(program)?;
        let endian = header.endian()?;
        let machine = match header.e_machine(endian) {
            EM_X86_64 => Machine::X86_64,
            EM_AARCH64 => Machine::Aarch64,
            other => bail!("it is for machine {other:?}, which osb is not made for"),
        };
        let sections = header.sections(endian, program)?;
        let mut needs = Needs { machine, packages: BTreeMap::new() };
        let dynamic = sections.dynamic_table(endian, program)?;
        for entry in dynamic.iter().filter(|entry| entry.tag == DT_NEEDED) {
            let library = std::str::from_utf8(dynamic.string(entry)?)?;
            needs.packages.entry(package(library)?).or_default();
        }
        if let Some((mut libraries, link)) = sections.gnu_verneed(endian, program)? {
            let strings = sections.strings(endian, program, link)?;
            while let Some((library, mut versions)) = libraries.next()? {
                let package = package(std::str::from_utf8(library.file(endian, strings)?)?)?;
                while let Some(version) = versions.next()? {
                    let version = version_of(std::str::from_utf8(version.name(endian, strings)?)?)?;
                    let oldest = needs.packages.entry(package).or_default();
                    *oldest = version.max(std::mem::take(oldest));
                }
            }
        }
        Ok(needs)
    }

    /// As the value of a `Depends` field.
    pub(crate) fn depends(&self) -> String {
        let relation = |(name, version): (&&str, &Version)| match version.as_slice() {
            [] => (*name).to_owned(),
            numbers => {
                let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
                format!("{name} (>= {})", words.join("."))
            }
        };
        self.packages.iter().map(relation).collect::<Vec<_>>().join(", ")
    }
}

/// The package of trixie that a library comes with. What osb is linked with is no more than this;
/// another one is a dependency that somebody has to decide about.
fn package(library: &str) -> Result<&'static str> {
    Ok(match library {
        "libc.so.6" | "libm.so.6" | "libdl.so.2" | "libpthread.so.0" | "librt.so.1" => "libc6",
        "ld-linux-x86-64.so.2" | "ld-linux-aarch64.so.1" => "libc6",
        "libgcc_s.so.1" => "libgcc-s1",
        _ => bail!("it is linked with {library}; name its package in xtask/src/dist/elf.rs"),
    })
}

/// `GLIBC_2.34` and `GCC_3.0` as numbers.
fn version_of(symbol: &str) -> Result<Version> {
    // Not a version, but first there in one (glibc's NEWS for 2.36).
    if symbol == "GLIBC_ABI_DT_RELR" {
        return Ok(vec![2, 36]);
    }
    let numbers = symbol.strip_prefix("GLIBC_").or_else(|| symbol.strip_prefix("GCC_"));
    let numbers = numbers.with_context(|| format!("symbols of unknown version {symbol}"))?;
    let number =
        |part: &str| part.parse().with_context(|| format!("symbols of unknown version {symbol}"));
    numbers.split('.').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::capture;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version_of("GLIBC_2.34").unwrap() > version_of("GLIBC_2.4").unwrap());
        assert!(version_of("GLIBC_2.2.5").unwrap() < version_of("GLIBC_2.3").unwrap());
        assert_eq!(version_of("GLIBC_ABI_DT_RELR").unwrap(), [2, 36]);
        // What only glibc's own programs may use has no version that a package could promise.
        assert!(version_of("GLIBC_PRIVATE").is_err());
        assert!(version_of("OPENSSL_3.0.0").is_err());
    }

    #[test]
    fn an_unknown_library_is_told() {
        let error = package("libssl.so.3").unwrap_err().to_string();
        assert!(error.contains("libssl.so.3"), "{error}");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"#!/bin/sh\n", &[0x7f, b'E', b'L', b'F', 2, 1, 1]] {
            assert!(Needs::of(bytes).is_err(), "{bytes:?}");
        }
    }

    /// This test itself is a program like osb; binutils reads the same of it.
    #[test]
    fn readelf_agrees() {
        let this = std::env::current_exe().unwrap();
        let mut readelf = std::process::Command::new("readelf");
        let Ok(text) = capture(readelf.args(["--wide", "--version-info"]).arg(&this)) else {
            eprintln!("SKIPPED: there is no readelf on this machine");
            return;
        };
        let newest = text
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("GLIBC_"))
            .filter_map(|word| version_of(&format!("GLIBC_{word}")).ok())
            .max()
            .unwrap();
        let needs = Needs::of(&std::fs::read(&this).unwrap()).unwrap();
        assert_eq!(needs.machine.name(), std::env::consts::ARCH);
        let relr = if text.contains("GLIBC_ABI_DT_RELR") { vec![2, 36] } else { Vec::new() };
        assert_eq!(needs.packages["libc6"], newest.max(relr));
        assert!(needs.depends().starts_with("libc6 (>= 2."), "{}", needs.depends());
    }
}
