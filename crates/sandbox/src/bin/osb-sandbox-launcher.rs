//! The smallest launcher: an executable that only becomes a sandbox's child process. For tests;
//! the product's own executable is its launcher.

fn main() {
    osb_sandbox::dispatch();
}
