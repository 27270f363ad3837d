//! Packages taken apart, each once.
//!
//! ```text
//! <store>/SHA256-RULES/
//!   control/            the members of control.tar
//!   data/               the files that the path rules do not exclude, with owners, modes, times
//!   about/package.json  the control fields and the entries of data.tar in their order
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use osb_apt::deb::{self, Deb, EntryKind, Limits};
use osb_apt::relation::parse_relations;
use serde::{Deserialize, Serialize};

use crate::error::UnpackError;
use crate::filter::Filter;

/// Where a package's own description lies.
const ABOUT: &str = "about/package.json";

/// A folder of packages taken apart, named by the SHA-256 of their .deb and by what of them is left
/// out: a third of all files is documentation that most images do without.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    filter: Filter,
    tag: String,
}

/// One package of a store.
#[derive(Debug, Clone)]
pub struct Package {
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    fields: Vec<(String, String)>,
    entries: Vec<Entry>,
}

/// An entry of a package's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the root, without `./`; empty for the root itself.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// What an entry is, as far as laying it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file, or another name of one.
    File,
    /// A symbolic link to this.
    Symlink(String),
}

impl Store {
    /// The store in this folder, for packages of which `filter` leaves out what it skips.
    pub fn new(root: impl Into<PathBuf>, filter: Filter) -> Self {
        Store { root: root.into(), tag: filter.tag(), filter }
    }

    /// What is left out.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The folder of all packages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the package of this digest lies or will lie.
    pub fn folder(&self, sha256: &str) -> PathBuf {
        self.root.join(format!("{sha256}-{}", self.tag))
    }

    /// Whether the package is there.
    pub fn has(&self, sha256: &str) -> bool {
        self.folder(sha256).is_dir()
    }

    /// Takes `deb` apart into the new folder `scratch`, which is to be moved to
    /// [`Store::folder`] when it is on disk.
    ///
    /// `go_on` is asked all the time: its error ends the work.
    ///
    /// # Errors
    /// The package is damaged or hostile, has a name that is not UTF-8 (which Policy 10.10
    /// forbids), the file system refused something, or `go_on` did.
    pub fn take_apart(
        &self,
        deb: &Path,
        scratch: &Path,
        go_on: &dyn Fn() -> io::Result<()>,
    ) -> Result<(), UnpackError> {
        if !self.filter.is_empty() {
            match Self::take_apart_by(deb, scratch, &self.filter, go_on) {
                Ok(()) => return Ok(()),
                // A name that stays of a file whose first name does not: rare enough to take all.
                // Whatever else it was fails once more.
                Err(_) => {
                    fs::remove_dir_all(scratch).map_err(UnpackError::io("clearing", scratch))?
                }
            }
        }
        Self::take_apart_by(deb, scratch, &Filter::default(), go_on)
    }

