//! `run` from outside, with a shell script in place of the tools tree's loader, which is thus
//! started instead of QEMU.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use osb_boot::{BootError, Options, Outcome, run};
use regex::bytes::Regex;

const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
} else {
    "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
};

/// A tools tree for guests of this machine's own architecture, and an image.
fn options(folder: &Path, script: &str) -> Options {
    let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    for name in [
        LOADER,
        "usr/bin/qemu-system-aarch64",
        "usr/bin/qemu-system-x86_64",
        "usr/share/AAVMF/AAVMF_CODE.fd",
        "usr/share/AAVMF/AAVMF_VARS.fd",
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "usr/share/OVMF/OVMF_VARS_4M.fd",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    }
    fs::set_permissions(folder.join(LOADER), fs::Permissions::from_mode(0o755)).unwrap();
    let image = folder.join("disk.img");
    fs::File::create(&image).unwrap().set_len(1 << 20).unwrap();
    Options::new(image, native, folder.to_owned())
}

// One test, one script after the other: a script that another thread's fork still holds open for
// writing cannot be started (ETXTBSY).
#[test]
fn a_run_from_start_to_end() {
    let dir = tempfile::tempdir().unwrap();

    // KVM that is there but does not work is not used; without it this is the first try already.
    let script =
        "case \"$*\" in *kvm*) echo 'no MSR' >&2; exit 1;; esac; printf 'login: '; sleep 9";
    let mut with_until = options(dir.path(), script);
    with_until.until = Some(Regex::new("login").unwrap());
    let mut console = Vec::new();
    let outcome = run(&with_until, &mut |bytes| console.extend_from_slice(bytes)).unwrap();
    assert!(matches!(outcome, Outcome::Matched { .. }), "{outcome:?}");
    assert_eq!(console, b"login: ");

    // An error after the guest has begun is an error.
    let broken = options(dir.path(), "echo hello; echo 'lost it' >&2; exit 3");
    let error = run(&broken, &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, BootError::Qemu { status: 3, message } if message == "lost it"),
        "{error}"
    );

    // The guest's modules come from the tree, not from the host.
    let modules = options(dir.path(), "echo \"$QEMU_MODULE_DIR\"");
    let mut console = String::new();
    run(&modules, &mut |bytes| console += std::str::from_utf8(bytes).unwrap()).unwrap();
    assert!(console.starts_with(dir.path().to_str().unwrap()), "{console}");
}
