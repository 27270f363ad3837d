//! Which package has which path, and who gives way to whom (archives.c: `tarobject`; unpack.c:
//! `pkg_remove_files_from_others`).

use std::collections::{BTreeSet, HashMap};

use osb_apt::Version;
use osb_apt::relation::parse_relations;

use crate::database::{self, Conffile, INFO, STATUS};
use crate::error::UnpackError;
use crate::overrides::Diversions;
use crate::store::Package;
use crate::view::View;

/// The packages of a database and their lists.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    packages: Vec<Owner>,
    /// Path to indices in `packages`.
    of: HashMap<String, Vec<usize>>,
    /// Those whose lists are not written yet.
    changed: BTreeSet<usize>,
    /// Conffiles that were another package's: index, path, and the other one's index.
    inherited: Vec<(usize, String, usize)>,
    /// Conffiles that are another package's now (`conffile_mark_obsolete`): index and path.
    obsolete: Vec<(usize, String)>,
}

/// A package of the database.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) name: String,
    /// With the architecture if several may be installed at once.
    pub(crate) database_name: String,
    version: String,
    replaces: Option<String>,
    /// Paths below the root.
    pub(crate) list: Vec<String>,
    /// Whether it is of a finished layer.
    pub(crate) is_lower: bool,
}

/// What becomes of a path that others have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The package may have it.
    Free,
    /// Another package replaces this one's.
    KeepOther,
}

impl Owners {
    /// From the database of the layers below.
    pub(crate) fn read(view: &mut View) -> Result<Self, UnpackError> {
        let mut owners = Owners::default();
        let status = view.read(STATUS)?.unwrap_or_default();
        for paragraph in status.split("\n\n") {
            let field = |name: &str| database::field(paragraph, name).map(str::to_owned);
            let Some(name) = field("Package") else { continue };
            if field("Status").is_some_and(|status| status.ends_with(" not-installed")) {
                continue;
            }
            let database_name = match (field("Multi-Arch"), field("Architecture")) {
                (Some(kind), Some(architecture)) if kind == "same" => {
                    format!("{name}:{architecture}")
                }
                _ => name.clone(),
            };
            let file = format!("{INFO}/{database_name}.list");
            let text = view.read(&file)?.unwrap_or_default();
            let index = owners.packages.len();
            let (version, replaces) = (field("Version").unwrap_or_default(), field("Replaces"));
            let (list, is_lower) = (Vec::new(), true);
            owners.packages.push(Owner { name, database_name, version, replaces, list, is_lower });
            for line in text.lines() {
                // The root is written as "/.".
                let path = line.strip_prefix('/').filter(|path| *path != ".").unwrap_or_default();
                owners.note(index, path);
            }
        }
        Ok(owners)
    }

    /// A package is laid from now on; returns its index.
    pub(crate) fn begin(&mut self, package: &Package) -> Result<usize, UnpackError> {
        let database_name = package.database_name();
        if self.packages.iter().any(|known| known.database_name == database_name) {
            let reason = "dpkg's database has it already, and only fresh packages can be laid";
            return Err(UnpackError::package(package.name(), reason));
        }
        self.packages.push(Owner {
            name: package.name().to_owned(),
            database_name,
            version: package.field("Version").unwrap_or_default().to_owned(),
            replaces: package.field("Replaces").map(str::to_owned),
            list: Vec::new(),
            is_lower: false,
        });
        let index = self.packages.len() - 1;
        self.changed.insert(index);
        Ok(index)
    }

    /// The package of this index has `path`.
    pub(crate) fn note(&mut self, index: usize, path: &str) {
        self.packages[index].list.push(path.to_owned());
        match self.of.get_mut(path) {
            Some(known) => known.push(index),
            None => drop(self.of.insert(path.to_owned(), vec![index])),
        }
    }

