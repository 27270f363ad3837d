//! Can this host run a guest? What the host tells about itself, and a trial.
//!
//! Files below /proc say what a kernel can, not what a container or a security module lets happen:
//! so a session is started for nothing, over empty folders in the place where the layers will lie.
//! What the host tells then explains why it failed.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use crate::ids::{self, NEEDED};
use crate::probe::{self, Mode};
use crate::session::Session;
use crate::{
    Identity, Limits, Machine, Missing, Need, Rights, SandboxError, Spec, Step, ToolsTree,
};

/// Who runs osb, as a need.
#[must_use]
pub fn identity(identity: &Identity) -> Need {
    let text = match identity {
        Identity::Root => "root".to_owned(),
        Identity::User { name, uid, subordinate } => {
            format!(
                "{name} ({uid}), root of a user namespace by newuidmap; subordinate ids from \
                 {subordinate}"
            )
        }
    };
    Need::met("user", text)
}

/// Whether the kernel can run a sandbox for `guest`, by its version.
#[must_use]
pub fn kernel(guest: Machine) -> Need {
    Facts::read(Path::new("/proc")).kernel(guest)
}

/// Looks at everything that a sandbox for `guest` needs, with its layers in the folder `place`: that
/// is tried in the empty folder `scratch` of the same file system. `launcher` as in [`Spec`]. The
/// process must be root, see [`crate::enter()`].
#[must_use]
pub fn examine(guest: Machine, place: &Path, scratch: &Path, launcher: &Path) -> Vec<Need> {
    let facts = Facts::read(Path::new("/proc"));
    let mut needs = vec![facts.kernel(guest)];
    needs.extend(facts.ids());
    needs.extend(folder(place, scratch));
    if Missing::among(&needs).is_none() {
        needs.extend(match trial(guest, scratch, launcher) {
            Ok(mode) => all_well(guest, mode, place, scratch),
            Err(error) => vec![facts.explain(error, place, scratch)],
        });
    }
    needs
}

fn all_well(guest: Machine, mode: Mode, place: &Path, scratch: &Path) -> Vec<Need> {
    let programs = match mode {
        Mode::Native => {
            Need::met("programs", format!("{} programs run as they are", guest.kernel_name()))
        }
        Mode::Private => Need::met(
            "programs",
            format!("{} programs start through a private handler", guest.kernel_name()),
        ),
        Mode::Registered => Need::warning(
            "programs",
            format!(
                "{} programs start through the host's handler: all are emulated, which is some \
                 twenty times slower",
                guest.kernel_name()
            ),
            "use Linux 6.7 or later, with CONFIG_BINFMT_MISC",
        ),
    };
    let names = "user, mount, process, network, ipc, uts, cgroup";
    vec![
        Need::met("namespaces", names),
        Need::met("layers", format!("can be stacked in {} ({})", place.display(), kind(scratch))),
        programs,
    ]
}

/// Starts a session over empty folders in `scratch`, and ends it.
fn trial(guest: Machine, scratch: &Path, launcher: &Path) -> Result<Mode, SandboxError> {
    let io = |error: io::Error| SandboxError::Setup {
        step: Step::Layers,
        reason: format!("making folders: {error}"),
    };
    let path = |name: &str| scratch.join(name);
    for name in ["lower", "upper", "work", "tools/usr/bin"] {
        fs::create_dir_all(path(name)).map_err(io)?;
    }
    // The highest of Debian's ids: a server that maps ids away refuses it.
    std::os::unix::fs::lchown(path("lower"), Some(NEEDED - 2), Some(NEEDED - 2)).map_err(|e| {
        let reason = format!("giving a folder to user {}: {e}", NEEDED - 2);
        SandboxError::Setup { step: Step::Layers, reason }
    })?;
    // Nothing will run: an emulator must only be there.
    fs::write(path("tools").join(guest.emulator().trim_start_matches('/')), "").map_err(io)?;
    let session = Session::start(&Spec {
        lower: vec![path("lower")],
        upper: path("upper"),
        work: path("work"),
        guest,
        tools: ToolsTree { root: path("tools"), architecture: Machine::host() },
        binds: Vec::new(),
        hostname: "trial".to_owned(),
        environment: Vec::new(),
        drop_fsync: true,
        measure: false,
        limits: Limits::default(),
        rights: Rights::Package,
        cancel: std::sync::Arc::default(),
        launcher: launcher.to_owned(),
    })?;
    let mode = session.mode();
    session.finish().map(|_| mode)
}

