//! The guest's root: an overlay (or one directory), and what a Linux system expects in it.

use std::ffi::{CString, OsStr};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, unmount,
};

use super::{Doing, Failure, procfs};
use crate::exec_config::{ROOT, TOOLS};
use crate::protocol::Setup;
use crate::{Rights, Step, sys};

/// The kernel takes at most one page of mount options.
const OPTIONS_MAX: usize = 4095;
/// Device nodes of the host that every Unix program may use. A user namespace cannot make nodes.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Sizes of what lies in memory, as parts of it: half of it in all, at most. Each file takes about
/// a KiB besides. (tmpfs(5); the kernel's default is a half for each.)
const TMP: &str = "mode=1777,size=40%,nr_inodes=400k";
const RUN: &str = "mode=0755,size=5%,nr_inodes=50k";
const SHM: &str = "mode=1777,size=5%,nr_inodes=50k";
const DEV: &str = "mode=0755,size=1m,nr_inodes=1k";

/// An assembled root that is not yet entered.
pub(super) struct Guest {
    root: PathBuf,
}

impl Guest {
    /// Mounts everything below `setup.upper`, in this mount namespace only.
    pub(super) fn assemble(setup: &Setup) -> Result<Self, Failure> {
        // First of all: nothing that happens here may reach the host.
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing("making mounts private")?;
        let guest = Self { root: setup.upper.clone() };
        guest.mount_root(setup).map_err(|failure| failure.at(Step::Layers))?;
        guest.mount_system()?;
        procfs::limit_ids(&guest.path("/proc"), &setup.limits);
        guest.mount_devices()?;
        if setup.rights == Rights::Package {
            procfs::guard(&guest.path("/proc"), &guest.path("/dev/null"))?;
        }
        guest.bind(&setup.tools, TOOLS, false)?;
        for bind in &setup.binds {
            guest.bind(&bind.source, &bind.target, bind.writable)?;
        }
        Ok(guest)
    }

    /// Mounts the overlay right over its own upper directory: no other place is needed.
    fn mount_root(&self, setup: &Setup) -> Result<(), Failure> {
        if setup.lower.is_empty() {
            return mount_bind_recursive(&self.root, &self.root)
                .doing(format!("mounting {} on itself", self.root.display()));
        }
        // Left behind by a session with `volatile`; overlayfs refuses to mount while it is there.
        let _ = fs::remove_dir_all(setup.work.join("work/incompat/volatile"));
        let options = overlay_options(setup)?;
        mount("overlay", &self.root, "overlay", MountFlags::empty(), options.as_c_str())
            .doing(format!("mounting the overlay ({})", options.to_string_lossy()))
    }

    /// /proc, /sys, /run and /tmp.
    fn mount_system(&self) -> Result<(), Failure> {
        let noexec = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        self.mount("proc", "/proc", noexec, "")
            .doing("mounting /proc (it must be fully visible in a container, too)")?;
        // Empty: what hardware the build machine has must not show in what is built.
        self.mount("tmpfs", "/sys", noexec | MountFlags::RDONLY, "mode=0555")
            .doing("mounting an empty /sys")?;
        let private = MountFlags::NOSUID | MountFlags::NODEV;
        self.mount("tmpfs", "/run", private, RUN).doing("mounting /run")?;
        self.mount("tmpfs", "/tmp", private, TMP).doing("mounting /tmp")?;
        for directory in ["/run/lock", "/run/osb"] {
            fs::create_dir(self.path(directory)).doing(format!("creating {directory}"))?;
        }
        set_mode(&self.path("/run/lock"), 0o1777)
    }

    fn mount_devices(&self) -> Result<(), Failure> {
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        self.mount("tmpfs", "/dev", flags, DEV).doing("mounting /dev")?;
        for name in DEVICES {
            let host = Path::new("/dev").join(name);
            let node = self.path("/dev").join(name);
            fs::write(&node, b"")
                .and_then(|()| Ok(mount_bind_recursive(&host, &node)?))
                // They can be used all the same; their modes and owners are the host's.
                .and_then(|()| set_read_only(&node))
                .doing(format!("binding {}", host.display()))?;
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            symlink(target, self.path("/dev").join(name)).doing(format!("linking /dev/{name}"))?;
        }
        let options = "newinstance,ptmxmode=0666,mode=0620,gid=5";
        self.mount("devpts", "/dev/pts", flags, options).doing("mounting /dev/pts")?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        self.mount("tmpfs", "/dev/shm", flags, SHM).doing("mounting /dev/shm")
    }

