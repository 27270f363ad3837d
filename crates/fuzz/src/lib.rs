//! Fuzz targets for everything in osb that reads foreign bytes.
//!
//! A target is a function of bytes that panics when something is wrong: the code under it
//! panicked, a property does not hold (what is written is read back, an order is total, a second
//! implementation agrees), or it took too long. `cargo xtask fuzz` drives them with libFuzzer;
//! `cargo test` runs each on its seeds and on `corpus/TARGET/`, so that none rots.
//!
//! See README.md for how to run, how to add a target, and what becomes of a finding.

// A target says what is wrong by panicking.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod seeds;
mod targets;
mod wrap;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use targets::TARGETS;

/// The environment variable that names the target to the libFuzzer program.
pub const TARGET_VARIABLE: &str = "OSB_FUZZ_TARGET";

/// Processor time that one input may take. Inputs are at most [`MAX_BYTES`] long, for which
/// linear code needs milliseconds: what takes a second is quadratic.
pub const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Longest input, in bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// Longest input that is changed, in bytes; seeds that are longer are only run. Most of what there
/// is to find shows in a few hundred bytes, and short inputs are tried a hundred times as often.
pub const FUZZED_BYTES: usize = 16 << 10;

/// A parser, and what has to hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line and in `corpus/`.
    pub name: &'static str,
    /// What it reads and which property it checks, in a line.
    pub about: &'static str,
    /// Panics if something is wrong.
    pub run: fn(&[u8]),
    /// Good and bad inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format, for libFuzzer's dictionary.
    pub words: &'static [&'static str],
}

impl Target {
    /// Runs the target on one input.
    ///
    /// # Panics
    /// Something is wrong, or it took more than [`TIME_LIMIT`] of processor time.
    pub fn check(&self, bytes: &[u8]) {
        let started = processor_time();
        (self.run)(bytes);
        let taken = processor_time().saturating_sub(started);
        assert!(taken < TIME_LIMIT, "{}: {} bytes took {taken:.1?}", self.name, bytes.len());
    }

    /// The words as a libFuzzer dictionary.
    pub fn dictionary(&self) -> String {
        let quote = |word: &&str| {
            let bytes = word.bytes().map(|byte| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                other => format!("\\x{other:02X}"),
            });
            format!("\"{}\"\n", bytes.collect::<String>())
        };
        self.words.iter().map(quote).collect()
    }
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_escapes_what_libfuzzer_asks_for() {
        let target = Target { words: &["a\"b\\", "\n"], ..TARGETS[0] };
        assert_eq!(target.dictionary(), "\"a\\\"b\\\\\"\n\"\\x0A\"\n");
    }

    #[test]
    #[should_panic(expected = "took")]
    fn a_slow_input_is_a_finding() {
        let run = |_: &[u8]| {
            let started = processor_time();
            while processor_time() < started + TIME_LIMIT {}
        };
        Target { run, ..TARGETS[0] }.check(b"");
    }
}
