//! Laying packages: their files as hard links, their state into dpkg's database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use osb_apt::Version;
use osb_apt::relation::parse_relations;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::database::{self, Conffile};
use crate::error::UnpackError;
use crate::filter::Filter;
use crate::overrides::{Diversions, Override, StatOverrides};
use crate::store::{Entry, Kind, Package};
use crate::triggers::{self, Watched};
use crate::view::{View, parent_of};

const INFO: &str = "var/lib/dpkg/info";
const STATUS: &str = "var/lib/dpkg/status";
const TRIGGERS: &str = "var/lib/dpkg/triggers";

/// A layer in the making: `files` gets the packages' files and is to be mounted below `upper`,
/// into which go the database and whatever maintainer scripts change. Nothing of it may be mounted
/// while packages are laid.
pub struct Layer {
    upper: PathBuf,
    files: PathBuf,
    below: Vec<PathBuf>,
    filter: Filter,
    /// Directories of `files`.
    made: HashSet<String>,
    /// Who owns what was laid: path to the index in `laid`.
    owners: HashMap<String, usize>,
    laid: Vec<Laid>,
    watched: Option<Watched>,
}

/// A package that was laid.
struct Laid {
    package: Package,
    /// Its `list`: paths below the root.
    list: Vec<String>,
}

/// What is known while one wave is laid.
struct Wave {
    view: View,
    diversions: Diversions,
    overrides: StatOverrides,
    watched: Watched,
}

impl Layer {
    /// `files` and `upper` are existing directories, `below` the finished layers, topmost first.
    pub fn new(upper: &Path, files: &Path, below: &[PathBuf], filter: Filter) -> Self {
        Layer {
            upper: upper.to_owned(),
            files: files.to_owned(),
            below: below.to_vec(),
            filter,
            made: HashSet::from([String::new()]),
            owners: HashMap::new(),
            laid: Vec::new(),
            watched: None,
        }
    }

    /// Unpacks `packages`, whose preinst scripts have run. With `usable` conffiles are also laid
    /// under their own names, where otherwise only `dpkg --configure` puts them: for packages that
    /// must work before they are configured.
    ///
    /// # Errors
    /// Whatever dpkg would refuse: a path of another package that is not replaced, a damaged
    /// database; or the file system refused something.
    pub fn lay(&mut self, packages: &[Package], usable: bool) -> Result<(), UnpackError> {
        let mut view = View::new(&self.upper, &self.files, &self.below);
        let (diversions, overrides) =
            (Diversions::read(&mut view)?, StatOverrides::read(&mut view)?);
        // Only packages that were installed before are told: the others will be configured anyway.
        let watched = match self.watched.take() {
            Some(watched) => watched,
            None => {
                let file = view.read(&format!("{TRIGGERS}/File"))?.unwrap_or_default();
                Watched::parse(&file)
            }
        };
        let mut wave = Wave { view, diversions, overrides, watched };
        let first = self.laid.len();
        for package in packages {
            self.lay_one(&mut wave, package, usable)?;
        }
        self.note(&mut wave, first)?;
        self.watched = Some(wave.watched);
        Ok(())
    }

    fn lay_one(
        &mut self,
        wave: &mut Wave,
        package: &Package,
        usable: bool,
    ) -> Result<(), UnpackError> {
        let index = self.laid.len();
        self.laid.push(Laid { package: package.clone(), list: Vec::new() });
        let conffiles = database::conffiles(package)?;
        let name = package.database_name();
        let mut written = Vec::new();
        for entry in package.entries() {
            if !entry.path.is_empty() {
                wave.watched.touch(&entry.path, &name);
                match self.lay_entry(wave, index, entry, &conffiles, usable)? {
                    Outcome::KeptOther => continue,
                    Outcome::Skipped => {}
                    Outcome::Written => written.push(entry),
                }
            }
            self.laid[index].list.push(entry.path.clone());
        }
        self.note_info(wave, package, &written)
    }

