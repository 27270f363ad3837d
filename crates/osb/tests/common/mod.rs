//! A project and the signed archive that it takes its packages from, both tiny, and osb run on
//! them. Nothing beyond 127.0.0.1 is asked for.
//!
//! The archive holds the package `tiny`, which is all that the project's one layer installs, and
//! an empty package for every tool that osb locks.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used)] // a failed helper is a failed test

pub mod disk;
pub mod image;
pub mod system;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use osb_recipe::Arch;
use osb_testrepo::{Compression, Deb, Hash, Key, Server, Signer, Suite, TestRepo, serve};

/// The time of the archive, in seconds since 1970: 2020-09-13. osb reads the real clock, and no
/// machine's is behind this.
pub const THEN: i64 = 1_600_000_000;

/// No run of these tests takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key that existed at the archive's time.
pub fn key(seed: u64) -> Key {
    Key::build(seed).created(THEN - 86_400).finish()
}

/// A signature of the archive's time.
pub fn signer(key: &Key) -> Signer {
    Signer { key: key.clone(), created: THEN, expires_after: None, hash: Hash::Sha256 }
}

/// The architecture of this machine, and of the project's image.
pub fn arch() -> Arch {
    if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::Amd64 }
}

/// The one package of the project.
pub fn tiny(version: &str) -> Deb {
    Deb::new("tiny", version, "all").file("usr/share/tiny", 0o644, version)
}

/// Bytes that do not compress, always the same (xorshift64).
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A project, its archive, a cache, and a server that runs until the test ends.
pub struct World {
    dir: tempfile::TempDir,
    pub repo: TestRepo,
    pub server: Server,
    pub key: Key,
}

impl World {
    /// An archive with `tiny` 1.0, signed by the key that the project names.
    pub fn new() -> World {
        let world = World::empty();
        world.publish(world.suite([tiny("1.0")]));
        world
    }

    /// A project whose archive has nothing yet.
    pub fn empty() -> World {
        let repo = TestRepo::new();
        let server = serve(repo.path());
        let world = World { dir: tempfile::tempdir().unwrap(), server, repo, key: key(1) };
        fs::create_dir_all(world.project()).unwrap();
        world.put("archive.asc", &world.key.armored());
        world.put("osb.toml", &world.recipe());
        world.put("layers/base/layer.toml", &layer("install = [\"tiny\"]"));
        world
    }

    /// The recipe's text: an image for this machine's architecture, which needs no emulation.
    pub fn recipe(&self) -> String {
        let (url, fingerprint) = (self.server.url(), self.key.fingerprint());
        let arch = arch().as_str();
        format!(
            r#"[image]
name = "tiny"
arch = "{arch}"
board = "uefi"
layers = ["base"]

[[source]]
name = "archive"
url = "{url}"
suite = "trixie"
keys = [{{ fingerprint = "{fingerprint}", file = "archive.asc" }}]
"#
        )
    }

    /// A suite with these packages and an empty one for every tool that they do not provide.
    /// It is not signed yet.
    pub fn unsigned_suite(&self, packages: impl IntoIterator<Item = Deb>) -> Suite {
        let packages: Vec<Deb> = packages.into_iter().collect();
        let given: Vec<&str> = packages.iter().map(|deb| deb.get("Package")).collect();
        // For images of either architecture.
        let tools: BTreeSet<String> =
            [Arch::Amd64, Arch::Arm64].into_iter().flat_map(osb_builder::tool_packages).collect();
        let tools: Vec<Deb> = tools
            .iter()
            .filter(|name| !given.contains(&name.as_str()))
            .map(|name| Deb::new(name, "1", "all").compressed(Compression::None))
            .collect();
        let suite = Suite::new("trixie").dated(THEN).compressions(&[Compression::Gzip]);
        packages.into_iter().chain(tools).fold(suite, |suite, deb| suite.package("main", deb))
    }

    /// The same, signed by the key that the project names.
    pub fn suite(&self, packages: impl IntoIterator<Item = Deb>) -> Suite {
        self.unsigned_suite(packages).signed(signer(&self.key))
    }

    /// Makes the suite what the server serves.
    pub fn publish(&self, suite: Suite) {
        self.repo.write(&suite);
    }

    /// The folder of the recipe; osb runs in it.
    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// The cache folder.
    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// Writes a file of the project.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The lock's text, if there is a lock.
    pub fn lock(&self) -> Option<String> {
        fs::read_to_string(self.project().join("osb.lock")).ok()
    }