    fn take_apart_by(
        deb: &Path,
        scratch: &Path,
        filter: &Filter,
        go_on: &dyn Fn() -> io::Result<()>,
    ) -> Result<(), UnpackError> {
        // Setuid programs are in it: its owner's alone.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(scratch)
            .map_err(UnpackError::io("making", scratch))?;
        let control = Deb::open(deb)?.control()?;
        let fields: Vec<(String, String)> =
            control.fields().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let name = control.get("Package").unwrap_or_default();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|error| {
                let path = String::from_utf8_lossy(error.as_bytes()).into_owned();
                UnpackError::package(name, format!("the name {path:?} is not UTF-8"))
            })
        };
        let keep = |entry: &deb::Entry| {
            let is_file = matches!(entry.kind, EntryKind::File | EntryKind::HardLink(_));
            go_on()?;
            Ok(!std::str::from_utf8(&entry.path).is_ok_and(|path| filter.skips_path(path, is_file)))
        };
        let entries = deb::explode(deb, scratch, &Limits::default(), &keep)?
            .into_iter()
            .map(|entry| {
                let kind = match entry.kind {
                    EntryKind::Directory => Kind::Directory,
                    EntryKind::File | EntryKind::HardLink(_) => Kind::File,
                    EntryKind::Symlink(target) => Kind::Symlink(text(target)?),
                };
                let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
                Ok(Entry { path: text(entry.path)?, kind, mode, uid, gid, mtime: entry.mtime })
            })
            .collect::<Result<Vec<Entry>, UnpackError>>()?;
        if let Some(entry) = entries.iter().find(|entry| entry.path.contains('\n')) {
            return Err(UnpackError::package(name, format!("newline in {:?}", entry.path)));
        }
        let manifest = Manifest { fields, entries };
        let path = scratch.join(ABOUT);
        if let Some(folder) = path.parent() {
            fs::create_dir(folder).map_err(UnpackError::io("making", folder))?;
        }
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|error| UnpackError::io("writing", &path)(error.into()))?;
        fs::write(&path, bytes).map_err(UnpackError::io("writing", &path))
    }

    /// Opens a package that is there.
    ///
    /// # Errors
    /// It is not there, or its manifest cannot be read.
    pub fn open(&self, sha256: &str) -> Result<Package, UnpackError> {
        let folder = self.folder(sha256);
        let path = folder.join(ABOUT);
        let bytes = fs::read(&path).map_err(UnpackError::io("reading", &path))?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|error| UnpackError::io("reading", &path)(error.into()))?;
        Ok(Package { folder, manifest })
    }
}

impl Package {
    /// Its name.
    pub fn name(&self) -> &str {
        self.field("Package").unwrap_or_default()
    }

    /// The name of its folder in the store.
    pub fn folder_name(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Its name in dpkg's database: with the architecture if several may be installed at once.
    pub fn database_name(&self) -> String {
        match (self.field("Multi-Arch"), self.field("Architecture")) {
            (Some("same"), Some(architecture)) => format!("{}:{architecture}", self.name()),
            _ => self.name().to_owned(),
        }
    }

    /// The value of a control field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let known = |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        self.manifest.fields.iter().find(known).map(|(_, value)| value.as_str())
    }

    /// All control fields in their order.
    pub fn fields(&self) -> &[(String, String)] {
        &self.manifest.fields
    }

    /// The entries of its data in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.manifest.entries
    }

    /// Whether it has a symbolic link at `path`.
    pub fn brings_link(&self, path: &str) -> bool {
        let is_it = |entry: &Entry| entry.path == path && matches!(entry.kind, Kind::Symlink(_));
        self.entries().iter().any(is_it)
    }

    /// Whether no system may be without it.
    pub fn is_essential(&self) -> bool {
        self.field("Essential") == Some("yes")
    }

    /// Package names in a relation field, alternatives included.
    ///
    /// # Errors
    /// The field is not in the form of Policy 7.1.
    pub fn names_in(&self, field: &str) -> Result<Vec<String>, UnpackError> {
        let Some(value) = self.field(field) else { return Ok(Vec::new()) };
        let groups = parse_relations(value)
            .map_err(|e| UnpackError::package(self.name(), format!("{field}: {e}")))?;
        Ok(groups.into_iter().flatten().map(|relation| relation.name).collect())
    }

    /// Where a member of its control archive lies, if it has it.
    pub fn member(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join("control").join(name)).filter(|path| path.exists())
    }

    /// The text of a member of its control archive; empty if it has none.
    pub(crate) fn text(&self, member: &str) -> Result<String, UnpackError> {
        match self.member(member) {
            None => Ok(String::new()),
            Some(path) => fs::read_to_string(&path).map_err(UnpackError::io("reading", path)),
        }
    }

    /// The members of its control archive that dpkg keeps, sorted.
    pub(crate) fn kept_members(&self) -> Result<Vec<String>, UnpackError> {
        let folder = self.folder.join("control");
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(UnpackError::io("reading", &folder))? {
            let entry = entry.map_err(UnpackError::io("reading", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // As dpkg does: the rest is not of this world.
            if !name.contains('.') && name != "control" && name != "list" {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where the file of an entry lies.
    pub(crate) fn data(&self, entry: &Entry) -> PathBuf {
        self.folder.join("data").join(&entry.path)
    }
}