    /// Mounts a file system without a source, creating the directory if the guest lacks it.
    fn mount(&self, kind: &str, at: &str, flags: MountFlags, options: &str) -> io::Result<()> {
        let target = self.path(at);
        match fs::create_dir(&target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // A link would be followed on the host's file system: its root is still this process's.
            Err(_) if !fs::symlink_metadata(&target)?.is_dir() => {
                return Err(io::Error::other(format!("{at} in the guest is not a directory")));
            }
            _ => {}
        }
        let options = CString::new(options)?;
        Ok(mount(kind, &target, kind, flags, options.as_c_str())?)
    }

    /// Shows a directory or file of the host at `target`, which lies on the tmpfs below /run/osb.
    fn bind(&self, source: &Path, target: &str, writable: bool) -> Result<(), Failure> {
        let place = self.path(target);
        let bind = || -> io::Result<()> {
            if source.is_dir() {
                fs::create_dir_all(&place)?;
            } else {
                fs::create_dir_all(place.parent().unwrap_or(&self.root))?;
                fs::write(&place, b"")?;
            }
            mount_bind_recursive(source, &place)?;
            if !writable {
                set_read_only(&place)?;
            }
            Ok(())
        };
        bind().doing(format!("binding {} to {target}", source.display()))
    }

    /// Makes it the root of this mount namespace and drops the host's.
    pub(super) fn enter(self) -> Result<(), Failure> {
        std::env::set_current_dir(&self.root).doing("entering the guest")?;
        // pivot_root(2): the old root is stacked on the same place, and taken off from there.
        rustix::process::pivot_root(".", ".").doing("changing the root")?;
        unmount(".", UnmountFlags::DETACH).doing("unmounting the host's root")?;
        std::env::set_current_dir("/").doing("entering the new root")
    }

    /// A path of the guest as seen before entering. All those used here lie directly below the
    /// root, where `mount` refuses links, or on file systems that were mounted there.
    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}

/// Mounts the root, with all that is mounted in it, a second time at [`ROOT`], and a third time
/// there: who has made that place its root finds it there as well.
pub(super) fn show_root_again() -> Result<(), Failure> {
    fs::create_dir(ROOT)
        .and_then(|()| Ok(mount_bind_recursive("/", ROOT)?))
        .and_then(|()| Ok(mount_bind("/", format!("{ROOT}{ROOT}"))?))
        .doing(format!("mounting the root at {ROOT}"))
}

/// A path of a tree with all links resolved inside that tree, as an absolute path; `None` if it
/// does not exist.
pub(super) fn resolve_in(tree: &str, path: &str) -> Option<String> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let file =
        openat2(&root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
            .ok()?;
    use std::os::fd::AsRawFd;
    let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    real.into_os_string().into_string().ok()
}

fn overlay_options(setup: &Setup) -> Result<CString, Failure> {
    // userxattr: the trusted.* attributes are out of reach in a user namespace.
    let mut options = b"userxattr".to_vec();
    if setup.drop_fsync {
        // No sync of the whole upper file system at unmount, either.
        options.extend(b",volatile");
    }
    for (i, lower) in setup.lower.iter().enumerate() {
        options.extend(if i == 0 { &b",lowerdir="[..] } else { b":" });
        options.extend(escaped(lower.as_os_str()));
    }
    for (name, path) in [("upperdir", &setup.upper), ("workdir", &setup.work)] {
        options.extend(format!(",{name}=").bytes());
        options.extend(escaped(path.as_os_str()));
    }
    if options.len() > OPTIONS_MAX {
        return Err(Failure::Step(format!(
            "the paths of {} layers take {} bytes, the kernel's limit for an overlay is \
             {OPTIONS_MAX}; use a shorter cache directory",
            setup.lower.len(),
            options.len()
        )));
    }
    CString::new(options).doing("building the overlay's options")
}

/// overlayfs splits its options at commas and layers at colons; a backslash takes that meaning off.
fn escaped(path: &OsStr) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in path.as_bytes() {
        if matches!(byte, b'\\' | b':' | b',') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Makes a mount and those below it read-only.
pub(super) fn set_read_only(path: &Path) -> io::Result<()> {
    sys::set_read_only(&CString::new(path.as_os_str().as_bytes())?)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .doing(format!("setting the mode of {}", path.display()))
}
