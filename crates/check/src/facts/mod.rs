//! What rules look at: parts of the image, read once, when the first rule asks for them.

mod contents;
mod root;
mod start;
mod uki;
mod units;

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use osb_image::{Installed, Table};
use osb_tree::{Content, Tree};

use crate::allow::Allow;
use crate::dpkg::Dpkg;
use crate::memo::Memo;
use crate::parse::initramfs::Initramfs;
use crate::parse::kernel::Kernel;
use crate::parse::secret::Patterns;
use crate::read::Files;
use crate::rule::Skip;
use crate::subject::{FIRMWARE, Subject};

pub(crate) use contents::{Changed, Marks};
pub(crate) use root::Modules;
pub(crate) use start::{Named, Start, find, is_vendors, prefix};
pub(crate) use units::UnitFile;

/// Most bytes of all kernels and initramfs together, unpacked: packed zeroes take no room, and
/// entries of a loader may name many files.
const BOOTED: u64 = 4 << 30;

/// What is known besides the image, and which rules are wanted.
#[derive(Debug, Clone)]
pub struct Context {
    /// Texts that must not be in any file: folders of the machine that built it.
    pub build_paths: Vec<String>,
    /// Hosts that apt may be told to ask, besides the public ones that everybody uses.
    pub mirrors: Vec<String>,
    /// Threads.
    pub jobs: usize,
    /// Rules to hold it against; empty for all.
    pub only: Vec<String>,
    /// Rules to leave out.
    pub skip: Vec<String>,
    /// Findings that are no faults of this image.
    pub allow: Vec<Allow>,
}

impl Default for Context {
    fn default() -> Self {
        let (build_paths, mirrors, only, skip, allow) = Default::default();
        Context { build_paths, mirrors, jobs: 2, only, skip, allow }
    }
}

impl Context {
    pub(crate) fn selects(&self, id: &str) -> bool {
        let among = |list: &[String]| list.iter().any(|each| each == id);
        (self.only.is_empty() || among(&self.only)) && !among(&self.skip)
    }
}

/// The image's facts. What does not exist is a reason why a rule does not apply.
pub(crate) struct Facts<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) context: &'a Context,
    pub(crate) memo: &'a Memo,
    starts: OnceCell<Vec<Start>>,
    packages: OnceCell<BTreeMap<String, Installed>>,
    dpkg: OnceCell<Dpkg>,
    units: OnceCell<BTreeMap<String, UnitFile>>,
    modules: OnceCell<BTreeMap<String, Modules>>,
    changed: OnceCell<Changed>,
    marks: OnceCell<Marks>,
    patterns: OnceCell<Patterns>,
    /// Bytes of kernels and initramfs, unpacked, that may still be read.
    left: Cell<u64>,
    /// Reads what rules are about.
    pub(crate) files: Files,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(subject: &'a Subject, context: &'a Context, memo: &'a Memo) -> Self {
        Facts {
            subject,
            context,
            memo,
            starts: OnceCell::new(),
            packages: OnceCell::new(),
            dpkg: OnceCell::new(),
            units: OnceCell::new(),
            modules: OnceCell::new(),
            changed: OnceCell::new(),
            marks: OnceCell::new(),
            patterns: OnceCell::new(),
            left: Cell::new(BOOTED),
            files: Files::default(),
        }
    }

    /// The root.
    pub(crate) fn root(&self) -> Result<&'a Tree, Skip> {
        match &self.subject.root {
            Some(root) => Ok(root),
            None => Skip::because("there is no root file system"),
        }
    }

    /// The boot partition.
    pub(crate) fn boot(&self) -> Result<&'a Tree, Skip> {
        match &self.subject.boot {
            Some(boot) => Ok(boot),
            None => Skip::because("there are no boot files"),
        }
    }

    /// The partition table.
    pub(crate) fn table(&self) -> Result<&'a Table, Skip> {
        match &self.subject.table {
            Some(table) => Ok(table),
            None => Skip::because("there is no partition table: it is no disk"),
        }
    }

    /// The kernel in a content.
    pub(crate) fn kernel(&self, content: &Content) -> Arc<Kernel> {
        self.memo.kernels.or_make(content, || {
            let kernel = Kernel::read(content, self.left.get());
            self.left.set(self.left.get().saturating_sub(kernel.size));
            Arc::new(kernel)
        })
    }

    /// The initramfs in a content.
    pub(crate) fn initramfs(&self, content: &Content) -> Arc<Initramfs> {
        self.memo.initramfs.or_make(content, || {
            let initramfs = Initramfs::read(content, self.left.get(), self.patterns());
            self.left.set(self.left.get().saturating_sub(initramfs.size));
            Arc::new(initramfs)
        })
    }

    /// What secrets look like.
    pub(crate) fn patterns(&self) -> &Patterns {
        self.patterns.get_or_init(|| Patterns::new(&self.context.build_paths))
    }

    /// The MD5 of a content.
    pub(crate) fn md5(&self, content: &Content) -> Result<[u8; 16], String> {
        self.memo.md5(content).map_err(|error| error.to_string())
    }
}

/// The path on the node of a file of the boot partition.
pub(crate) fn mounted(path: impl AsRef<[u8]>) -> Vec<u8> {
    [FIRMWARE.as_bytes(), b"/", path.as_ref()].concat()
}
