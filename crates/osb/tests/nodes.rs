//! `osb nodes` and `osb init` from outside: what is printed, what is written, exit codes.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;

use assert_cmd::Command;
use serde_json::{Value, json};

const NODES: &str = "\
# The shelf.
nodes:
  - hostname: cp-1   # top
    serial: 10000000abcdef01
    mac: d8:3a:dd:00:00:01
    role: control-plane
    ip: 10.0.0.11
  - hostname: worker-1
    mac: d8:3a:dd:00:00:02
    labels: { zone: a }

default:
  hostname_prefix: lab-
  auto_register: true
";

struct Folder {
    dir: tempfile::TempDir,
}

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Folder {
    /// A folder with one inventory.
    fn new() -> Folder {
        let folder = Folder { dir: tempfile::tempdir().unwrap() };
        fs::write(folder.path("nodes.yaml"), NODES).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn osb(&self, arguments: &[&str]) -> Run {
        let mut command = Command::cargo_bin("osb").unwrap();
        let done = command.current_dir(self.dir.path()).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
    }

    fn nodes(&self, arguments: &str) -> Run {
        self.osb(&arguments.split(' ').fold(vec!["nodes"], |mut all, argument| {
            all.push(argument);
            all
        }))
    }

    /// The objects of a run with `--json`.
    fn objects(&self, arguments: &str) -> Vec<Value> {
        let run = self.nodes(&format!("{arguments} --json"));
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn a_good_inventory_is_valid() {
    let folder = Folder::new();
    let run = folder.nodes("validate nodes.yaml");
    assert_eq!(
        (run.code, run.out.as_str()),
        (Some(0), "nodes.yaml: 2 nodes, nothing wrong\n"),
        "{}",
        run.err
    );
    let wanted = json!({"event": "inventory", "file": "nodes.yaml", "nodes": 2});
    assert_eq!(folder.objects("validate nodes.yaml"), [wanted]);
}

#[test]
fn every_mistake_of_every_file_is_told() {
    let folder = Folder::new();
    fs::write(folder.path("a.yaml"), NODES.replace("00:02", "00:01").replace("role", "roel"))
        .unwrap();
    fs::write(folder.path("b.yaml"), "nodes: [\n").unwrap();
    let run = folder.nodes("validate a.yaml nodes.yaml b.yaml");
    assert_eq!(run.code, Some(2), "{}", run.err);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", run.out);
    assert_eq!(lines[0], "a.yaml:6:5: a node has no key \"roel\": did you mean role?");
    assert!(
        lines[1].starts_with("a.yaml:9:10: mac d8:3a:dd:00:00:01 is on line 5"),
        "{}",
        lines[1]
    );
    assert!(lines[3].starts_with("b.yaml:1:"), "{}", lines[3]);
    assert!(run.err.contains("error: 3 mistakes found"), "{}", run.err);
    let objects = folder.objects("validate a.yaml");
    assert_eq!((&objects[0]["event"], &objects[0]["line"]), (&"problem".into(), &6.into()));
    assert_eq!(objects.last().unwrap()["exit_code"], 2);
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let folder = Folder::new();
    fs::write(folder.path("bad.yaml"), "nodes: 3\n").unwrap();
    fs::write(folder.path("bytes.yaml"), b"\xFF").unwrap();
    let files = "none.yaml . bytes.yaml bad.yaml nodes.yaml";
    let run = folder.nodes(&format!("validate {files}"));
    assert_eq!(run.code, Some(2), "{}", run.err);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.out);
    assert!(lines[0].starts_with("none.yaml: ") && lines[3].starts_with("bad.yaml:1:"));
    let objects = folder.objects(&format!("validate {files}"));
    assert_eq!((&objects[0]["event"], &objects[0]["line"]), (&"problem".into(), &0.into()));
    assert_eq!(objects[4], json!({"event": "inventory", "file": "nodes.yaml", "nodes": 2}));
}

#[test]
fn output_that_is_lost_is_a_failure() {
    let folder = Folder::new();
    let run = |full: bool| {
        let out = match full {
            true => Stdio::from(fs::File::create("/dev/full").unwrap()),
            // A reader that went away.
            false => Stdio::from(std::io::pipe().unwrap().1),
        };
        let mut osb = std::process::Command::new(assert_cmd::cargo::cargo_bin("osb"));
        osb.current_dir(folder.dir.path()).args(["nodes", "list", "nodes.yaml"]).stdout(out);
        let done = osb.output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, said) = run(true);
    assert_eq!(code, Some(1));
    assert!(said.contains("writing to standard output: No space left"), "{said}");
    assert_eq!(run(false), (Some(0), String::new()));
}

#[test]
fn the_list_has_all_nodes_and_what_others_get() {
    let folder = Folder::new();
    let run = folder.nodes("list nodes.yaml");
    assert!(run.out.contains("worker-1  worker "), "{}", run.out);
    assert!(run.out.contains("others: join as lab-"), "{}", run.out);
    let objects = folder.objects("list nodes.yaml");
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[0]["node"]["ip"], "10.0.0.11");
    assert_eq!(objects[2]["default"]["hostname_prefix"], "lab-");
}

#[test]
fn a_machine_is_shown_by_whatever_is_known_of_it() {
    let folder = Folder::new();
    for who in ["cp-1", "D8-3A-DD-00-00-01", "10000000ABCDEF01"] {
        let objects = folder.objects(&format!("show nodes.yaml {who}"));
        assert_eq!(objects[0]["node"]["hostname"], "cp-1", "{who}");
        assert_eq!(objects[0]["found_in"], "entry");
    }
    let stranger = &folder.objects("show nodes.yaml d8:3a:dd:00:00:03")[0];
    // printf 'd8:3a:dd:00:00:03\n' | sha1sum
    assert_eq!(stranger["node"]["hostname"], "lab-fdb88c");
    assert_eq!(
        (&stranger["found_in"], &stranger["node"]["role"]),
        (&"default".into(), &"worker".into())
    );
    let run = folder.nodes("show nodes.yaml worker-2");
    assert!(run.code == Some(2) && run.err.contains("did you mean worker-1?"), "{}", run.err);
}

#[test]
fn a_machine_of_which_half_fits_is_not_the_entry() {
    let folder = Folder::new();
    let run = folder.nodes("show nodes.yaml --mac d8:3a:dd:00:00:01 --serial other");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.contains("cp-1: only its mac or its serial fits"), "{}", run.err);
    assert!(run.out.starts_with("lab-24e230  (default of nodes.yaml)"), "{}", run.out);
}

