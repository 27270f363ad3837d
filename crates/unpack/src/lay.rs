//! Laying packages, entry by entry: dpkg's rules (archives.c: `tarobject`) in dpkg's order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::database;
use crate::error::UnpackError;
use crate::filter::Filter;
use crate::notes;
use crate::overrides::{Diversions, Override, StatOverrides};
use crate::owners::{Owners, Verdict};
use crate::store::{Entry, Kind, Package};
use crate::tree::Tree;
use crate::triggers::{TRIGGERS, Watched};
use crate::view::{Found, join, name_of, parent_of};

/// A layer in the making: `files` gets the packages' files and is to be mounted below `upper`,
/// into which go the database and whatever maintainer scripts change. Nothing of it may be mounted
/// while packages are laid.
pub struct Layer {
    tree: Tree,
    filter: Filter,
    /// The database as it was when the first packages were laid, and these packages.
    known: Option<Known>,
}

struct Known {
    owners: Owners,
    watched: Watched,
}

/// What scripts may have changed before each wave.
#[derive(Default)]
struct Rules {
    diversions: Diversions,
    overrides: StatOverrides,
}

/// A package being laid.
struct Task<'a> {
    package: &'a Package,
    database_name: String,
    index: usize,
    /// Those that it ships.
    conffiles: HashSet<String>,
    usable: bool,
}

/// What became of an entry.
enum Outcome {
    /// It is there.
    Written,
    /// It is left out, or was there before; the package has it nevertheless.
    Skipped,
    /// Another package's stays, and the package does not have it.
    KeptOther,
}

impl Layer {
    /// `files` and `upper` are existing directories, `files` empty, `below` the finished layers,
    /// topmost first.
    pub fn new(upper: &Path, files: &Path, below: &[PathBuf], filter: Filter) -> Self {
        Layer { tree: Tree::new(upper, files, below, false), filter, known: None }
    }

    /// Unpacks `packages`, whose preinst scripts have run. With `usable` conffiles are also laid
    /// under their own names, where otherwise only `dpkg --configure` puts them: for packages that
    /// must work before they are configured.
    ///
    /// # Errors
    /// Whatever dpkg would refuse: a path of another package that is not replaced, a damaged
    /// database; a package that the database has already; or the file system refused something.
    pub fn lay(&mut self, packages: &[Package], usable: bool) -> Result<(), UnpackError> {
        let view = &mut self.tree.view;
        view.refresh();
        let rules =
            Rules { diversions: Diversions::read(view)?, overrides: StatOverrides::read(view)? };
        let mut known = match self.known.take() {
            Some(known) => known,
            None => {
                let owners = Owners::read(view)?;
                // Only packages that were installed before are told: the others will be
                // configured anyway.
                let file = view.read(&format!("{TRIGGERS}/File"))?.unwrap_or_default();
                Known { owners, watched: Watched::parse(&file) }
            }
        };
        for package in packages {
            self.lay_one(&rules, &mut known, package, usable)?;
        }
        notes::note_lists(&mut self.tree, &mut known.owners)?;
        notes::note_status(&mut self.tree, packages, &mut known.owners)?;
        notes::note_triggers(&mut self.tree, packages, &mut known.watched)?;
        self.known = Some(known);
        self.tree.finish()
    }

    fn lay_one(
        &mut self,
        rules: &Rules,
        known: &mut Known,
        package: &Package,
        usable: bool,
    ) -> Result<(), UnpackError> {
        let index = known.owners.begin(package)?;
        let conffiles = database::shipped_conffiles(package)?;
        known.owners.inherit(index, &database::conffiles(package)?);
        let database_name = package.database_name();
        let task = Task { package, database_name, index, conffiles, usable };
        self.tree.begin();
        let mut written = Vec::new();
        for entry in in_order(package) {
            if !entry.path.is_empty() {
                match self.lay_entry(rules, known, &task, entry)? {
                    Outcome::KeptOther => continue,
                    Outcome::Skipped => {}
                    Outcome::Written => {
                        let conffile = task.conffiles.contains(&entry.path);
                        known.owners.take(index, &entry.path, conffile, &rules.diversions);
                        written.push(entry);
                    }
                }
            }
            known.owners.note(index, &entry.path);
        }
        notes::note_info(&mut self.tree, package, &written)
    }