/// What can be seen of a file system without trying.
fn folder(place: &Path, scratch: &Path) -> Option<Need> {
    let kind = kind(scratch);
    let stat = rustix::fs::statvfs(scratch).ok()?;
    let trouble = if stat.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        "is mounted noexec: the tools that lie there cannot be run"
    } else if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        "is mounted read-only"
    } else if ["nfs", "cifs", "smb2", "9p", "fuse", "vfat", "exfat", "ecryptfs"].contains(&kind) {
        "cannot hold the upper layer of an overlay"
    } else {
        return None;
    };
    Some(no_place(place, kind, trouble))
}

fn no_place(place: &Path, kind: &str, trouble: &str) -> Need {
    Need::missing(
        "layers",
        format!("{} ({kind}) {trouble}", place.display()),
        "choose a folder on a local ext4, xfs, btrfs or tmpfs: --cache-dir DIR or OSB_CACHE_DIR; in \
         a container, a volume",
    )
}

/// The file system's name, by its magic number (linux/magic.h, and the file systems' own).
fn kind(place: &Path) -> &'static str {
    let magic = rustix::fs::statfs(place).map_or(0, |stat| stat.f_type as u64 & 0xffff_ffff);
    match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse",
        0x4d44 => "vfat",
        0x2011_bab0 => "exfat",
        0xf15f => "ecryptfs",
        _ => "an unknown file system",
    }
}

/// What the kernel tells.
#[derive(Debug, Default)]
struct Facts {
    release: String,
    no_user_namespaces: bool,
    /// `user.max_user_namespaces` is 0.
    none_allowed: bool,
    /// `kernel.unprivileged_userns_clone` is 0 (older Debian kernels).
    privileged_only: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu since 23.10).
    apparmor: bool,
    /// This process is root of a namespace, not of the host.
    nested: bool,
    /// User and group ids that this process has, from 0 on.
    ids: u32,
}

