//! A system in one package, good enough to configure packages and to run scripts.

use std::fs;
use std::path::Path;

use osb_testrepo::{Compression, Deb};

/// What the image's system has, and what dpkg only wants to see.
const PROGRAMS: [&str; 11] =
    ["sh", "cat", "cp", "sleep", "rm", "mkdir", "dpkg", "tar", "ls", "ln", "install"];
const STUBS: [&str; 5] = ["diff", "dpkg-deb", "dpkg-split", "ldconfig", "start-stop-daemon"];

/// As far as `enable` goes.
const SYSTEMCTL: &str = "#!/bin/sh
[ \"$1\" = enable ] || exit 0
shift
wants=/etc/systemd/system/multi-user.target.wants
mkdir -p $wants
for unit; do ln -s /usr/local/lib/systemd/system/$unit $wants/$unit; done
";

/// Puts together what the initramfs is made from.
const UPDATE_INITRAMFS: &str = "#!/bin/sh
set -e
image=/boot/initrd.img-$3
echo made >$image
for file in /etc/initramfs-tools/*; do [ ! -e $file ] || cat $file >>$image; done
";

/// Why these tests cannot run here.
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("the sandbox is started as root here");
    }
    let found = |name: &&str| place(name).is_some();
    if PROGRAMS.iter().all(found) { None } else { Some("this machine has no dpkg, or no shell") }
}

fn place(name: &str) -> Option<String> {
    ["/usr/bin", "/bin"].map(|d| format!("{d}/{name}")).into_iter().find(|p| Path::new(p).exists())
}

/// A package called dpkg with all that a layer needs to run scripts: programs of this machine with
/// their libraries.
pub fn system() -> Deb {
    let mut deb = Deb::new("dpkg", "1.0", "all").field("Essential", "yes");
    let mut libraries = std::collections::BTreeSet::new();
    for name in PROGRAMS {
        let path = place(name).unwrap();
        deb = deb.file(&format!("usr/bin/{name}"), 0o755, fs::read(&path).unwrap());
        let list = std::process::Command::new("ldd").arg(&path).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        libraries.extend(list.split_whitespace().filter(|w| w.starts_with('/')).map(str::to_owned));
    }
    for name in STUBS {
        deb = deb.file(&format!("usr/bin/{name}"), 0o755, "#!/bin/sh\n");
    }
    for library in libraries {
        // Where the loader looks, behind the links of merged-/usr.
        let inside = library.trim_start_matches('/');
        let inside = match inside.strip_prefix("lib/") {
            Some(rest) => format!("usr/lib/{rest}"),
            None => inside.to_owned(),
        };
        deb = deb.file(&inside, 0o755, fs::read(&library).unwrap());
    }
    deb = deb.file("usr/bin/systemctl", 0o755, SYSTEMCTL);
    deb = deb.file("usr/bin/update-initramfs", 0o755, UPDATE_INITRAMFS);
    deb = deb.file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
    deb.file("etc/group", 0o644, "root:x:0:\n").compressed(Compression::None)
}