    fn lay_entry(
        &mut self,
        rules: &Rules,
        known: &mut Known,
        task: &Task<'_>,
        entry: &Entry,
    ) -> Result<Outcome, UnpackError> {
        let package = task.package;
        let path = rules.diversions.apply(&entry.path, package.name())?;
        known.watched.touch(path, &task.database_name);
        let conffile = task.conffiles.contains(&entry.path);
        // dpkg means to follow a link in the place of a conffile, but does so only where it cannot
        // (archives.c asks for `conffderef` to fail), and its configuration then finds no new file.
        let real = join(&self.tree.view.directory(parent_of(path))?, name_of(path));
        let existing = self.tree.view.look(&real)?;
        let stays = self.stays(entry, &real, existing.as_ref())?;
        // A directory that another package has, too, is shared.
        let shared = stays || existing.is_none() && matches!(entry.kind, Kind::Directory);
        if !shared
            && known.owners.judge(task.index, &entry.path, &rules.diversions)? == Verdict::KeepOther
        {
            if conffile {
                known.owners.note_obsolete(task.index, &entry.path);
            }
            return Ok(Outcome::KeptOther);
        }
        if stays || self.filter.skips(entry) {
            return Ok(Outcome::Skipped);
        }
        let Entry { uid, gid, mode, .. } = *entry;
        let stat = rules.overrides.of(&entry.path).unwrap_or(Override { uid, gid, mode });
        self.tree.drop_new(&real)?;
        if matches!(entry.kind, Kind::Directory) {
            self.tree.put_directory(entry, &real, stat)?;
            return Ok(Outcome::Written);
        }
        if existing.is_some_and(|found| found.stat.is_dir()) {
            let reason = format!("/{real} is a directory, and the package brings a file");
            return Err(UnpackError::package(package.name(), reason));
        }
        if conffile {
            self.tree.put_new(package, entry, &real, stat, task.usable)?;
        }
        if !conffile || task.usable {
            self.tree.put(package, entry, &real, stat)?;
        }
        Ok(Outcome::Written)
    }

    /// Whether what exists stays, being a directory: where the package has one, too, or a link,
    /// which does not take the place of a directory, nor of a link to the same one.
    fn stays(
        &mut self,
        entry: &Entry,
        real: &str,
        existing: Option<&Found>,
    ) -> Result<bool, UnpackError> {
        let Some(existing) = existing else { return Ok(false) };
        let is_link = existing.stat.is_symlink();
        Ok(match &entry.kind {
            Kind::File => false,
            _ if !is_link => existing.stat.is_dir(),
            Kind::Directory => self.tree.view.follow(real)?.1,
            Kind::Symlink(target) => {
                let (old, is_directory) = self.tree.view.follow(real)?;
                let new = match target.starts_with('/') {
                    true => target.clone(),
                    false => join(parent_of(real), target),
                };
                is_directory && self.tree.view.follow(&new)? == (old, true)
            }
        })
    }
}

/// The entries as dpkg takes them: symbolic links after all others (tarfn.c: `tar_extractor`).
fn in_order(package: &Package) -> impl Iterator<Item = &Entry> {
    let is_link = |entry: &&Entry| matches!(entry.kind, Kind::Symlink(_));
    let (all, links) = (package.entries().iter(), package.entries().iter());
    all.filter(move |entry| !is_link(entry)).chain(links.filter(is_link))
}

/// Links the files of packages alone, without a database, into the directory `root`, which has
/// nothing but directories, and links to some: for programs that are never configured. Where two
/// have the same path, the later one wins.
///
/// # Errors
/// As [`Layer::lay`], without conflicts.
pub fn lay_plain(root: &Path, packages: &[Package], filter: Filter) -> Result<(), UnpackError> {
    // There is no such directory, so nothing is seen in it.
    let tree = Tree::new(&root.join(".upper"), root, &[], true);
    let mut layer = Layer { tree, filter, known: None };
    layer.tree.view.note_existing("")?;
    let rules = Rules::default();
    let mut known = Known { owners: Owners::default(), watched: Watched::default() };
    for package in packages {
        // As nothing is noted in its list, nothing has an owner.
        let index = known.owners.begin(package)?;
        let (database_name, conffiles) = (package.database_name(), HashSet::new());
        let task = Task { package, database_name, index, conffiles, usable: true };
        layer.tree.begin();
        for entry in in_order(package).filter(|entry| !entry.path.is_empty()) {
            layer.lay_entry(&rules, &mut known, &task, entry)?;
        }
    }
    layer.tree.finish()
}
