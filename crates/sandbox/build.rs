//! Compiles the exec substitution interpreter (`interpreter/`) for the target and leaves it in
//! `$OUT_DIR/interpreter`, from where `src/child/binfmt.rs` embeds it.
//!
//! It is a program of its own because the kernel starts it inside the guest's root, where no
//! library exists: freestanding and static. `core` is all it needs, which every installed target
//! has.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=interpreter");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var_os(name).ok_or(format!("cargo did not set {name}"));
    let out = PathBuf::from(variable("OUT_DIR")?).join("interpreter");
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc
        .arg("interpreter/main.rs")
        .args(["--crate-name", "osb_interpreter", "--crate-type", "bin", "--edition", "2024"])
        .arg("--target")
        .arg(variable("TARGET")?)
        .args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "relocation-model=static"])
        .args(["-C", "debuginfo=0", "-C", "strip=symbols", "-C", "debug-assertions=off"])
        // One machine-independent binary whatever the machine that builds it (no target-cpu).
        .args(["-C", "link-arg=-nostdlib", "-C", "link-arg=-nostartfiles"])
        .args(["-C", "link-arg=-static", "-C", "link-arg=-Wl,--build-id=none"])
        .arg("-o")
        .arg(&out);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "musl") {
        // The start files that come with rustc would be linked in spite of -nostartfiles.
        rustc.args(["-C", "link-self-contained=no"]);
    }
    let result = rustc.output()?;
    if !result.status.success() {
        return Err(format!(
            "compiling the exec substitution interpreter failed ({}):\n{}",
            result.status,
            String::from_utf8_lossy(&result.stderr)
        )
        .into());
    }
    Ok(())
}
