//! What an inventory says of a machine: here, and by the scripts that run on the node (the layer
//! bootstrap), on a folder that stands for its root. If it is taken here, both say the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]
#![allow(clippy::print_stderr, reason = "a test says that it was skipped by printing")]

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use osb_node::{Answer, Inventory, Machine};
use serde_json::{Value, json};

/// `configuration.sh` as the first boot calls it; only to-json's mode is not that of an image.
const DECIDE: &str = r#"
set -euo pipefail
shopt -s inherit_errexit
for room in log settings identity boot-mode hostname state fetch verify configuration; do
    source "$ROOMS/$room.sh"
done
to_json() { python3 -IB "$ROOMS/to-json" "$@"; }
mkdir -p "$RUN"
load_settings
decide_configuration "$OSB_ROOT/no-scripts" "$(identity)"
printf '%s\n' "$CONFIGURATION"
"#;

/// Interfaces by their names, with their addresses; a serial number.
struct Hardware {
    interfaces: &'static [(&'static str, &'static str)],
    serial: Option<&'static str>,
}

const HARDWARE: [Hardware; 6] = [
    Hardware { interfaces: &[("end0", "d8:3a:dd:00:00:01")], serial: Some("10000000abcdef01") },
    Hardware { interfaces: &[("end0", "d8:3a:dd:00:00:02")], serial: None },
    Hardware {
        interfaces: &[("enp1s0", "12:34:56:12:34:56"), ("end0", "d8:3a:dd:00:00:01")],
        serial: Some("007"),
    },
    Hardware { interfaces: &[("end0", "d8:3a:dd:00:00:99")], serial: Some("10000000ABCDEF01") },
    Hardware { interfaces: &[("end0", "d8:3a:dd:00:00:98")], serial: Some("stranger") },
    Hardware { interfaces: &[], serial: Some("1e5") },
];

/// Inventories that people write, and that somebody might.
const INVENTORIES: [&str; 27] = [
    "nodes: []\n",
    "",
    "# nothing\n",
    "nodes:\n",
    "default: {auto_register: true}\n",
    "default: {auto_register: 'YES', hostname_prefix: x, role: control-plane, labels: {a: '', b: no}}\n",
    "default: {auto_register: yes, hostname_prefix: ''}\n",
    "default: {auto_register: on}\n",
    "default: {auto_register: true}\nnodes: []\n---\nnodes: []\n",
    "\u{feff}default:\r\n  auto_register: true\r\n  labels: {on: 1.10}\r\n",
    "nodes:\n- mac: D8-3A-DD-00-00-01\n  hostname: a\n  ip: 10.0.0.1\n",
    "nodes:\n- {mac: d8:3a:dd:00:00:01, serial: 10000000ABCDEF01, hostname: 1e3, ip: 'FD00::0001'}\n",
    "nodes:\n- {mac: d8:3a:dd:00:00:01, serial: 10000000abcdef02, hostname: a}\ndefault: {auto_register: true}\n",
    "nodes:\n- {mac: d8:3a:dd:00:00:01, hostname: a}\n- {serial: 10000000abcdef01, hostname: b}\n",
    "nodes:\n- {mac: 12:34:56:12:34:56, hostname: digits}\n- {serial: 007, hostname: b}\n",
    "nodes:\n- {serial: 7, hostname: b}\n- {serial: 1e5, hostname: fraction, role: control-plane}\n",
    "nodes:\n- {serial: 1e5, hostname: a, labels: {t: ~, n: null, zone: }}\ndefault: {role: control-plane}\n",
    "nodes:\n- {serial: 1e5, mac: , hostname: a}\n",
    "nodes:\n- {serial: , hostname: a}\n",
    "nodes: # a\ttab\n- {serial: 1e5, hostname: a} #\tand another\n",
    "nodes:\n- &a {serial: 1e5, hostname: a}\n- *a\n",
    "nodes:\n- {<<: {role: worker}, serial: 1e5, hostname: a}\n",
    "nodes:\n- {serial: !!int 007, hostname: !x a}\n",
    "nodes:\n- serial: |-\n    1e5\n  hostname: >-\n    folded\n",
    "nodes:\n- serial: \"1\\x655\"\n  \"hostname\": 'quoted'\n  ? role\n  : worker\n",
    "nodes:\n- {serial: 1e5, hostname: a, roles: worker}\n",
    "nodes: # \u{2028}x: y\n- {serial: 1e5, hostname: a}\n",
];

