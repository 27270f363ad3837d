//! The program of the base layer that reads `osb/node.toml` on the node, run here on a folder that
//! stands for its root. It needs python3 3.11 or later, as the image has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]
#![allow(clippy::print_stderr, reason = "a test says that it was skipped by printing")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use osb_node::{File, Node};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me@here";

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../layers/base/files/usr/lib/osb/apply-node")
}

/// A root as it is when the program runs, and a python that can run it.
struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// `None`, with a visible note, if there is no python for it.
    fn new() -> Option<Root> {
        let found = Command::new("python3").args(["-c", "import tomllib"]).status();
        if !found.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no python3 with tomllib (3.11)");
            return None;
        }
        let root = Root { folder: tempfile::tempdir().unwrap() };
        root.put("proc/sys/kernel/hostname", "localhost\n");
        root.put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        Some(root)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap_or_default()
    }

    /// Everything but the file itself and what is said of it, with modes.
    fn all(&self) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut open = vec![self.folder.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
                let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
                if path.is_dir() {
                    open.push(path);
                } else if !name.starts_with("boot/") && name != "run/osb/node/refused" {
                    found.push((name, mode, fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    /// Starts the node with this file; whether it went well, and what the console says.
    fn start(&self, node: &str) -> (bool, String) {
        self.put("boot/firmware/osb/node.toml", node);
        let Output { status, stdout, stderr } = Command::new("python3")
            .arg("-ISB")
            .arg(program())
            .arg(self.folder.path())
            .output()
            .unwrap();
        assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        (status.success(), String::from_utf8(stdout).unwrap())
    }
}

#[test]
fn what_osb_writes_is_applied() {
    let Some(root) = Root::new() else { return };
    let blob: Vec<u8> = (0..=255).collect();
    let odd = "tab\tquote\" back\\slash 'single' '''three''' \"\"\"three\"\"\" ünïcödé 𝄞\n\n";
    let node = Node {
        hostname: Some("worker-3".into()),
        ssh_keys: vec![KEY.into()],
        files: vec![
            File::new("/etc/motd", "0644", b"hello\n"),
            File::new("/opt/new folder/blob", "0600", &blob),
            File::new("/opt/odd", "0755", odd.as_bytes()),
            File::new("/etc/empty", "0400", b""),
        ],
        ..Node::empty()
    };
    let text = node.to_toml().unwrap();
    let (fine, said) = root.start(&text);
    assert!(fine, "{said}");
    assert_eq!(said.lines().next(), Some("osb-node: this node is worker-3"));
    let file = |path: &str, mode, bytes: &[u8]| (path.to_owned(), mode, bytes.to_vec());
    assert_eq!(
        root.all(),
        [
            file("etc/empty", 0o400, b""),
            file("etc/hostname", 0o644, b"worker-3\n"),
            file("etc/motd", 0o644, b"hello\n"),
            file("etc/passwd", 0o644, b"root:x:0:0::/root:/bin/sh\n"),
            file("opt/new folder/blob", 0o600, &blob),
            file("opt/odd", 0o755, odd.as_bytes()),
            file("proc/sys/kernel/hostname", 0o644, b"worker-3"),
            file("run/osb/node/authorized_keys", 0o644, format!("{KEY}\n").as_bytes()),
        ]
    );
    // Nothing to do: nothing is done, and nothing said.
    assert_eq!(root.start(&text), (true, String::new()));
    // What was changed on the node is put back.
    root.put("etc/motd", "changed\n");
    assert_eq!(root.start(&text), (true, "osb-node: wrote /etc/motd\n".into()));
    assert_eq!(root.read("etc/motd"), "hello\n");
    // Another file: applied again, and the key is gone.
    let other = Node { hostname: Some("worker-4".into()), ..Node::empty() }.to_toml().unwrap();
    assert!(root.start(&other).0);
    assert_eq!(root.read("etc/hostname"), "worker-4\n");
    assert_eq!(root.read("run/osb/node/authorized_keys"), "");
}

#[test]
fn the_example_of_the_docs_is_applied() {
    let Some(root) = Root::new() else { return };
    let docs = include_str!("../../../docs/node.md");
    let start = docs.find("```toml\n").map(|at| at + 8).unwrap();
    let end = start + docs[start..].find("```").unwrap();
    let (fine, said) = root.start(&docs[start..end]);
    assert!(fine, "{said}");
    assert_eq!(root.read("etc/osb/blob"), "\0\x01");
}

#[test]
fn a_bad_file_is_one_line_and_changes_nothing() {
    let Some(root) = Root::new() else { return };
    let before = root.all();
    let good = "version = 1\nhostname = \"a\"\n";
    for (text, said) in [
        ("", "version None; this image knows 1"),
        ("version = 2", "version 2; this image knows 1"),
        ("version = true", "version True; this image knows 1"),
        (&format!("version = {}", "1".repeat(5000)), ""),
        ("version = x\n", "Invalid value (at line 1, column 11)"),
        ("version = 1\nhostnam = \"a\"", "it has a key that is not known: hostnam"),
        ("version = 1\nhostname = \"A\"", "hostname cannot be 'A'"),
        ("version = 1\nhostname = \"a\\n\"", "hostname cannot be 'a\\n'"),
        ("version = 1\nhostname = \"localhost\"", "hostname cannot be localhost"),
        ("version = 1\nhostname = 1", "hostname is not a text"),
        (&format!("{good}ssh-keys = [\"x\"]"), "ssh-keys[0] cannot be 'x'"),
        (&format!("{good}ssh-keys = \"{KEY}\""), "ssh-keys is not a list"),
        (&format!("{good}[settings]\na = 1"), "settings.a is not a text"),
        (&format!("{good}[node]\nrank = 1"), "node has a key that is not known: rank"),
        (&format!("{good}[[files]]\npath = \"a\"\ntext = \"\""), "files[0].path cannot be 'a'"),
        (&format!("{good}[[files]]\npath = \"/a/../b\"\ntext = \"\""), "cannot be '/a/../b'"),
        (&format!("{good}[[files]]\npath = \"/etc/hostname\"\ntext = \"\""), "cannot be"),
        (&format!("{good}[[files]]\npath = \"/proc/x\"\ntext = \"\""), "cannot be in '/proc/x'"),
        (&format!("{good}[[files]]\npath = \"/a\""), "files[0] must have either text or base64"),
        (&format!("{good}[[files]]\npath = \"/a\"\nbase64 = \"?\""), "files[0].base64: "),
        (&format!("{good}[[files]]\npath = \"/a\"\nbase64 = \"ä\""), "files[0].base64: "),
        (
            &format!("{good}[[files]]\npath = \"/a\"\ntext = \"\"\nmode = \"4755\""),
            "mode cannot be",
        ),
        (&format!("{good}[[files]]\npath = \"/a\"\ntext = \"\"\nuid = 0"), "not known: uid"),
        (&format!("{good}files = {{}}"), "files is not a list"),
        (&format!("version = 1\nx = {}", "[".repeat(5000)), ""),
        (&format!("version = 1\n# {}", "x".repeat(1 << 20)), "it is longer than 1 MiB"),
    ] {
        let (fine, line) = root.start(text);
        let shown: String = text.chars().take(80).collect();
        assert!(!fine && line.contains(said), "{shown:?}: {line}");
        let start = "osb-node: osb/node.toml is refused, nothing of it was applied: ";
        assert!(line.starts_with(start) && line.matches('\n').count() == 1, "{shown:?}: {line}");
        assert!(root.all() == before, "{shown:?}");
    }
}

#[test]
fn a_file_from_another_system_and_odd_places_are_no_trouble() {
    let Some(root) = Root::new() else { return };
    let long = format!("/etc/{}", "n".repeat(255));
    let node = Node {
        hostname: Some("edge-1".to_owned()),
        files: vec![File::new("/etc/pipe", "0644", b"x\n"), File::new(&long, "0600", b"y")],
        ..Node::empty()
    };
    root.put("etc/motd", "");
    let pipe = root.folder.path().join("etc/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let (fine, said) = root.start(&format!("\u{feff}{}", node.to_toml().unwrap()));
    assert!(fine, "{said}");
    assert_eq!(root.read("etc/hostname"), "edge-1\n");
    assert_eq!((root.read("etc/pipe").as_str(), root.read(&long[1..]).as_str()), ("x\n", "y"));
}

#[test]
fn what_cannot_be_written_does_not_hinder_the_rest() {
    let Some(root) = Root::new() else { return };
    let node = Node {
        files: vec![
            File::new("/etc/passwd/below", "0644", b""),
            File::new("/etc", "0644", b""),
            File::new("/etc/motd", "0644", b"hello\n"),
        ],
        ..Node::empty()
    };
    let (fine, said) = root.start(&node.to_toml().unwrap());
    assert!(!fine);
    assert!(said.contains("could not do this: wrote /etc/passwd/below: Not a directory"), "{said}");
    assert!(said.contains("could not do this: wrote /etc: Is a directory"), "{said}");
    assert_eq!(root.read("etc/motd"), "hello\n");
}

#[test]
fn the_unit_runs_it_before_the_network() {
    let unit = include_str!("../../../layers/base/files/usr/lib/systemd/system/osb-node.service");
    let has = |line: &str| unit.lines().any(|found| found == line);
    assert!(has("ExecStart=/usr/lib/osb/apply-node"));
    assert!(has("Before=network-pre.target osb-ssh-keys.service shutdown.target"));
    assert!(has(&format!("ConditionPathExists=/boot/firmware/{}", osb_node::PATH)));
}