impl Facts {
    fn read(proc: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(proc.join(path)).unwrap_or_default();
        let is = |path: &str, value: &str| read(path).trim() == value;
        let map = |name: &str| ids::parse_map(&read(name));
        let (uids, gids) = (map("self/uid_map"), map("self/gid_map"));
        Self {
            release: read("sys/kernel/osrelease").trim().to_owned(),
            no_user_namespaces: !proc.join("self/ns/user").exists(),
            none_allowed: is("sys/user/max_user_namespaces", "0"),
            privileged_only: is("sys/kernel/unprivileged_userns_clone", "0"),
            apparmor: is("sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            nested: uids.iter().all(|extent| extent.count < u32::MAX),
            ids: ids::contiguous(&uids).min(ids::contiguous(&gids)),
        }
    }

    fn kernel(&self, guest: Machine) -> Need {
        let version = probe::kernel_version(&self.release);
        let linux = format!("Linux {}", self.release);
        let old = |text: &str, remedy: &str| {
            Need::missing("kernel", format!("{linux}{text}"), remedy.to_owned())
        };
        if self.no_user_namespaces {
            return old(" has no user namespaces", "use one with CONFIG_USER_NS");
        }
        // overlayfs in a user namespace since 5.11, mount_setattr since 5.12.
        if version < Some((5, 12)) {
            return old(" is older than 5.12", "use Linux 6.7 or later");
        }
        if guest == Machine::host() || version >= Some((6, 7)) {
            return Need::met("kernel", linux);
        }
        if probe::registered(guest) {
            let text = format!("{linux}: older than 6.7, every program is emulated");
            return Need::warning(
                "kernel",
                text,
                "use Linux 6.7 or later: some twenty times faster",
            );
        }
        probe::no_handler(guest, &format!("{linux} is older than 6.7"))
    }

    fn ids(&self) -> Option<Need> {
        // The last one, 65535, stands for "none".
        (self.ids < NEEDED - 1).then(|| {
            Need::missing(
                "user",
                format!("{} user and group ids can be used here, {NEEDED} are needed", self.ids),
                "give the container more ids, or build outside of it",
            )
        })
    }

    /// Why a trial failed.
    fn explain(&self, error: SandboxError, place: &Path, scratch: &Path) -> Need {
        match error {
            SandboxError::Missing(mut missing) if !missing.needs.is_empty() => {
                missing.needs.remove(0)
            }
            SandboxError::Setup { step: Step::Layers, reason } if !self.restricted() => {
                no_place(place, kind(scratch), &format!("cannot hold layers: {reason}"))
            }
            error => self.no_namespaces(&error.to_string()),
        }
    }

    /// AppArmor lets the namespace be made, and forbids everything in it.
    fn restricted(&self) -> bool {
        self.apparmor && self.nested
    }

    fn no_namespaces(&self, what: &str) -> Need {
        let (text, remedy) = if self.none_allowed {
            (
                "user namespaces are switched off (user.max_user_namespaces is 0)",
                "sudo sysctl user.max_user_namespaces=10000",
            )
        } else if self.privileged_only {
            (
                "user namespaces are root's only (kernel.unprivileged_userns_clone is 0)",
                "sudo sysctl kernel.unprivileged_userns_clone=1, or run osb as root",
            )
        } else if self.apparmor {
            (
                "AppArmor forbids namespaces to ordinary users' programs that have no profile",
                "write /etc/apparmor.d/osb: `abi <abi/4.0>, profile osb /PATH/OF/osb \
                 flags=(unconfined) { userns, }`, run `sudo apparmor_parser -r \
                 /etc/apparmor.d/osb`; or run osb as root",
            )
        } else {
            (
                "a container or a security module forbids namespaces or mounts",
                "for Docker: --privileged, or --security-opt seccomp=unconfined --security-opt \
                 apparmor=unconfined --security-opt systempaths=unconfined --cap-add SYS_ADMIN; \
                 for Podman: --privileged (rootless is enough); or build outside of it",
            )
        };
        Need::missing("namespaces", format!("{text} ({what})"), remedy)
    }
}

impl Need {
    /// Namespaces that could not be made.
    pub(crate) fn namespaces(what: &str) -> Self {
        Facts::read(Path::new("/proc")).no_namespaces(what)
    }
}

/// newuidmap goes by the name of its caller.
pub(crate) fn no_user(uid: u32) -> Missing {
    Need::missing(
        "user",
        format!("there is no user with the number {uid}, so nobody has given it subordinate ids"),
        "run osb as root, or as a user that /etc/passwd names",
    )
    .into()
}

/// newuidmap refuses callers with another group than their own (newgrp, sg).
pub(crate) fn other_group(name: &str, gid: u32, group: u32) -> Need {
    Need::missing(
        "user",
        format!("the group is {gid}, that of {name} is {group}: newuidmap refuses that"),
        "run osb without newgrp or sg, or as root",
    )
}

/// `file` gives too few ids to the user `name`.
pub(crate) fn no_subordinate_ids(file: &str, name: &str) -> Missing {
    Need::missing(
        "user",
        format!(
            "{file} gives {name} fewer than {} subordinate ids (those of a name service are not \
             looked at)",
            NEEDED - 1
        ),
        format!(
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name} (ids that \
             no other user has); or run osb as root"
        ),
    )
    .into()
}

