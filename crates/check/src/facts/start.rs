//! The ways in which a machine may start from the boot partition.

use osb_tree::{Content, Inode, Tree};

use super::uki::Uki;
use super::{Facts, mounted};
use crate::parse::command_line::arguments;
use crate::parse::config_txt::ConfigTxt;
use crate::parse::loader::Lines;
use crate::read::Files;
use crate::rule::{Finding, Skip};

/// Files that are there for a Raspberry Pi 5 only.
const OF_A_PI: [&str; 4] = ["config.txt", "cmdline.txt", "kernel8.img", "kernel_2712.img"];
/// Ways to start that are looked at: each costs what its files cost.
const MOST_STARTS: usize = 64;
/// Files that may be such ways, of which the headers are read.
const MOST_FILES: usize = 1000;
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
    /// What is meant, if it is a part of the file.
    part: Option<Content>,
}

impl Named {
    fn new(boot: &Tree, by: Vec<u8>, name: &str, default: bool) -> Named {
        let name = name.trim_start_matches('/').to_owned();
        Named { by, path: find(boot, &name), name, default, part: None }
    }

    /// Its content.
    pub(crate) fn content<'a>(&'a self, boot: &'a Tree) -> Option<&'a Content> {
        match &self.part {
            Some(part) => Some(part),
            None => boot.get(self.path.as_ref()?).and_then(Inode::content),
        }
    }

    /// Whether it is a part of a larger file, which firmware starts.
    pub(crate) fn is_part(&self) -> bool {
        self.part.is_some()
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
    /// The initramfs, which are loaded one behind the other; none if none is named.
    pub(crate) initramfs: Vec<Named>,
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
            let entries = entries
                .iter()
                .take(MOST_FILES)
                .filter_map(|(path, lines)| of_entry(boot, path, lines));
            let all: Vec<Start> =
                pi.into_iter().chain(entries).chain(of_ukis(boot)).take(MOST_STARTS + 1).collect();
            if all.len() > MOST_STARTS {
                let why =
                    format!("more than {MOST_STARTS} ways to start: the others are passed over");
                self.files.missed(&mounted("loader/entries"), why);
            }
            all.into_iter().take(MOST_STARTS).collect()
        });
        match starts.is_empty() {
            true => Skip::because("neither a Raspberry Pi nor systemd-boot starts from it"),
            false => Ok(starts),
        }
    }

    /// The version of the kernel of a start, if it tells.
    pub(crate) fn version(&self, start: &Start) -> Option<String> {
        let content = start.kernel.as_ref()?.content(self.boot().ok()?)?;
        self.kernel(content).version.clone()
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
        let read = |name: &str| self.files.of_boot(boot, find(boot, name)?);
        // An archive has no partitions; whoever writes it to a disk begins with this one.
        let partition = self.subject.boot_place.partition.unwrap_or(1);
        Ok(read("config.txt").map(|text| ConfigTxt::parse(&text, partition, &read)))
    }

    /// Entries of systemd-boot, with their paths on the boot partition.
    pub(crate) fn loader_entries(&self) -> Result<Vec<(String, Lines)>, Skip> {
        let boot = self.boot()?;
        if find(boot, "loader").is_none() && find(boot, "EFI/Linux").is_none() {
            return Skip::because("it does not start by systemd-boot");
        }
        let entries = self.files.texts(boot, "loader/entries", ".conf");
        Ok(entries.into_iter().map(|(path, text)| (path, Lines::parse(&text))).collect())
    }
}

