//! Writes the interpreter's configuration from the table and the tools tree as it is.
//!
//! The format is described in `interpreter/config.rs`, which reads it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Machine;
use crate::table::{LIBRARIES, ROWS, Row};

/// Where things are inside the guest.
pub(crate) const TOOLS: &str = "/run/osb/tools";
pub(crate) const CONFIG: &str = "/run/osb/exec.conf";
/// The guest's root once more, for programs that treat a root that is not `/` in another way.
pub(crate) const ROOT: &str = "/run/osb/root";

/// The configuration. `loader` and `emulator` are paths inside the guest with links resolved;
/// `tools` is where this process sees the tools tree.
pub(crate) fn write(
    host: Machine,
    guest: Machine,
    tools: &Path,
    loader: Option<&str>,
    emulator: &str,
) -> String {
    let mut text = format!("machine {}\ntools {TOOLS}\nemulator {emulator}\n", host.elf_machine());
    let mut line = |keyword: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{keyword} {value}");
    };
    if let Some(loader) = loader {
        line("loader", loader);
        line("libraries", &library_path(host));
    }
    let expand = |text: &str| {
        text.replace("{tools}", TOOLS)
            .replace("{root}", ROOT)
            .replace("{triplet}", host.triplet())
            .replace("{guest}", guest.triplet())
    };
    for row in ROWS {
        match row {
            Row::Emulate { pattern, .. } => line("emulate", pattern),
            Row::Program { pattern, knows, .. } if !contains(tools, pattern, knows) => {
                line("emulate", pattern);
            }
            Row::Program { pattern, include, variables, unless, despite, .. } => {
                line("program", pattern);
                for directory in include.iter().flat_map(|d| existing(tools, &expand(d))) {
                    let counterpart = directory.replace(host.triplet(), guest.triplet());
                    line("include", &format!("{counterpart} -I{TOOLS}{directory}"));
                }
                variables.iter().for_each(|v| line("variable", &expand(v)));
                if !unless.is_empty() {
                    line("unless", unless);
                }
                despite.iter().for_each(|script| line("despite", script));
            }
        }
    }
    text
}

/// Whether the program called `name` contains `text`.
fn contains(tools: &Path, name: &str, text: &str) -> bool {
    text.is_empty()
        || fs::read(tools.join("usr/bin").join(name))
            .is_ok_and(|program| program.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// The loader's `--library-path` for programs of the tools tree.
fn library_path(host: Machine) -> String {
    let directory = |d: &&str| format!("{TOOLS}{}", d.replace("{triplet}", host.triplet()));
    LIBRARIES.iter().map(directory).collect::<Vec<_>>().join(":")
}

/// The directories of the tools tree that a pattern names. A `*` may end its last component; real
/// directories only, since links (perl's 5.40 to 5.40.1) would name the same one twice.
fn existing(tools: &Path, pattern: &str) -> Vec<String> {
    let Some(prefix) = pattern.strip_suffix('*') else {
        let found = tools.join(pattern.trim_start_matches('/')).is_dir();
        return if found { vec![pattern.to_owned()] } else { Vec::new() };
    };
    let (parent, start) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let Ok(entries) = fs::read_dir(tools.join(parent.trim_start_matches('/'))) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| name.starts_with(start))
        .map(|name| format!("{parent}/{name}"))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter_config::{Config, Rule};

    fn config() -> String {
        let tools = tempfile::tempdir().unwrap();
        for directory in ["perl-base", "perl/5.40.1", "perl5/5.40"] {
            fs::create_dir_all(tools.path().join("usr/lib/x86_64-linux-gnu").join(directory))
                .unwrap();
        }
        // One dpkg program that knows other architectures, and one from before.
        fs::create_dir_all(tools.path().join("usr/bin")).unwrap();
        fs::write(tools.path().join("usr/bin/dpkg-query"), "\0arch-native\0").unwrap();
        fs::write(tools.path().join("usr/bin/dpkg"), "\0arch\0").unwrap();
        std::os::unix::fs::symlink(
            "5.40.1",
            tools.path().join("usr/lib/x86_64-linux-gnu/perl/5.40"),
        )
        .unwrap();
        write(
            Machine::X86_64,
            Machine::Aarch64,
            tools.path(),
            Some("/run/osb/tools/usr/lib/ld.so"),
            "/run/osb/tools/usr/bin/qemu-aarch64",
        )
    }

    fn emulated(config: &Config<'_>, path: &str) -> bool {
        matches!(config.rule(path.as_bytes()), Rule::Emulate)
    }

    #[test]
    fn the_interpreter_reads_what_is_written() {
        let text = config();
        let config = Config::parse(text.as_bytes());
        assert_eq!(config.machine, 62);
        assert_eq!(config.tools, b"/run/osb/tools");
        assert_eq!(config.loader, b"/run/osb/tools/usr/lib/ld.so");
        assert_eq!(config.emulator, b"/run/osb/tools/usr/bin/qemu-aarch64");
        assert!(config.libraries.starts_with(b"/run/osb/tools/usr/lib/x86_64-linux-gnu:"));
    }

    #[test]
    fn programs_that_know_their_architecture_are_emulated() {
        let text = config();
        let config = Config::parse(text.as_bytes());
        for path in ["/usr/bin/dpkg", "/usr/bin/dpkg-x", "/usr/sbin/ldconfig", "/usr/bin/uname"] {
            assert!(emulated(&config, path), "{path}");
        }
        for path in [
            "/usr/bin/dpkg-query",
            "/usr/bin/dpkg-deb",
            "/usr/bin/dash",
            "/usr/bin/unamed",
            "/opt/apt/sed",
        ] {
            assert!(!emulated(&config, path), "{path}");
        }
    }

    #[test]
    fn perl_gets_its_module_directories_in_order() {
        let text = config();
        let config = Config::parse(text.as_bytes());
        let Rule::Substitute(additions) = config.rule(b"/usr/bin/perl") else { panic!() };
        let includes: Vec<(String, String)> = additions
            .includes()
            .map(|(directory, argument)| {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                (text(directory), text(argument))
            })
            .collect();
        let expected = ["perl5/5.40", "perl-base", "perl/5.40.1"].map(|directory| {
            (
                format!("/usr/lib/aarch64-linux-gnu/{directory}"),
                format!("-I/run/osb/tools/usr/lib/x86_64-linux-gnu/{directory}"),
            )
        });
        assert_eq!(includes, expected);
        assert_eq!(additions.variables().count(), 0);
    }

    #[test]
    fn python_that_ignores_its_environment_is_emulated() {
        let text = config();
        let config = Config::parse(text.as_bytes());
        let Rule::Substitute(additions) = config.rule(b"/usr/bin/python3.13") else { panic!() };
        assert_eq!(
            additions.variables().collect::<Vec<_>>(),
            [b"PYTHONHOME=/usr:/run/osb/tools/usr"]
        );
        let forbidden =
            |arguments: &[&str]| additions.forbidden_by(arguments.iter().map(|a| a.as_bytes()));
        assert!(forbidden(&["-sE", "x"]) && forbidden(&["-u", "-I"]));
        assert!(forbidden(&["-E", "/usr/bin/py_compile.py"]));
        assert!(!forbidden(&["-E", "-S", "/usr/lib/python3.13/py_compile.py", "x"]));
        assert!(!forbidden(&["-u", "script", "-I"]) && !forbidden(&["--E"]) && !forbidden(&[]));
    }
}
