//! Embeds the repository's `layers/` into the library.
//!
//! Writes `$OUT_DIR/builtin.rs`: one expression, a slice of (path below `layers/`, bytes), sorted
//! by path. Only names and contents are embedded: modes come from rules in `layer.toml`, so the
//! umask of a clone cannot reach an image.

#![allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = manifest.join("../../layers");
    println!("cargo::rerun-if-changed={}", root.display());

    let mut files = Vec::new();
    walk(&root, "", &mut files)?;
    files.sort();

    let mut code = String::from("&[\n");
    for name in files {
        let path = fs::canonicalize(root.join(&name))?;
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = writeln!(code, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("builtin.rs"), code)
}

/// Collects the regular files below `directory` as `/`-separated names.
fn walk(directory: &Path, prefix: &str, files: &mut Vec<String>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(io::Error::other(format!("not UTF-8: {}", entry.path().display())));
        };
        let name = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.push(name);
        } else {
            return Err(io::Error::other(format!("layers/{name} is neither file nor directory")));
        }
    }
    Ok(())
}
