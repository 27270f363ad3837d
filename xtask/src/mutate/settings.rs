//! What layers set, undone, and dpkg's database, damaged.

use anyhow::Result;
use osb_check::Subject;
use osb_tree::{Inode, Tree};

use super::contents::{boot, bytes, put, replace, root, text};
use super::mutants::Mutant;
use super::tree;

const GROUP: &str = "settings undone";

/// What layers set, undone.
pub(super) fn all(subject: &Subject) -> Result<Vec<Mutant>> {
    let group = GROUP;
    let root_files = tree(&subject.root, "root")?;
    let mut found = Vec::new();
    for (path, from, to) in [
        ("etc/containerd/config.toml", "SystemdCgroup = true", "SystemdCgroup = false"),
        ("etc/containerd/config.toml", "/opt/cni/bin", "/usr/lib/cni-plugins"),
        ("etc/containerd/config.toml", "version = 2", "version = 3"),
        ("etc/containerd/config.toml", "[plugins", "[[plugins"),
        ("etc/crictl.yaml", "containerd.sock", "cri-dockerd.sock"),
        ("etc/shadow", "node:!", "node:"),
        ("var/lib/dpkg/status", "Status: hold ok installed", "Status: install ok installed"),
        (
            "var/lib/dpkg/status",
            "Status: install ok installed",
            "Status: install ok half-configured",
        ),
    ] {
        let before = text(root_files, path)?;
        anyhow::ensure!(before.contains(from), "{path} has no {from:?}");
        let bytes = before.replacen(from, to, 1).into_bytes();
        found.push(Mutant::new(group, format!("/{path}: {from:?} as {to:?}"), move |subject| {
            replace(root(subject), path, bytes.clone());
        }));
    }
    let grow = "etc/systemd/system/multi-user.target.wants/osb-grow-root.service";
    for path in
        [grow, "opt/cni/bin/bridge", "usr/sbin/runc", "etc/machine-id", "usr/bin/containerd"]
    {
        anyhow::ensure!(root_files.get(path).is_some(), "the image has no /{path}");
        found.push(Mutant::new(group, format!("/{path} is missing"), move |subject| {
            root(subject).remove(path);
        }));
    }
    for (path, mode) in [("usr/bin/nano", 0o4755), ("etc/passwd", 0o666), ("usr/bin", 0o777)] {
        found.push(Mutant::new(group, format!("/{path} with mode {mode:o}"), move |subject| {
            if let Some(inode) = root(subject).get_mut(path) {
                inode.meta.mode = mode;
            }
        }));
    }
    for (path, text) in [
        ("etc/fstab", "/swapfile none swap sw 0 0\n"),
        ("etc/systemd/zram-generator.conf", "[zram0]\n"),
        ("etc/sysctl.d/99-x.conf", "net.ipv4.ip_forward = 0\n"),
        (
            "etc/systemd/system/containerd.service.d/99-x.conf",
            "[Service]\nExecStart=\nExecStart=\"/opt/no such/containerd\"\n",
        ),
        ("etc/apt/sources.list.d/x.list", "deb mirror+file:/etc/apt/no.list x main\n"),
    ] {
        found.push(Mutant::new(group, format!("/{path} with {:?}", text.trim()), move |subject| {
            put(root(subject), path, 0o644, text.as_bytes().to_vec());
        }));
    }
    found.push(Mutant::new(group, "a unit without its program", |subject| {
        let unit = b"[Service]\nExecStart=/usr/bin/nothing-of-the-kind\n".to_vec();
        put(root(subject), "etc/systemd/system/x.service", 0o644, unit);
        let link = Inode::symlink("/etc/systemd/system/x.service");
        let _ = root(subject).lay("etc/systemd/system/multi-user.target.wants/x.service", link);
    }));
    found.push(Mutant::new(group, "a timer whose service has no program", |subject| {
        let unit = b"[Service]\nExecStart=/usr/bin/nothing-of-the-kind\n".to_vec();
        put(root(subject), "etc/systemd/system/x.service", 0o644, unit);
        put(root(subject), "etc/systemd/system/x.timer", 0o644, b"[Timer]\n".to_vec());
        let link = Inode::symlink("/etc/systemd/system/x.timer");
        let _ = root(subject).lay("etc/systemd/system/timers.target.wants/x.timer", link);
    }));
    for folder in ["sysctl.d", "modules-load.d"] {
        let own = format!("usr/lib/{folder}");
        let names = root_files.children(own.as_bytes());
        for (name, _) in names.filter(|(name, _)| name.windows(4).any(|part| part == b"osb-")) {
            let path = format!("etc/{folder}/{}", String::from_utf8_lossy(name));
            found.push(Mutant::new(
                group,
                format!("/{path} masks what osb sets"),
                move |subject| {
                    let _ = root(subject).lay(&path, Inode::symlink("/dev/null"));
                },
            ));
        }
    }
    let config = text(root_files, "etc/containerd/config.toml")?;
    let config = format!("imports = [\"/etc/containerd/more/*.toml\"]\n{config}").into_bytes();
    found.push(Mutant::new(group, "containerd imports another table", move |subject| {
        replace(root(subject), "etc/containerd/config.toml", config.clone());
        let more = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/x\"\n";
        put(root(subject), "etc/containerd/more/x.toml", 0o644, more.as_bytes().to_vec());
    }));
    for line in ["os_prefix=old/", "include more.txt", "dtoverlay=disable-bt"] {
        let Ok(config) = text(tree(&subject.boot, "boot partition")?, "config.txt") else {
            continue;
        };
        let config = format!("{config}\n[all]\n{line}\n").into_bytes();
        found.push(Mutant::new(group, format!("config.txt with {line}"), move |subject| {
            replace(boot(subject), "config.txt", config.clone());
        }));
    }
    found.push(Mutant::new(group, "an enabled unit that is not there", |subject| {
        let link = Inode::symlink("/usr/lib/systemd/system/nothing.service");
        let _ =
            root(subject).lay("etc/systemd/system/multi-user.target.wants/nothing.service", link);
    }));
    found.push(Mutant::new(group, "a boot partition that is full", |subject| {
        if let Some(space) = &mut subject.boot_space {
            space.free = 0;
        }
    }));
    Ok(found)
}

/// Lists of packages' files that are cut off, and sums that are missing.
pub(super) fn databases(root_files: &Tree) -> Result<Vec<Mutant>> {
    let mut found = Vec::new();
    for name in ["libc-bin", "containerd", "systemd"] {
        let list = format!("var/lib/dpkg/info/{name}.list");
        let Ok(before) = bytes(root_files, &list) else { continue };
        let line = before[..before.len() / 2].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        for (what, end) in [("half of its lines", line + 1), ("its last byte", before.len() - 1)] {
            let (list, bytes) = (list.clone(), before[..end].to_vec());
            found.push(Mutant::new(
                "dpkg's database",
                format!("/{list} without {what}"),
                move |subject| {
                    replace(root(subject), &list, bytes.clone());
                },
            ));
        }
        let sums = format!("var/lib/dpkg/info/{name}.md5sums");
        found.push(Mutant::new("dpkg's database", format!("no /{sums}"), move |subject| {
            root(subject).remove(&sums);
        }));
    }
    Ok(found)
}