/// `newuidmap` or `newgidmap` cannot be run.
pub(crate) fn no_program(program: &str, error: &io::Error) -> Missing {
    Need::missing(
        "user",
        format!("{program} cannot be run: {error}"),
        "install the package uidmap (Debian, Ubuntu), shadow-utils (Fedora) or shadow (Arch); or \
         run osb as root",
    )
    .into()
}

/// The helper process could not be started or waited for.
pub(crate) fn no_mapper(error: &io::Error) -> Missing {
    Need::missing("user", format!("starting a process to map user ids: {error}"), "run osb as root")
        .into()
}

/// `newuidmap` or `newgidmap` failed.
pub(crate) fn not_mapped(said: &str) -> Missing {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let remedy = if status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"])) {
        "set-user-ID programs have no effect here (no_new_privs): start osb without it, or as root"
    } else {
        "newuidmap and newgidmap must belong to root and be set-user-ID (or have the file \
         capabilities cap_setuid and cap_setgid); install them anew, or run osb as root"
    };
    Need::missing("user", format!("user ids cannot be mapped: {said}"), remedy).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(files: &[(&str, &str)]) -> Facts {
        let proc = tempfile::tempdir().unwrap();
        let usual = [
            ("self/ns/user", ""),
            ("sys/kernel/osrelease", "6.18.0\n"),
            ("self/uid_map", "0 0 4294967295\n"),
            ("self/gid_map", "0 0 4294967295\n"),
        ];
        for (path, text) in usual.iter().chain(files) {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Facts::read(proc.path())
    }

    fn foreign() -> Machine {
        match Machine::host() {
            Machine::Aarch64 => Machine::X86_64,
            Machine::X86_64 => Machine::Aarch64,
        }
    }

    #[test]
    fn kernels() {
        let verdict = |release, guest| {
            let need = facts(&[("sys/kernel/osrelease", release)]).kernel(guest);
            (need.verdict == crate::Verdict::Met, need.text + &need.remedy.unwrap_or_default())
        };
        assert!(verdict("6.7.0\n", foreign()).0);
        assert!(verdict("7.2+deb13-amd64\n", foreign()).0);
        let (met, text) = verdict("6.1.0-35-amd64\n", foreign());
        assert!(!met && text.contains("6.7"), "{text}");
        assert!(verdict("6.1.0-35-amd64\n", Machine::host()).0);
        let (met, text) = verdict("5.10.0\n", Machine::host());
        assert!(!met && text.contains("older than 5.12"), "{text}");
        assert!(!verdict("unknown\n", Machine::host()).0);
    }

    #[test]
    fn each_way_to_forbid_namespaces_is_named_with_its_remedy() {
        let failed = || SandboxError::Setup { step: Step::Layers, reason: "EPERM".to_owned() };
        let user = [("self/uid_map", "0 1000 1\n1 100000 65536\n")];
        let explained = |files: &[(&str, &str)]| {
            let need = facts(files).explain(failed(), Path::new("/"), Path::new("/"));
            assert!(need.text.contains("EPERM"), "{}", need.text);
            format!("{} | {}", need.text, need.remedy.unwrap_or_default())
        };
        let apparmor = ("sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
        let text = explained(&[user[0], apparmor]);
        assert!(text.contains("AppArmor") && text.contains("userns,"), "{text}");
        let text = explained(&[apparmor]);
        assert!(text.contains("--cache-dir"), "root is not restricted: {text}");
        let why = |files: &[(&str, &str)]| facts(files).no_namespaces("EPERM").text;
        assert!(why(&[("sys/user/max_user_namespaces", "0\n")]).contains("max_user_namespaces"));
        assert!(why(&[("sys/kernel/unprivileged_userns_clone", "0\n")]).contains("root's only"));
        assert!(why(&[]).contains("container"));
    }

    #[test]
    fn too_few_ids_are_counted() {
        assert_eq!(facts(&[]).ids(), None);
        let need = facts(&[("self/gid_map", "0 0 1000\n")]).ids().unwrap();
        assert!(need.text.starts_with("1000 user and group ids"), "{}", need.text);
    }
}