    /// osb with these arguments, not started yet; nothing of the caller's environment reaches it.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        self.wrapped(&[], arguments)
    }

    /// The same, started by another program that gets osb's path after its own arguments.
    pub fn wrapped(&self, wrapper: &[&str], arguments: &[&str]) -> std::process::Command {
        let osb = assert_cmd::cargo::cargo_bin("osb");
        let mut words = wrapper.iter().map(Into::into).chain([osb.into_os_string()]);
        let mut command = std::process::Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(self.project());
        // Small systems with kernels that are none: no machine starts from them.
        let builds = ["build", "plan"].iter().any(|name| arguments.contains(name));
        if builds && !arguments.contains(&"tree") {
            command.arg("--no-check");
        }
        command.env("OSB_CACHE_DIR", self.cache());
        for name in ["OSB_MIRROR", "SOURCE_DATE_EPOCH", "http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs osb to its end.
    pub fn osb(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    /// Runs osb, which must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Run {
        let run = self.osb(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
        run
    }

    /// Fails if a failed run left anything half-written: in the project, the output, the cache.
    pub fn assert_nothing_half_written(&self) {
        let names: Vec<String> = files(&self.project());
        let known = |name: &str| {
            ["archive.asc", "osb.toml", "osb.lock"].contains(&name) || name.starts_with("layers/")
        };
        let strange: Vec<_> = names.iter().filter(|name| !known(name)).collect();
        assert!(strange.is_empty(), "left in the project: {strange:?}");
        for path in files(&self.cache()) {
            let (folder, name) = path.split_once('/').unwrap_or(("", &path));
            match folder {
                "debs-v1" | "indices-v1" => {
                    let digest = digest(&fs::read(self.cache().join(&path)).unwrap());
                    let stem = name.strip_suffix(".deb").unwrap_or(name);
                    assert_eq!(stem, digest, "a valid-looking entry: {path}");
                }
                // Named by other digests; temporary names begin with a dot.
                "packages-v2" | "releases-v1" | "tools-v2" => {
                    assert!(!name.starts_with('.'), "left in the cache: {path}");
                }
                // What the last program printed; the file that shows who owns what.
                "" if ["failure.log", "ids"].contains(&name) => {}
                _ => panic!("left in the cache: {path}"),
            }
        }
    }

    /// Fails unless no package was installed or even taken apart.
    pub fn assert_nothing_installed(&self) {
        for folder in ["layers-v2", "packages-v2"] {
            assert_eq!(files(&self.cache().join(folder)), [""; 0], "{folder}");
        }
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    osb_checksum::to_hex(&osb_checksum::sha256(bytes))
}

/// A layer without anything but `[packages]`.
pub fn layer(packages: &str) -> String {
    format!("description = \"A test layer.\"\n\n[packages]\n{packages}\n")
}

/// All files below a folder, relative to it, sorted; none if there is no such folder.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                walk(root, &entry.path(), found);
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn of(command: std::process::Command) -> Run {
        let output = assert_cmd::Command::from_std(command).timeout(PATIENCE).output().unwrap();
        Run::new(output.status, output.stdout, output.stderr)
    }

    fn new(status: ExitStatus, out: Vec<u8>, err: Vec<u8>) -> Run {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: status.code(), out: text(out), err: text(err) }
    }

    /// Fails unless the run ended with `code` and one error that has all of `parts`, and printed
    /// no result.
    pub fn assert_error(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let errors = self.err.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "exactly one error: {self:?}");
        assert!(self.out.is_empty(), "no result: {self:?}");
        let error = self.error();
        for part in parts {
            assert!(error.contains(part), "{part:?} in {self:?}");
        }
    }

    /// The error with its causes and its hint.
    pub fn error(&self) -> &str {
        self.err.find("error: ").map_or("", |at| &self.err[at..])
    }

    /// The hint.
    pub fn hint(&self) -> &str {
        let hint = self.err.lines().find_map(|line| line.strip_prefix("hint: "));
        hint.unwrap_or_else(|| panic!("no hint: {self:?}"))
    }
}

/// A run that is under way.
pub struct Running(Option<Child>);

impl Running {
    /// Starts osb.
    pub fn start(world: &World, arguments: &[&str]) -> Running {
        let mut command = world.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    /// Waits until something is so.
    pub fn wait_until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "waited in vain until {what}");
            let ended = self.0.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended before {what}: {:?}", self.end());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends Ctrl-C's signal.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(self.0.as_ref().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Waits for the end.
    pub fn end(&mut self) -> Run {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        Run::new(output.status, output.stdout, output.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test must not leave its program behind.
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