    /// Whether the package of this index may have `path`, which need not exist: its owner may have
    /// left it out, or not put it into its place yet.
    ///
    /// # Errors
    /// Another package has it, and neither replaces the other.
    pub(crate) fn judge(
        &self,
        index: usize,
        path: &str,
        diversions: &Diversions,
    ) -> Result<Verdict, UnpackError> {
        let own = &self.packages[index];
        let mut verdict = Verdict::Free;
        for other in self.others(own, path) {
            let other = &self.packages[other];
            let by = diversions.by(path);
            if by == Some(&other.name) || by == Some(&own.name) || own.replaces(other)? {
                continue;
            }
            if !other.replaces(own)? {
                let (name, version) = (&other.name, &other.version);
                let reason = format!(
                    "trying to overwrite /{path}, which is also in package {name} ({version})"
                );
                return Err(UnpackError::package(&own.name, reason));
            }
            verdict = Verdict::KeepOther;
        }
        Ok(verdict)
    }

    /// The package of this index has laid `path`: the others have it no more.
    pub(crate) fn take(&mut self, index: usize, path: &str, conffile: bool, divs: &Diversions) {
        let by = divs.by(path);
        let own = &self.packages[index];
        if by == Some(&own.name) {
            return;
        }
        let others: Vec<usize> = self
            .others(own, path)
            .filter(|other| by != Some(&self.packages[*other].name))
            .collect();
        for other in others {
            self.packages[other].list.retain(|have| have != path);
            if let Some(known) = self.of.get_mut(path) {
                known.retain(|index| *index != other);
            }
            self.changed.insert(other);
            if conffile {
                self.obsolete.push((other, path.to_owned()));
            }
        }
    }

    /// Notes from whom the package of this index has its conffiles, before it takes them.
    pub(crate) fn inherit(&mut self, index: usize, conffiles: &[Conffile]) {
        for Conffile { path, .. } in conffiles {
            let last = self.others(&self.packages[index], path).last();
            self.inherited.extend(last.map(|other| (index, path.clone(), other)));
        }
    }

    /// The package's conffile is another one's.
    pub(crate) fn note_obsolete(&mut self, index: usize, path: &str) {
        self.obsolete.push((index, path.to_owned()));
    }

    /// Forgets whose lists changed and returns them.
    pub(crate) fn take_changed(&mut self) -> impl Iterator<Item = &Owner> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|index| &self.packages[index])
    }

    /// Forgets which conffiles became obsolete and returns them, as package and path.
    pub(crate) fn take_obsolete(&mut self) -> impl Iterator<Item = (&str, String)> {
        let obsolete = std::mem::take(&mut self.obsolete);
        obsolete.into_iter().map(|(index, path)| (self.packages[index].name.as_str(), path))
    }

    /// Forgets which conffiles were another package's and returns them, as package, path and other.
    pub(crate) fn take_inherited(&mut self) -> impl Iterator<Item = (&str, String, &str)> {
        let name = |index: usize| self.packages[index].name.as_str();
        let inherited = std::mem::take(&mut self.inherited);
        inherited.into_iter().map(move |(index, path, other)| (name(index), path, name(other)))
    }

    /// The packages with other names that have `path`: those with the same one are of another
    /// architecture, and share their files.
    fn others<'a>(&'a self, own: &'a Owner, path: &str) -> impl Iterator<Item = usize> + use<'a> {
        let known = self.of.get(path).map_or(&[][..], Vec::as_slice);
        known.iter().copied().filter(move |index| self.packages[*index].name != own.name)
    }
}

impl Owner {
    /// Whether the field `Replaces` names this version of the other package.
    fn replaces(&self, other: &Owner) -> Result<bool, UnpackError> {
        let Some(field) = &self.replaces else { return Ok(false) };
        let relations = parse_relations(field)
            .map_err(|error| UnpackError::package(&self.name, format!("Replaces: {error}")))?;
        let version = Version::parse(&other.version)
            .map_err(|error| UnpackError::package(&other.name, error.to_string()))?;
        Ok(relations.iter().flatten().any(|r| r.name == other.name && r.accepts(&version)))
    }
}
