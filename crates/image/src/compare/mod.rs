//! What differs between two images, from the top: what was built, packages, partitions, paths,
//! bytes.
//!
//! The two may have different forms: the trees are compared as far as both can express them, and
//! [`Report::notes`] say what was left out.

mod bytes;
mod metadata;
mod side;
mod trees;

use std::path::Path;

use osb_tree::diff::{ContentDifference, DiffError, Difference};

use crate::error::ImageError;
use crate::open::{Form, Image, Options};
use crate::table::Table;

pub use side::Side;

/// Why two images could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of an output folder cannot be read.
    #[error("reading {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What was said.
        source: std::io::Error,
    },
    /// A metadata.json is none.
    #[error("{path}: {source}")]
    Metadata {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: osb_metadata::MetadataError,
    },
    /// There is nothing to compare with the other side.
    #[error("{path} has no image to compare: build one, or name another folder")]
    Nothing {
        /// The output folder.
        path: String,
    },
    /// A content cannot be read.
    #[error(transparent)]
    Diff(#[from] DiffError),
}

/// A value that differs; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is a value of.
    pub subject: String,
    /// How it was.
    pub a: Option<String>,
    /// How it is.
    pub b: Option<String>,
}

impl Fact {
    /// `None` if both are the same.
    fn of<T: PartialEq + ToString>(subject: &str, a: Option<T>, b: Option<T>) -> Option<Fact> {
        (a != b).then(|| Fact {
            subject: subject.to_owned(),
            a: a.map(|value| value.to_string()),
            b: b.map(|value| value.to_string()),
        })
    }
}

/// Paths of one package in one volume.
#[derive(Debug)]
pub struct Group {
    /// The volume's name: `root`, `boot`, `partition 2`.
    pub volume: String,
    /// The package that the paths belong to.
    pub package: Option<String>,
    /// What differs, in order of the paths.
    pub differences: Vec<Difference>,
}

/// A file whose bytes differ.
#[derive(Debug)]
pub struct FileDifference {
    /// Its name.
    pub name: String,
    /// The first byte that differs, of what the file holds after decompression if `inside`;
    /// `None` if only one side has the file.
    pub first: Option<ContentDifference>,
    /// Whether that is a byte of the decompressed content.
    pub inside: bool,
    /// What lies there, or another explanation.
    pub place: String,
}

/// Everything that differs.
#[derive(Debug, Default)]
pub struct Report {
    /// Name, version, clock, sources and layers.
    pub build: Vec<Fact>,
    /// Packages: their versions.
    pub packages: Vec<Fact>,
    /// The partition table and the file systems' identifiers.
    pub partitions: Vec<Fact>,
    /// Paths, by volume and package.
    pub paths: Vec<Group>,
    /// Files whose bytes differ.
    pub files: Vec<FileDifference>,
    /// What was compared how, what was left out, and what else is noteworthy.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.build.is_empty()
            && self.packages.is_empty()
            && self.partitions.is_empty()
            && self.paths.is_empty()
            && self.files.is_empty()
    }
}

/// Compares two sides.
///
/// # Errors
/// If one cannot be read, or one has no image, and not both have a description.
pub fn compare(a: &Side, b: &Side, options: &Options) -> Result<Report, CompareError> {
    let mut report = Report::default();
    let documents = [a.metadata()?, b.metadata()?];
    if let [Some(a), Some(b)] = &documents {
        report.build = metadata::build(a, b);
        report.packages = metadata::packages(a, b);
    }
    let described = documents.iter().all(Option::is_some);
    let chosen = side::choose(a, b);
    if let [Some(path_a), Some(path_b)] = &chosen {
        let images = open_both([path_a, path_b], options)?;
        compare_images(&images, !described, &mut report)?;
        if !(a.is_output() && b.is_output()) && path_a.is_file() && path_b.is_file() {
            let same_trees = report.paths.is_empty();
            report.files.extend(bytes::images([path_a, path_b], &images, same_trees)?);
        }
    } else if described {
        let note = "there is no image on one side: only descriptions are compared";
        report.notes.push(note.to_owned());
    } else {
        let empty = if chosen[0].is_none() { a } else { b };
        return Err(CompareError::Nothing { path: empty.path().display().to_string() });
    }
    if a.is_output() && b.is_output() {
        let same_trees = report.paths.is_empty();
        bytes::folders(a, b, options, same_trees, &mut report)?;
    }
    Ok(report)
}

/// Compares what two images hold; of their packages only if `packages` wants it.
pub(crate) fn compare_images(
    images: &[Image; 2],
    packages: bool,
    report: &mut Report,
) -> Result<(), CompareError> {
    if packages {
        report.packages = trees::packages(images);
    }
    report.partitions = partitions(images);
    trees::compare(images, report)
}

/// Opens both sides at once: to decompress one takes seconds.
fn open_both(paths: [&Path; 2], options: &Options) -> Result<[Image; 2], ImageError> {
    let [a, b] = paths;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| crate::open(b, options));
        let first = crate::open(a, options)?;
        let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok([first, other])
    })
}

/// What differs in the partition tables and in what identifies the file systems.
fn partitions(images: &[Image; 2]) -> Vec<Fact> {
    let [a, b] = images;
    let mut found: Vec<Fact> = Vec::new();
    if let (Some(a), Some(b)) = (&a.table, &b.table) {
        tables(a, b, &mut found);
    }
    if (a.form, b.form) == (Form::Disk, Form::Disk)
        || (a.form, b.form) == (Form::FileSystem, Form::FileSystem)
    {
        let mut numbers: Vec<_> =
            images.iter().flat_map(|image| &image.volumes).map(|v| v.partition).collect();
        numbers.sort();
        numbers.dedup();
        for number in numbers {
            let [a, b] = [a, b].map(|image| image.volumes.iter().find(|v| v.partition == number));
            let name = number.map_or_else(String::new, |number| format!("partition {number}: "));
            let mut fact = |what: &str, text: fn(&crate::Volume) -> String| {
                found.extend(Fact::of(&format!("{name}{what}"), a.map(text), b.map(text)));
            };
            fact("file system", |volume| volume.system.name().to_owned());
            fact("UUID", |volume| volume.uuid.clone());
            fact("label", |volume| volume.label.clone());
        }
    }
    found
}

fn tables(a: &Table, b: &Table, found: &mut Vec<Fact>) {
    let kind = |table: &Table| format!("{:?}", table.kind).to_uppercase();
    found.extend(Fact::of("partition table", Some(kind(a)), Some(kind(b))));
    found.extend(Fact::of("disk identifier", Some(&a.id), Some(&b.id)));
    found.extend(Fact::of("sector size", Some(a.sector_size), Some(b.sector_size)));
    let mut numbers: Vec<u32> =
        a.partitions.iter().chain(&b.partitions).map(|partition| partition.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let find =
            |table: &'_ Table| table.partitions.iter().find(|each| each.number == number).cloned();
        let (a, b) = (find(a), find(b));
        let mut fact = |what: &str, text: fn(&crate::Partition) -> String| {
            let subject = format!("partition {number}: {what}");
            found.extend(Fact::of(&subject, a.as_ref().map(text), b.as_ref().map(text)));
        };
        fact("name", |each| each.name.clone());
        fact("type", |each| each.kind.clone());
        fact("identifier", |each| each.id.clone());
        fact("sectors", |each| format!("{}-{}", each.first_lba, each.last_lba));
        fact("flags", |each| format!("{:#x}", each.flags));
    }
}