/// Whether a kernel is of Raspberry Pi's own, which has a Pi's drivers built in, under names of its
/// own: `6.12.25+rpt-rpi-v8`, `6.6.31-v8-16k+`.
pub(crate) fn is_vendors(version: &str) -> bool {
    version.contains("rpi") || version.contains("-v8+") || version.contains("-v8-16k+")
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

/// What the firmware puts in front of all names: `os_prefix`, if the kernel and the board's device
/// tree are there under it (Raspberry Pi documentation, `os_prefix`).
pub(crate) fn prefix<'a>(boot: &Tree, config: &'a ConfigTxt) -> &'a str {
    let prefix = config.get("os_prefix").unwrap_or_default();
    let is_there = |name: &str| find(boot, &format!("{prefix}{name}")).is_some();
    let kernel = match config.get("kernel") {
        Some(name) => is_there(name),
        None => KERNELS.iter().any(|name| is_there(name)),
    };
    let tree = config.get("device_tree").unwrap_or("bcm2712-rpi-5-b.dtb");
    if kernel && is_there(tree) { prefix } else { "" }
}

fn of_pi(boot: &Tree, config: &ConfigTxt, files: &Files) -> Start {
    let by = mounted("config.txt");
    let prefix = prefix(boot, config);
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
    let initramfs = config.initramfs_names(bare).into_iter();
    let initramfs = initramfs.map(|name| named(&name, config.initramfs().is_none()));
    let line = named(config.get("cmdline").unwrap_or("cmdline.txt"), false);
    let text = line.path.as_ref().and_then(|path| files.of_boot(boot, path));
    Start {
        pi: true,
        kernel: Some(kernel),
        initramfs: initramfs.collect(),
        line_by: mounted(&line.name),
        // Only the first line counts.
        line: text.map(|text| arguments(text.lines().next().unwrap_or_default())),
        by,
    }
}

/// An entry of systemd-boot; `None` if it starts a program that is no kernel, such as a shell.
fn of_entry(boot: &Tree, path: &str, lines: &Lines) -> Option<Start> {
    let by = mounted(path);
    let named = |name: &str| Named::new(boot, by.clone(), name, false);
    let options: Vec<&str> = lines.all("options").filter(|text| !text.is_empty()).collect();
    let options = (!options.is_empty()).then(|| options.join(" "));
    if let Some(name) = lines.get("uki").or_else(|| lines.get("efi")) {
        return of_uki(boot, by.clone(), named(name), options);
    }
    Some(Start {
        pi: false,
        kernel: lines.get("linux").map(named),
        initramfs: lines.all("initrd").filter(|name| !name.is_empty()).map(named).collect(),
        line_by: by.clone(),
        line: Some(arguments(&options.unwrap_or_default())),
        by,
    })
}

/// A unified kernel image; `None` if the program is there, and is another one.
fn of_uki(boot: &Tree, by: Vec<u8>, file: Named, options: Option<String>) -> Option<Start> {
    let Some(content) = file.content(boot) else {
        // That it is missing is told of the kernel.
        let (kernel, line) = (Some(file), options.map(|text| arguments(&text)));
        let line_by = by.clone();
        return Some(Start { pi: false, by, kernel, initramfs: Vec::new(), line_by, line });
    };
    let uki = Uki::read(content)?;
    // Of one that is cut off the whole file is looked at, and found to be damaged.
    let part = |part| Named { part, ..file.clone() };
    let line_by = if options.is_some() { by.clone() } else { mounted(&file.name) };
    let line = options.or(uki.line).unwrap_or_default();
    Some(Start {
        pi: false,
        kernel: Some(part(uki.kernel)),
        initramfs: uki.initramfs.map(part).into_iter().collect(),
        line_by,
        line: Some(arguments(&line)),
        by,
    })
}

/// Unified kernel images that systemd-boot finds by itself (Boot Loader Specification, type 2).
fn of_ukis(boot: &Tree) -> Vec<Start> {
    let Some(folder) = find(boot, "EFI/Linux") else { return Vec::new() };
    let names = boot.children(&folder).filter(|(name, _)| {
        let end = name.last_chunk::<4>();
        end.is_some_and(|end| end.eq_ignore_ascii_case(b".efi"))
    });
    let found = names.take(MOST_FILES).filter_map(|(name, _)| {
        let path = [&folder[..], b"/", name].concat();
        let name = String::from_utf8_lossy(&path).into_owned();
        let by = mounted(&name);
        of_uki(boot, by.clone(), Named::new(boot, by, &name, true), None)
    });
    found.collect()
}
