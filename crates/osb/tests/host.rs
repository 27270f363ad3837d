//! What a host may lack, made for real, one at a time: found out before any work, told with its
//! remedy, exit code 5. And the ordinary user, for whom nothing is missing.
//!
//! The hosts are this machine seen from namespaces in which something was taken away; that needs
//! root. What cannot be made here (AppArmor's restriction, old kernels, NFS) is tested as text, in
//! `osb-sandbox`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const OSB: &str = env!("CARGO_BIN_EXE_osb");
/// The ordinary user's number; the name is `tester`.
const USER: &str = "12345";

/// A folder that everybody can reach, and how `osb` ends there.
struct Host {
    dir: tempfile::TempDir,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Host {
    /// `None`, said aloud, if this machine cannot pretend to be another.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can make such hosts");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `script` in a mount namespace of its own, in the folder, with osb as `$1`.
    fn sh(&self, script: &str) -> Ended {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-ec", script, "sh", OSB])
            .current_dir(self.path())
            .env("OSB_CACHE_DIR", self.path().join("cache"))
            .env_remove("OSB_MIRROR")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ended {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Runs osb as the ordinary user, with these subordinate ids, below the command `wrapper`.
    /// `None`, said aloud, if newuidmap is not installed.
    fn user(&self, ids: &str, wrapper: &str, arguments: &str) -> Option<Ended> {
        if Command::new("newuidmap").output().is_err() {
            eprintln!("SKIPPED: newuidmap is not installed (package uidmap)");
            assert!(std::env::var_os("CI").is_none(), "CI must have it");
            return None;
        }
        let home = self.path().join("home");
        fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(USER.parse().unwrap()), None).unwrap();
        fs::copy("/etc/passwd", self.path().join("passwd")).unwrap();
        Some(self.sh(&format!(
            "echo 'tester:x:{USER}:{USER}::/:/bin/sh' >> passwd
             echo '{ids}' > subid
             mount --bind passwd /etc/passwd
             for file in /etc/subuid /etc/subgid; do
                 [ -e $file ] || touch $file
                 mount --bind subid $file
             done
             touch osb; mount --bind \"$1\" osb
             cd home
             unset OSB_CACHE_DIR
             export HOME=$PWD
             exec setpriv --reuid {USER} --regid {USER} --clear-groups {wrapper} ../osb {arguments}"
        )))
    }
}

impl Ended {
    /// Exit code 5, and an error with these words.
    #[track_caller]
    fn is_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(5), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
        assert!(self.stderr.contains("osb doctor"), "{}", self.stderr);
    }
}

#[test]
fn an_ordinary_user_lacks_nothing() {
    let Some(host) = Host::new() else { return };
    let Some(ended) = host.user("tester:300000:65536", "", "doctor --json") else { return };
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = value["checks"].as_array().unwrap();
    let check = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert!(check("user")["text"].as_str().unwrap().contains("from 300000"), "{value}");
    for name in ["kernel", "namespaces", "layers", "programs"] {
        assert_eq!(check(name)["verdict"], "ok", "{value}");
    }
}

#[test]
fn too_few_subordinate_ids() {
    let Some(host) = Host::new() else { return };
    let Some(ended) = host.user("tester:300000:1000", "", "build") else { return };
    ended.is_refused(&["/etc/subuid", "tester", "usermod --add-subuids"]);
    let ended = host.user("tester:300000:1000", "", "doctor").unwrap();
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("\u{2718} user"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\u{2192} sudo usermod"), "{}", ended.stdout);
}

#[test]
fn no_newuidmap() {
    let Some(host) = Host::new() else { return };
    let Some(ended) = host.user("tester:300000:65536", "env PATH=/nowhere", "build") else {
        return;
    };
    ended.is_refused(&["newuidmap", "uidmap (Debian"]);
}

#[test]
fn set_user_id_programs_without_effect() {
    let Some(host) = Host::new() else { return };
    let wrapper = "setpriv --no-new-privs";
    let Some(ended) = host.user("tester:300000:65536", wrapper, "build") else { return };
    ended.is_refused(&["newuidmap", "no_new_privs"]);
}

#[test]
fn namespaces_switched_off() {
    let Some(host) = Host::new() else { return };
    // The limit belongs to a user namespace. The second sh has the capabilities of its root: the
    // first was started before it had any user.
    fs::write(
        host.path().join("limited"),
        "read -r _ < go; exec sh -ec 'echo 0 > /proc/sys/user/max_user_namespaces; exec $0 build' $1",
    )
    .unwrap();
    let ended = host.sh("mkfifo go; unshare --user sh limited \"$1\" &
         until [ \"$(readlink /proc/$!/ns/user)\" != \"$(readlink /proc/$$/ns/user)\" ]; do :; done
         for map in uid_map gid_map; do echo '0 0 4294967295' > /proc/$!/$map; done
         echo > go; wait $!");
    ended.is_refused(&["max_user_namespaces is 0", "sudo sysctl"]);
}

#[test]
fn a_place_where_namespaces_are_forbidden() {
    let Some(host) = Host::new() else { return };
    // The kernel gives no new user namespace to a process that has changed its root (EPERM), as
    // some containers do.
    let ended = host.sh("mkdir root; mount --rbind / root; exec chroot root \"$1\" build");
    ended.is_refused(&["container or a security module", "--security-opt"]);
}

#[test]
fn a_container_with_few_ids() {
    let Some(host) = Host::new() else { return };
    let ended = host.sh("exec unshare --user --map-root-user \"$1\" build");
    ended.is_refused(&["cannot be given to other users", "65536"]);
}

#[test]
fn a_cache_where_nothing_can_be_run() {
    let Some(host) = Host::new() else { return };
    let ended = host.sh("mkdir cache; mount -t tmpfs -o noexec none cache; exec \"$1\" build");
    ended.is_refused(&["tmpfs", "noexec", "--cache-dir"]);
}

#[test]
fn a_cache_that_cannot_hold_layers() {
    let Some(host) = Host::new() else { return };
    // As in most containers: the root is an overlay itself.
    let ended = host.sh("mkdir t cache lower; mount -t tmpfs none t; mkdir t/upper t/work
         mount -t overlay -o lowerdir=lower,upperdir=t/upper,workdir=t/work none cache
         exec \"$1\" build");
    ended.is_refused(&["(overlay)", "cannot hold layers", "a volume"]);
}

#[test]
fn a_cache_of_somebody_else() {
    let Some(host) = Host::new() else { return };
    fs::create_dir(host.path().join("cache")).unwrap();
    fs::write(host.path().join("cache/ids"), "").unwrap();
    host.sh("exec \"$1\" build").is_refused(&["made by another user", "--cache-dir"]);
    let ended = host.sh("exec \"$1\" doctor");
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stdout.contains("made by another user"), "{}", ended.stdout);
}