    fn lay_entry(
        &mut self,
        wave: &mut Wave,
        index: usize,
        entry: &Entry,
        conffiles: &[Conffile],
        usable: bool,
    ) -> Result<Outcome, UnpackError> {
        let package = self.laid[index].package.clone();
        let path = wave.diversions.apply(&entry.path, package.name()).to_owned();
        let parent = wave.view.directory(parent_of(&path))?;
        let real = join(&parent, name_of(&path));
        let existing = wave.view.look(&real)?;
        let is_directory = existing.as_ref().is_some_and(|found| found.stat.is_dir());
        match &entry.kind {
            Kind::Directory => {
                let exists = is_directory || existing.is_some() && wave.view.follow(&real)?.1;
                if exists || self.filter.skips(entry) {
                    return Ok(Outcome::Skipped);
                }
            }
            // A link does not take the place of a directory, nor of a link to the same one.
            Kind::Symlink(_) if is_directory => return Ok(Outcome::Skipped),
            Kind::Symlink(target)
                if existing.as_ref().is_some_and(|found| found.stat.is_symlink()) =>
            {
                let (old, is_directory) = wave.view.follow(&real)?;
                let new =
                    if target.starts_with('/') { target.clone() } else { join(&parent, target) };
                if is_directory && wave.view.follow(&new)? == (old, true) {
                    return Ok(Outcome::Skipped);
                }
            }
            _ => {}
        }
        if existing.is_some() && self.give_way(wave, index, &entry.path)? {
            return Ok(Outcome::KeptOther);
        }
        if self.filter.skips(entry) {
            return Ok(Outcome::Skipped);
        }
        let chosen = wave.overrides.of(&entry.path);
        if matches!(entry.kind, Kind::Directory) {
            self.make_parents(wave, parent_of(&real))?;
            return self.make_directory(wave, &real, entry, chosen).map(|()| Outcome::Written);
        }
        if is_directory {
            let reason = format!("/{real} is a directory, and the package brings a file");
            return Err(UnpackError::package(package.name(), reason));
        }
        self.owners.insert(entry.path.clone(), index);
        let conffile = conffiles.iter().any(|c| !c.remove_on_upgrade && c.path == entry.path);
        if conffile {
            let (target, _) = wave.view.follow(&real)?;
            self.make_parents(wave, parent_of(&target))?;
            self.put(wave, &package, entry, &format!("{target}.dpkg-new"), chosen)?;
            if !usable {
                return Ok(Outcome::Written);
            }
        }
        self.make_parents(wave, parent_of(&real))?;
        self.put(wave, &package, entry, &real, chosen)?;
        Ok(Outcome::Written)
    }

