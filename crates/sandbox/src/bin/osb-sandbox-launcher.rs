//! The smallest launcher: an executable that only becomes a sandbox's child process. For tests;
//! the product's own executable is its launcher.
#![allow(clippy::print_stdout)] // A test reads it.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

fn main() {
    osb_sandbox::dispatch();
    // What a guest would do that has got hold of the host's file.
    if std::env::args().nth(1).is_some_and(|argument| argument == "change-own-file") {
        println!("{:?}", set_permissions("/proc/self/exe", Permissions::from_mode(0o777)));
    }
}
