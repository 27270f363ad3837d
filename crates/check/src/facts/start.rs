//! The ways in which a machine may start from the boot partition.

use osb_tree::{Content, Inode, Tree};

use super::{Facts, mounted};
use crate::parse::command_line::arguments;
use crate::parse::config_txt::ConfigTxt;
use crate::parse::loader::Lines;
use crate::read::Files;
use crate::rule::{Finding, Skip};

/// Files that are there for a Raspberry Pi 5 only.
const OF_A_PI: [&str; 4] = ["config.txt", "cmdline.txt", "kernel8.img", "kernel_2712.img"];
/// What the firmware looks for, in this order.
const KERNELS: [&str; 2] = ["kernel_2712.img", "kernel8.img"];

/// A file of the boot partition that something names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Who names it: a path on the node.
    pub(crate) by: Vec<u8>,
    /// The name, without a slash at its beginning.
    pub(crate) name: String,
    /// Its path on the boot partition, if it is there.
    pub(crate) path: Option<Vec<u8>>,
    /// Whether it is named by default, and not in the file.
    pub(crate) default: bool,
}

impl Named {
    fn new(boot: &Tree, by: Vec<u8>, name: &str, default: bool) -> Named {
        let name = name.trim_start_matches('/').to_owned();
        Named { by, path: find(boot, &name), name, default }
    }

    /// Its content.
    pub(crate) fn content<'a>(&self, boot: &'a Tree) -> Option<&'a Content> {
        boot.get(self.path.as_ref()?).and_then(Inode::content)
    }

    /// That it is not there.
    pub(crate) fn missing(&self, what: &str) -> Finding {
        let how = if self.default { "looked for by default" } else { "named here" };
        Finding::at(&self.by, format!("{what} {:?}, {how}, is not there", self.name))
    }
}

/// One way to start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// Whether it is the Raspberry Pi's firmware; else UEFI's loader.
    pub(crate) pi: bool,
    /// The settings that tell what to start: a path on the node.
    pub(crate) by: Vec<u8>,
    /// The kernel; `None` if none is named.
    pub(crate) kernel: Option<Named>,
    /// The initramfs; `None` if none is named.
    pub(crate) initramfs: Option<Named>,
    /// Where the command line is: a path on the node.
    pub(crate) line_by: Vec<u8>,
    /// The command line; `None` if its file is not there.
    pub(crate) line: Option<Vec<String>>,
}

impl Facts<'_> {
    /// All ways to start, the Pi's first.
    pub(crate) fn starts(&self) -> Result<&[Start], Skip> {
        let boot = self.boot()?;
        let starts = self.starts.get_or_init(|| {
            let pi = self
                .config_txt()
                .ok()
                .map(|config| of_pi(boot, &config.unwrap_or_default(), &self.files));
            let entries = self.loader_entries().unwrap_or_default();
            let entries = entries.iter().map(|(path, lines)| of_entry(boot, path, lines));
            pi.into_iter().chain(entries).collect()
        });
        match starts.is_empty() {
            true => Skip::because("neither a Raspberry Pi nor systemd-boot starts from it"),
            false => Ok(starts),
        }
    }

    /// The Pi's way to start.
    pub(crate) fn pi(&self) -> Result<&Start, Skip> {
        self.config_txt()?;
        match self.starts()?.iter().find(|start| start.pi) {
            Some(start) => Ok(start),
            None => Skip::because("it is not for a Raspberry Pi"),
        }
    }

    /// `config.txt`, if the boot partition is for a Raspberry Pi; `None` if it is missing there.
    pub(crate) fn config_txt(&self) -> Result<Option<ConfigTxt>, Skip> {
        let boot = self.boot()?;
        let signs = OF_A_PI.iter().any(|name| find(boot, name).is_some());
        let trees = boot.children(b"").any(|(name, _)| name.starts_with(b"bcm2712"));
        if !signs && !trees {
            return Skip::because("it is not for a Raspberry Pi");
        }
        let config = find(boot, "config.txt").and_then(|path| self.files.of_boot(boot, path));
        Ok(config.map(|text| ConfigTxt::parse(&text)))
    }

    /// Entries of systemd-boot, with their paths on the boot partition.
    pub(crate) fn loader_entries(&self) -> Result<Vec<(String, Lines)>, Skip> {
        let boot = self.boot()?;
        if find(boot, "loader").is_none() {
            return Skip::because("it does not start by systemd-boot");
        }
        let entries = self.files.texts(boot, "loader/entries", ".conf");
        Ok(entries.into_iter().map(|(path, text)| (path, Lines::parse(&text))).collect())
    }
}

/// A path of the boot partition as firmware finds it: case does not matter on FAT.
pub(crate) fn find(boot: &Tree, name: &str) -> Option<Vec<u8>> {
    if boot.get(name).is_some() {
        return Some(name.as_bytes().to_vec());
    }
    let mut path: Vec<u8> = Vec::new();
    for part in name.split(['/', '\\']).filter(|part| !part.is_empty()) {
        let folder = path.clone();
        let mut children = boot.children(&folder);
        let (found, _) = children.find(|(child, _)| child.eq_ignore_ascii_case(part.as_bytes()))?;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(found);
    }
    (!path.is_empty()).then_some(path)
}

fn of_pi(boot: &Tree, config: &ConfigTxt, files: &Files) -> Start {
    let by = mounted("config.txt");
    // In front of all names, if there are files under it (documentation, `os_prefix`).
    let prefix = config.get("os_prefix").unwrap_or_default();
    let named =
        |name: &str, default| Named::new(boot, by.clone(), &format!("{prefix}{name}"), default);
    let kernel = match config.get("kernel") {
        Some(name) => named(name, false),
        None => {
            let found =
                KERNELS.iter().find(|name| find(boot, &format!("{prefix}{name}")).is_some());
            named(found.unwrap_or(&KERNELS[0]), true)
        }
    };
    let bare = kernel.name.strip_prefix(prefix).unwrap_or(&kernel.name);
    let initramfs = config.initramfs_name(bare);
    let initramfs = initramfs.map(|name| named(&name, config.initramfs().is_none()));
    let line = named(config.get("cmdline").unwrap_or("cmdline.txt"), false);
    let text = line.path.as_ref().and_then(|path| files.of_boot(boot, path));
    Start {
        pi: true,
        kernel: Some(kernel),
        initramfs,
        line_by: mounted(&line.name),
        // Only the first line counts.
        line: text.map(|text| arguments(text.lines().next().unwrap_or_default())),
        by,
    }
}

fn of_entry(boot: &Tree, path: &str, lines: &Lines) -> Start {
    let by = mounted(path);
    let named = |name: &str| Named::new(boot, by.clone(), name, false);
    let options: Vec<&str> = lines.all("options").collect();
    Start {
        pi: false,
        kernel: lines.get("linux").map(named),
        initramfs: lines.get("initrd").map(named),
        line_by: by.clone(),
        line: Some(arguments(&options.join(" "))),
        by,
    }
}
