//! What must not be in an image is taken out of the tree: a function on the value.

use osb_tree::{Device, Inode, Kind, Time, Tree};

use crate::error::BuildError;

/// Removed with everything below, if there.
const GONE: &[&str] = &[
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "root/.bash_history",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/arch",
    // dselect's, and empty: nobody has filled it.
    "var/lib/dpkg/available",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/systemd/random-seed",
    // Links that the kernel's packages make for boot loaders which no board here has.
    "vmlinuz",
    "vmlinuz.old",
    "initrd.img",
    "initrd.img.old",
];

/// Directories that stay, without what is in them.
const EMPTY: &[&str] =
    &["boot/firmware", "dev", "proc", "run", "sys", "tmp", "var/lib/cloud", "var/tmp"];

/// Directories whose *files* go, at any depth; programs expect the folders.
const NO_FILES: &[&str] = &["var/cache/apt", "var/lib/apt/lists", "var/log"];

/// Removes what a build leaves and an image must not have: identity, keys, logs, caches.
pub(crate) fn clean(tree: &mut Tree, epoch: i64) -> Result<(), BuildError> {
    for path in GONE {
        tree.remove(path);
    }
    for path in EMPTY {
        tree.remove_below(path);
    }
    let mut gone: Vec<Vec<u8>> = Vec::new();
    for path in NO_FILES {
        let files = tree.descendants(path.as_bytes());
        gone.extend(
            files.filter(|(_, id)| !tree.inode(*id).is_directory()).map(|(p, _)| p.to_vec()),
        );
    }
    gone.extend(
        tree.children(b"etc/ssh")
            .filter(|(name, _)| name.starts_with(b"ssh_host_"))
            .map(|(name, _)| [b"etc/ssh/", name].concat()),
    );
    for folder in ["var/lib/dpkg", "var/cache/debconf"] {
        let old = tree.children(folder.as_bytes()).filter(|(name, _)| name.ends_with(b"-old"));
        gone.extend(old.map(|(name, _)| [folder.as_bytes(), b"/", name].concat()));
    }
    for path in gone {
        tree.remove(path);
    }
    // Empty, not missing: systemd then makes one on every boot that has none, and the boot is
    // not taken for a first boot with questions on the console (machine-id(5)).
    if tree.get("etc").is_some() {
        let mut empty = Inode::file(0o444, Vec::new());
        empty.meta.mtime = Time::from_secs(epoch);
        tree.insert("etc/machine-id", empty)?;
    }
    // The packages' scripts have brought caches up to date with /usr. Without these stamps
    // systemd does it again on the first boot (systemd-update-done.service(8)).
    for folder in ["etc", "var"] {
        if tree.get(folder).is_some() {
            let mut stamp = Inode::file(0o644, Vec::new());
            stamp.meta.mtime = Time::from_secs(epoch);
            tree.insert(format!("{folder}/.updated"), stamp)?;
        }
    }
    add_devices(tree)?;
    clamp(tree, epoch);
    Ok(())
}

/// The static nodes that a root needs before devtmpfs is there, and in a container. They are
/// put into the value because an ordinary user, or a user namespace, cannot make them.
fn add_devices(tree: &mut Tree) -> Result<(), BuildError> {
    if tree.get("dev").is_none() {
        tree.insert("dev", Inode::directory(0o755))?;
    }
    // Documentation/admin-guide/devices.txt
    for (name, mode, major, minor) in [
        ("console", 0o600, 5, 1),
        ("full", 0o666, 1, 7),
        ("null", 0o666, 1, 3),
        ("ptmx", 0o666, 5, 2),
        ("random", 0o666, 1, 8),
        ("tty", 0o666, 5, 0),
        ("urandom", 0o666, 1, 9),
        ("zero", 0o666, 1, 5),
    ] {
        let kind = Kind::CharDevice(Device { major, minor });
        tree.insert(format!("dev/{name}"), Inode::new(mode, kind))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stderr", "/proc/self/fd/2"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
    ] {
        tree.insert(format!("dev/{name}"), Inode::symlink(target))?;
    }
    tree.insert("dev/pts", Inode::directory(0o755))?;
    tree.insert("dev/shm", Inode::directory(0o1777))?;
    // Made now: they get the image's clock by the clamp.
    let made: Vec<_> = tree.descendants(b"dev").map(|(_, id)| id).collect();
    for id in made {
        tree.inode_mut(id).meta.mtime = Time::from_secs(i64::MAX);
    }
    Ok(())
}

/// No file is younger than the image's clock, and none has a fraction of a second: what was
/// made during the build gets the clock, what packages brought keeps its own time.
fn clamp(tree: &mut Tree, epoch: i64) {
    let ids: Vec<_> = tree.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        let time = &mut tree.inode_mut(id).meta.mtime;
        *time = Time::from_secs(time.secs.min(epoch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dressing::text_file;

    #[test]
    fn identity_and_traces_are_gone_and_packages_stay() {
        let mut tree = Tree::new();
        for path in [
            "etc/machine-id",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/sshd_config",
            "var/log/apt/history.log",
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/status",
            "run/lock/x",
        ] {
            tree.lay(path, text_file(0o600, "secret")).unwrap();
        }
        tree.get_mut("etc/ssh/sshd_config").unwrap().meta.mtime = Time { secs: 50, nanos: 7 };
        tree.get_mut("var/lib/dpkg/status").unwrap().meta.mtime = Time::from_secs(500);
        clean(&mut tree, 100).unwrap();
        for path in [
            "etc/ssh/ssh_host_ed25519_key",
            "var/log/apt/history.log",
            "var/lib/dpkg/status-old",
            "run/lock",
        ] {
            assert!(tree.get(path).is_none(), "{path}");
        }
        assert_eq!(tree.get("etc/machine-id").unwrap().content().unwrap().size(), 0);
        assert!(tree.get("var/log/apt").is_some());
        assert_eq!(tree.get("etc/ssh/sshd_config").unwrap().meta.mtime, Time::from_secs(50));
        assert_eq!(tree.get("var/lib/dpkg/status").unwrap().meta.mtime, Time::from_secs(100));
        assert_eq!(tree.get("dev/null").unwrap().meta.mtime, Time::from_secs(100));
    }
}