/// Whether what the scripts need is on this machine.
fn possible() -> bool {
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
    };
    let possible = runs("python3", &["-c", "import yaml, tomllib"])
        && runs("jq", &["--version"])
        && runs("bash", &["--version"]);
    if !possible {
        eprintln!(
            "SKIPPED: no bash, jq or python3 with yaml and tomllib; ci/prepare installs them"
        );
    }
    possible
}

/// What the node says: its exit code, the configuration, and why.
fn on_the_node(inventory: &str, hardware: &Hardware) -> (i32, Value, String) {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("boot/firmware/osb/nodes.yaml", inventory);
    put("proc/sys/kernel/hostname", "localhost");
    for (name, mac) in hardware.interfaces {
        put(&format!("sys/class/net/{name}/address"), &format!("{mac}\n"));
        put(&format!("sys/class/net/{name}/type"), "1\n");
        put(&format!("sys/class/net/{name}/device/uevent"), "");
    }
    if let Some(serial) = hardware.serial {
        put("proc/device-tree/serial-number", &format!("{serial}\0"));
    }
    let done = Command::new("bash")
        .args(["-c", DECIDE])
        .env("ROOMS", layer("usr/lib/osb/bootstrap"))
        .env("OSB_ROOT", root.path())
        .output()
        .unwrap();
    let told = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    (done.status.code().unwrap(), told, String::from_utf8_lossy(&done.stderr).into_owned())
}

fn layer(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../layers/bootstrap/files").join(path)
}

/// What is said here, as the node would say it; nothing if the inventory is not taken.
fn here(inventory: &str, hardware: &Hardware) -> Option<(i32, Value)> {
    let inventory = Inventory::parse("nodes.yaml", inventory).ok()?;
    let mut interfaces = hardware.interfaces.to_vec();
    interfaces.sort_unstable();
    let macs: Vec<String> = interfaces.iter().map(|(_, mac)| (*mac).to_owned()).collect();
    let machine = Machine::new(&macs, hardware.serial).unwrap();
    Some(match inventory.decide(&machine).map(|decision| decision.answer) {
        Err(_) => (2, Value::Null),
        Ok(Answer::Unknown) => (3, Value::Null),
        // The node has no name then, and fails; it may have an interface at the next try.
        Ok(Answer::Default(told)) if told.hostname.is_none() => (1, Value::Null),
        Ok(Answer::Entry(told) | Answer::Default(told)) => (0, serde_json::to_value(told).unwrap()),
    })
}

/// Addresses in one spelling, and labels even if there are none.
fn normal(mut told: Value) -> Value {
    if let Some(entry) = told.as_object_mut() {
        entry.entry("labels").or_insert_with(|| json!({}));
        if let Some(mac) = entry.get("mac").and_then(Value::as_str) {
            let mac = mac.to_lowercase().replace('-', ":");
            entry.insert("mac".to_owned(), mac.into());
        }
        if let Some(ip) = entry.get("ip").and_then(Value::as_str) {
            let ip: IpAddr = ip.parse().unwrap();
            entry.insert("ip".to_owned(), ip.to_string().into());
        }
    }
    told
}

#[test]
fn the_node_says_the_same() {
    if !possible() {
        return;
    }
    let cases: Vec<_> = INVENTORIES
        .iter()
        .enumerate()
        .flat_map(|(number, inventory)| {
            // Every inventory for two machines, one of them a machine that most of them know.
            [number % HARDWARE.len(), [0, 5][number / 14]].map(|at| (*inventory, &HARDWARE[at]))
        })
        .collect();
    let taken: usize = std::thread::scope(|scope| {
        let halves = cases.chunks(cases.len().div_ceil(2));
        let halves: Vec<_> = halves.map(|cases| scope.spawn(|| compare(cases))).collect();
        halves.into_iter().map(|half| half.join().unwrap()).sum()
    });
    assert!(taken * 2 > cases.len(), "most inventories are taken: {taken} of {}", cases.len());
}

/// Compares both; how many of the inventories were taken here.
fn compare(cases: &[(&str, &Hardware)]) -> usize {
    let mut taken = 0;
    for (inventory, hardware) in cases {
        let Some((code, told)) = here(inventory, hardware) else { continue };
        let (node_code, node_told, said) = on_the_node(inventory, hardware);
        let context = format!("{inventory:?} for {:?} {:?}", hardware.interfaces, hardware.serial);
        assert_eq!(node_code, code, "{context}: {said}");
        assert_eq!(normal(node_told), normal(told), "{context}");
        taken += 1;
    }
    taken
}
