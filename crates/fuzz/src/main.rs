//! The program that libFuzzer drives. Which target it runs, the environment says: one program for
//! all is built and linked once.
//!
//! `unsafe` is what the macro needs for the symbols that libFuzzer's C++ calls.
#![no_main]
#![allow(unsafe_code)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use osb_fuzz::{TARGET_VARIABLE, Target, find};

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
        find(&name).unwrap_or_else(|| panic!("{TARGET_VARIABLE}={name:?} is no target"))
    });
    target.check(bytes);
});
