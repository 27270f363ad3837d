//! A guest that no emulator has to run: every program of it is only an ELF header of the other
//! architecture, so whatever works in it was substituted. The tools tree holds copies of a few
//! programs of the machine that runs the tests, with their libraries. Its "qemu" is a shell script
//! that prints its arguments.
//!
//! These tests need root, user namespaces and Linux 6.7, like the sandbox; they fail elsewhere.
// Each test file is a crate of its own and uses a part.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use osb_sandbox::{
    Command, Excess, Finished, Kind, Limits, Machine, Process, Rights, SandboxError, Session, Spec,
    Stats, ToolsTree,
};
use tempfile::TempDir;

/// Copied from the machine that runs the tests.
const PROGRAMS: [&str; 8] = ["sh", "cat", "sleep", "ls", "id", "mkdir", "rm", "setsid"];

/// A directory with `guest`, `tools`, `upper` and `work`.
pub struct Fixture {
    pub directory: TempDir,
    pub cancel: Arc<AtomicBool>,
}

/// The architecture that this machine is not.
pub fn foreign() -> Machine {
    match Machine::host() {
        Machine::Aarch64 => Machine::X86_64,
        Machine::X86_64 => Machine::Aarch64,
    }
}

impl Fixture {
    pub fn new() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap(), cancel: Arc::default() };
        for directory in ["guest/usr/bin", "tools/usr/bin", "upper", "work"] {
            fs::create_dir_all(fixture.path(directory)).unwrap();
        }
        for tree in ["guest", "tools"] {
            symlink("usr/bin", fixture.path(tree).join("bin")).unwrap();
        }
        for program in PROGRAMS {
            fixture.guest_program(&format!("usr/bin/{program}"));
            copy_with_libraries(program, &fixture.path("tools"));
        }
        let emulator = format!("tools/usr/bin/qemu-{}", foreign().kernel_name());
        fixture.script(&emulator, "#!/bin/sh\necho emulated \"$@\"\n");
        fixture
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside)
    }

    /// Puts a foreign program into the guest.
    pub fn guest_program(&self, inside: &str) {
        self.script(&format!("guest/{inside}"), "");
        fs::write(self.path("guest").join(inside), elf_header(foreign())).unwrap();
    }

    /// Writes an executable text.
    pub fn script(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn spec(&self) -> Spec {
        Spec {
            lower: vec![self.path("guest")],
            upper: self.path("upper"),
            work: self.path("work"),
            guest: foreign(),
            tools: ToolsTree { root: self.path("tools"), architecture: Machine::host() },
            binds: Vec::new(),
            hostname: "guest".to_owned(),
            environment: Vec::new(),
            drop_fsync: true,
            measure: false,
            rights: Rights::Package,
            limits: Limits {
                free_space: 0,
                grace: Duration::from_millis(500),
                ..Limits::default()
            },
            cancel: Arc::clone(&self.cancel),
            launcher: env!("CARGO_BIN_EXE_osb-sandbox-launcher").into(),
        }
    }

    /// Starts a session that measures what runs.
    pub fn start_measured(&self) -> Session {
        Session::start(&Spec { measure: true, ..self.spec() }).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Puts programs of this machine into the guest, and makes one of them, echo, the emulator.
    pub fn native_emulator(&self) {
        copy_with_libraries("echo", &self.path("guest"));
        let emulator = format!("tools/usr/bin/qemu-{}", foreign().kernel_name());
        fs::copy(self.path("guest/usr/bin/echo"), self.path(&emulator)).unwrap();
    }

    pub fn start(&self) -> Session {
        Session::start(&self.spec()).unwrap_or_else(|e| panic!("{e}"))
    }
}

/// Runs a shell script; its output if it succeeds.
pub fn shell(session: &mut Session, script: &str) -> String {
    let finished = run(session, &["sh", "-c", script]);
    assert_eq!(finished.status, 0, "{script}: {}", text(&finished));
    text(&finished)
}

/// A command that exceeded a limit.
#[derive(Debug)]
pub struct Ended {
    pub excess: Excess,
    pub processes: Vec<Process>,
    pub output: String,
    pub text: String,
}

/// Runs a shell script that exceeds a limit.
pub fn exceeded(session: &mut Session, script: &str) -> Ended {
    let result = session.run(&Command::new(["sh", "-c", script]));
    let text = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
    match result {
        Err(SandboxError::Exceeded { excess, processes, tail, .. }) => {
            let output = String::from_utf8_lossy(&tail).into_owned();
            Ended { excess, processes, output, text }
        }
        Err(error) => panic!("{script}: {error}"),
        Ok(done) => panic!("{script}: it ended with {} and {} bytes", done.status, done.log_bytes),
    }
}

pub fn run(session: &mut Session, argv: &[&str]) -> Finished {
    session.run(&Command::new(argv.iter().copied())).unwrap_or_else(|e| panic!("{argv:?}: {e}"))
}

pub fn text(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.tail).into_owned()
}

/// The file header of an executable, and nothing else.
pub fn elf_header(machine: Machine) -> [u8; 64] {
    let mut header = [0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = 2;
    header[18..20].copy_from_slice(&machine.elf_machine().to_le_bytes());
    header
}

/// Starts of a program in a session's statistics, and its CPU time.
pub fn used(stats: &Stats, kind: Kind, path: &str) -> (u64, Duration) {
    let found = stats.programs.iter().find(|p| p.kind == kind && p.path == path);
    found.map_or((0, Duration::ZERO), |program| (program.starts, program.cpu))
}

/// Copies a program of this machine (a name, or a path) with its libraries into a tree.
pub fn copy_with_libraries(program: &str, tools: &Path) {
    let name = Path::new(program).file_name().unwrap();
    let source = ["/usr/bin", "/bin"]
        .iter()
        .map(|d| Path::new(d).join(program))
        .find(|p| p.exists())
        .unwrap_or_else(|| panic!("this machine has no {program}"));
    fs::copy(&source, tools.join("usr/bin").join(name)).unwrap();
    let list = std::process::Command::new("ldd").arg(&source).output().expect("ldd runs");
    let libraries = tools.join("usr/lib").join(Machine::host().triplet());
    fs::create_dir_all(&libraries).unwrap();
    for word in String::from_utf8_lossy(&list.stdout).split_whitespace() {
        if !word.starts_with('/') {
            continue;
        }
        let name = Path::new(word).file_name().unwrap();
        fs::copy(word, libraries.join(name)).unwrap();
        if name.to_string_lossy().starts_with("ld-linux") {
            // Where the psABI wants it. An absolute link: it must be followed inside the tree.
            let place = tools.join(match Machine::host() {
                Machine::Aarch64 => "lib",
                Machine::X86_64 => "lib64",
            });
            fs::create_dir_all(&place).unwrap();
            let target = Path::new("/usr/lib").join(Machine::host().triplet()).join(name);
            let _ = symlink(target, place.join(name));
        }
    }
}