    /// Links, or copies where it must differ, the file of `entry` to `real`.
    fn put(
        &mut self,
        wave: &mut Wave,
        package: &Package,
        entry: &Entry,
        real: &str,
        chosen: Option<Override>,
    ) -> Result<(), UnpackError> {
        wave.view.uncover(real)?;
        let (source, target) = (package.data(entry), self.files.join(real));
        let result = match chosen {
            Some(stat) if matches!(entry.kind, Kind::File) => copy(&source, &target, entry, stat),
            _ => match fs::hard_link(&source, &target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    fs::remove_file(&target).and_then(|()| fs::hard_link(&source, &target))
                }
                // The file system's limit of names for one file.
                Err(error) if error.kind() == ErrorKind::TooManyLinks => {
                    let Entry { uid, gid, mode, .. } = *entry;
                    copy(&source, &target, entry, Override { uid, gid, mode })
                }
                result => result,
            },
        };
        result.map_err(UnpackError::io("laying", target))
    }

    /// Whether another package's file stays at `path`; if that one's is replaced, it loses it.
    fn give_way(&mut self, wave: &mut Wave, index: usize, path: &str) -> Result<bool, UnpackError> {
        let Some((name, version, owner)) = self.owner(wave, path)? else { return Ok(false) };
        let package = &self.laid[index].package;
        if name == package.name() || wave.diversions.separates(path, &name, package.name()) {
            return Ok(false);
        }
        if replaces(package.field("Replaces"), &name, &version)? {
            self.disown(wave, path, &name, owner)?;
            return Ok(false);
        }
        let theirs = match owner {
            Some(other) => self.laid[other].package.field("Replaces").map(str::to_owned),
            None => status_field(wave, &name, "Replaces")?,
        };
        let own = package.field("Version").unwrap_or_default();
        if replaces(theirs.as_deref(), package.name(), own)? {
            return Ok(true);
        }
        let reason = format!("trying to overwrite /{path}, which is also in package {name}");
        Err(UnpackError::package(package.name(), reason))
    }

    /// Name, version and, if it is of this layer, index of the package that has `path` in its list.
    fn owner(
        &self,
        wave: &mut Wave,
        path: &str,
    ) -> Result<Option<(String, String, Option<usize>)>, UnpackError> {
        if let Some(index) = self.owners.get(path) {
            let package = &self.laid[*index].package;
            let version = package.field("Version").unwrap_or_default().to_owned();
            return Ok(Some((package.name().to_owned(), version, Some(*index))));
        }
        // Rare, so without an index: the lists of all lower layers.
        let line = format!("/{path}");
        for root in &self.below {
            let Ok(entries) = fs::read_dir(root.join(INFO)) else { continue };
            for file in entries.flatten().map(|entry| entry.path()) {
                if file.extension().is_none_or(|extension| extension != "list") {
                    continue;
                }
                let text = fs::read(&file).map_err(UnpackError::io("reading", &file))?;
                if text.split(|byte| *byte == b'\n').any(|have| have == line.as_bytes()) {
                    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                    let name = stem.split(':').next().unwrap_or_default().to_owned();
                    let version = status_field(wave, &name, "Version")?.unwrap_or_default();
                    return Ok(Some((name, version, None)));
                }
            }
        }
        Ok(None)
    }

    /// Takes `path` from the list of the package that had it.
    fn disown(
        &mut self,
        wave: &mut Wave,
        path: &str,
        name: &str,
        owner: Option<usize>,
    ) -> Result<(), UnpackError> {
        if let Some(other) = owner {
            self.laid[other].list.retain(|have| have != path);
            let laid = &self.laid[other];
            let file = format!("{INFO}/{}.list", laid.package.database_name());
            let text = database::list(laid.list.iter().map(String::as_str));
            let file = self.files.join(file);
            return fs::write(&file, text).map_err(UnpackError::io("writing", file));
        }
        let architecture = status_field(wave, name, "Architecture")?.unwrap_or_default();
        for stem in [name.to_owned(), format!("{name}:{architecture}")] {
            let file = format!("{INFO}/{stem}.list");
            if let Some(text) = wave.view.read(&file)? {
                let line = format!("/{path}");
                let kept = text.lines().filter(|have| *have != line);
                let text: String = kept.map(|line| format!("{line}\n")).collect();
                self.write_upper(wave, &file, &text)?;
            }
        }
        Ok(())
    }

    /// Makes the directory `real` of `files` where it is missing, as what it is seen to be.
    fn make_parents(&mut self, wave: &mut Wave, real: &str) -> Result<(), UnpackError> {
        if self.made.contains(real) {
            return Ok(());
        }
        self.make_parents(wave, parent_of(real))?;
        let (mode, uid, gid) = match wave.view.look_outside_files(real)? {
            Some(found) => (found.stat.mode() & 0o7777, found.stat.uid(), found.stat.gid()),
            None => (0o755, 0, 0),
        };
        self.create_directory(wave, real, mode, uid, gid)
    }

    /// Makes a directory that a package brings.
    fn make_directory(
        &mut self,
        wave: &mut Wave,
        real: &str,
        entry: &Entry,
        chosen: Option<Override>,
    ) -> Result<(), UnpackError> {
        let (mode, uid, gid) = match chosen {
            Some(stat) => (stat.mode, stat.uid, stat.gid),
            None => (entry.mode, entry.uid, entry.gid),
        };
        self.create_directory(wave, real, mode, uid, gid)?;
        // As dpkg does; what is put into it later changes it again.
        let folder = self.files.join(real);
        set_time(&folder, entry.mtime).map_err(UnpackError::io("setting the time of", folder))
    }

    fn create_directory(
        &mut self,
        wave: &mut Wave,
        real: &str,
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> Result<(), UnpackError> {
        wave.view.uncover(real)?;
        let folder = self.files.join(real);
        let made = match fs::create_dir(&folder) {
            // Made before anything was laid.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            result => result
                .and_then(|()| lchown(&folder, Some(uid), Some(gid)))
                .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(mode))),
        };
        made.map_err(UnpackError::io("making", &folder))?;
        self.made.insert(real.to_owned());
        Ok(())
    }

    /// Members of the control archive, and the list.
    fn note_info(
        &mut self,
        wave: &mut Wave,
        package: &Package,
        written: &[&Entry],
    ) -> Result<(), UnpackError> {
        self.make_parents(wave, INFO)?;
        let info = self.files.join(INFO);
        let name = package.database_name();
        let mut has_md5sums = false;
        for member in package.kept_members()? {
            has_md5sums |= member == "md5sums";
            let target = info.join(format!("{name}.{member}"));
            let Some(source) = package.member(&member) else { continue };
            fs::hard_link(source, &target).map_err(UnpackError::io("laying", target))?;
        }
        if !has_md5sums {
            let text = database::md5sums(package, written.iter().copied())?;
            let target = info.join(format!("{name}.md5sums"));
            fs::write(&target, text).map_err(UnpackError::io("writing", target))?;
        }
        let list = self.laid.last().map(|laid| laid.list.iter().map(String::as_str));
        let target = info.join(format!("{name}.list"));
        fs::write(&target, database::list(list.into_iter().flatten()))
            .map_err(UnpackError::io("writing", target))
    }

    /// Status, interests and activations of the packages from `first` on.
    fn note(&mut self, wave: &mut Wave, first: usize) -> Result<(), UnpackError> {
        let mut status = wave.view.read(STATUS)?.unwrap_or_default();
        let mut interests: BTreeMap<String, String> = BTreeMap::new();
        for Laid { package, .. } in &self.laid[first..] {
            status += &database::paragraph(package, &database::conffiles(package)?)?;
            let name = package.database_name();
            for interest in triggers::interests(package)? {
                let (file, line) = match interest.trigger.starts_with('/') {
                    true => ("File", format!("{} {}", interest.trigger, interest.line(&name))),
                    false => (interest.trigger.as_str(), interest.line(&name)),
                };
                let path = format!("{TRIGGERS}/{file}");
                if !interests.contains_key(&path) {
                    let text = wave.view.read(&path)?.unwrap_or_default();
                    interests.insert(path.clone(), text);
                }
                let text = interests.entry(path).or_default();
                if !text.lines().any(|have| have == line) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        self.write_upper(wave, STATUS, &status)?;
        for (path, text) in interests {
            self.write_upper(wave, &path, &text)?;
        }
        let unincorp = format!("{TRIGGERS}/Unincorp");
        let known = wave.view.read(&unincorp)?.unwrap_or_default();
        match wave.watched.take_activated(&known) {
            Some(text) => self.write_upper(wave, &unincorp, &text),
            None => Ok(()),
        }
    }

    /// Writes a file of the database.
    fn write_upper(&self, wave: &mut Wave, path: &str, text: &str) -> Result<(), UnpackError> {
        let mut folder = String::new();
        for part in parent_of(path).split('/') {
            folder = join(&folder, part);
            let real = self.upper.join(&folder);
            if real.is_dir() {
                continue;
            }
            let seen = wave.view.look(&folder)?.map(|found| found.stat);
            let (mode, uid, gid) =
                seen.map_or((0o755, 0, 0), |stat| (stat.mode() & 0o7777, stat.uid(), stat.gid()));
            fs::create_dir(&real)
                .and_then(|()| lchown(&real, Some(uid), Some(gid)))
                .and_then(|()| fs::set_permissions(&real, Permissions::from_mode(mode)))
                .map_err(UnpackError::io("making", &real))?;
        }
        let path = self.upper.join(path);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o644)))
            .map_err(UnpackError::io("writing", path))
    }
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