#[test]
fn a_machine_that_nobody_knows_is_refused() {
    let folder = Folder::new();
    fs::write(folder.path("nodes.yaml"), NODES.replace("true", "false")).unwrap();
    let run = folder.nodes("show nodes.yaml --serial new");
    assert_eq!((run.code, run.out.as_str()), (Some(3), ""), "{}", run.err);
    assert!(run.err.contains("nobody knows this machine") && run.err.contains("osb nodes add"));
}

#[test]
fn an_entry_is_added_and_nothing_else_changes() {
    let folder = Folder::new();
    let add = "add nodes.yaml --hostname worker-2 --serial 007 --role worker --label zone=b";
    let dry = folder.nodes(&format!("{add} --dry-run"));
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(dry.out.contains("+  - hostname: worker-2\n+    serial: \"007\"\n"), "{}", dry.out);
    assert_eq!(folder.read("nodes.yaml"), NODES, "nothing was written");
    let run = folder.nodes(add);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let entry = "  - hostname: worker-2\n    serial: \"007\"\n    role: worker\n    labels:\n      zone: b\n";
    assert_eq!(
        folder.read("nodes.yaml"),
        NODES.replace("\n\ndefault", &format!("\n{entry}\ndefault"))
    );
    assert_eq!(folder.nodes("validate nodes.yaml").code, Some(0));
    assert_eq!(folder.objects("show nodes.yaml 007")[0]["node"]["labels"]["zone"], "b");
}

#[test]
fn what_another_node_has_is_not_added() {
    let folder = Folder::new();
    for (add, said) in [
        ("--hostname cp-1 --serial x", "hostname cp-1 is on line 3"),
        ("--hostname x --mac d8-3a-dd-00-00-02", "mac d8:3a:dd:00:00:02 is on line 9"),
        ("--hostname x --serial 10000000ABCDEF01", "serial 10000000abcdef01 is on line 4"),
        ("--hostname x --serial x --ip 10.0.0.11", "ip 10.0.0.11 is on line 7"),
        ("--hostname X --serial x", "lower case"),
    ] {
        let run = folder.nodes(&format!("add nodes.yaml {add}"));
        assert_eq!(run.code, Some(2), "{add}: {}", run.out);
        assert!(run.err.contains(said), "{add}: {}", run.err);
    }
    assert_eq!(folder.nodes("add nodes.yaml --hostname x").code, Some(2), "no address, no serial");
    assert_eq!(folder.read("nodes.yaml"), NODES);
}