/// Lays the files of packages alone, without a database, into the empty directory `root`: for
/// programs that are never configured. Where two have the same path, the later one wins.
///
/// # Errors
/// As [`Layer::lay`], without conflicts.
pub fn lay_plain(root: &Path, packages: &[Package], filter: Filter) -> Result<(), UnpackError> {
    let nothing = root.join(".upper");
    fs::create_dir(&nothing).map_err(UnpackError::io("making", &nothing))?;
    let mut layer = Layer::new(&nothing, root, &[], filter);
    let mut wave = Wave {
        view: View::new(&nothing, root, &[]),
        diversions: Diversions::default(),
        overrides: StatOverrides::default(),
        watched: Watched::default(),
    };
    for package in packages {
        let index = layer.laid.len();
        layer.laid.push(Laid { package: package.clone(), list: Vec::new() });
        for entry in package.entries().iter().filter(|entry| !entry.path.is_empty()) {
            layer.owners.clear();
            layer.lay_entry(&mut wave, index, entry, &[], true)?;
        }
    }
    fs::remove_dir(&nothing).map_err(UnpackError::io("removing", nothing))
}

/// Whether the field `Replaces` names this version of a package.
fn replaces(field: Option<&str>, name: &str, version: &str) -> Result<bool, UnpackError> {
    let Some(field) = field else { return Ok(false) };
    let relations = parse_relations(field)
        .map_err(|error| UnpackError::package(name, format!("Replaces: {error}")))?;
    let version =
        Version::parse(version).map_err(|error| UnpackError::package(name, error.to_string()))?;
    Ok(relations.iter().flatten().any(|r| r.name == name && r.accepts(&version)))
}

/// A field of an installed package's paragraph in `status`.
fn status_field(wave: &mut Wave, name: &str, field: &str) -> Result<Option<String>, UnpackError> {
    let status = wave.view.read(STATUS)?.unwrap_or_default();
    let head = format!("Package: {name}");
    // dpkg puts the name first, this crate the status.
    let named = |text: &&str| text.lines().take(2).any(|line| line == head);
    let paragraph = status.split("\n\n").find(named);
    let value = |line: &str| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(field).then(|| value.to_owned())
    };
    Ok(paragraph.and_then(|text| text.lines().find_map(value)))
}

fn copy(source: &Path, target: &Path, entry: &Entry, stat: Override) -> io::Result<()> {
    match fs::remove_file(target) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::copy(source, target)?;
    lchown(target, Some(stat.uid), Some(stat.gid))?;
    fs::set_permissions(target, Permissions::from_mode(stat.mode))?;
    set_time(target, entry.mtime)
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