#[test]
fn the_first_entry_makes_the_file() {
    let folder = Folder::new();
    let run = folder.nodes("add new.yaml --hostname a --mac d8:3a:dd:00:00:09");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("a is the first in the new file new.yaml"), "{}", run.out);
    assert_eq!(folder.read("new.yaml"), "nodes:\n  - hostname: a\n    mac: d8:3a:dd:00:00:09\n");
    assert_eq!(folder.nodes("add no/new.yaml --hostname a --serial s").code, Some(1));
}

#[test]
fn what_is_no_plain_file_is_not_replaced() {
    let folder = Folder::new();
    symlink("nowhere", folder.path("dangling")).unwrap();
    fs::hard_link(folder.path("nodes.yaml"), folder.path("hard")).unwrap();
    fs::write(folder.path("locked"), NODES).unwrap();
    fs::set_permissions(folder.path("locked"), fs::Permissions::from_mode(0o444)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    for (file, why) in [
        ("/dev/null", "no plain file"),
        ("fifo", "no plain file"),
        (".", "no plain file"),
        ("dangling", "not there"),
        ("hard", "hard link"),
        ("locked", "nobody may write"),
    ] {
        for dry in ["", " --dry-run"] {
            let run = folder.nodes(&format!("add {file} --hostname a --serial s{dry}"));
            assert!(run.code == Some(3) && run.err.contains(why), "{file}: {}", run.err);
        }
    }
    let kind = fs::symlink_metadata(folder.path("fifo")).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));
    assert!(fs::symlink_metadata(folder.path("dangling")).unwrap().is_symlink());
    assert_eq!((folder.read("hard"), folder.read("locked")), (NODES.into(), NODES.into()));
}

#[test]
fn entries_that_are_added_at_once_are_all_there() {
    for file in ["nodes.yaml", "new.yaml"] {
        let folder = Folder::new();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let folder = &folder;
                scope.spawn(move || {
                    let add = format!("add {file} --hostname w-{number} --serial x{number}");
                    let run = folder.nodes(&add);
                    assert_eq!(run.code, Some(0), "{}", run.err);
                });
            }
        });
        let text = folder.read(file);
        for number in 0..8 {
            assert!(text.contains(&format!("hostname: w-{number}\n")), "{file}: {text}");
        }
        assert_eq!(folder.nodes(&format!("validate {file}")).code, Some(0), "{text}");
    }
}

#[test]
fn a_label_has_one_value() {
    let folder = Folder::new();
    let run = folder.nodes("add nodes.yaml --hostname a --serial s --label z=a --label z=b");
    assert!(run.code == Some(2) && run.err.contains("--label z is there twice"), "{}", run.err);
    let run = folder
        .nodes("add nodes.yaml --hostname a --serial s --label node-role.kubernetes.io/worker=");
    assert!(run.code == Some(2) && run.err.contains("kubectl label node"), "{}", run.err);
    assert_eq!(folder.read("nodes.yaml"), NODES);
}

#[test]
fn init_writes_a_repository_whose_inventory_is_valid() {
    let folder = Folder::new();
    let run = folder.osb(&["init", "--bootstrap", "scripts"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let mode = fs::metadata(folder.path("scripts/setup.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(folder.nodes("validate scripts/config/nodes.yaml").code, Some(0));
    let again = folder.osb(&["init", "--bootstrap", "scripts"]);
    assert_eq!(again.code, Some(3), "{}", again.err);
    assert!(again.err.contains("not an empty folder"), "{}", again.err);
}

#[test]
fn help_has_examples() {
    let folder = Folder::new();
    for arguments in [
        &["nodes"][..],
        &["nodes", "validate"],
        &["nodes", "list"],
        &["nodes", "show"],
        &["nodes", "add"],
        &["init"],
    ] {
        let run = folder.osb(&[arguments, &["--help"]].concat());
        assert!(run.code == Some(0) && run.out.contains("Examples:"), "{arguments:?}");
    }
}
