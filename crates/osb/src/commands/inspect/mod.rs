//! `osb inspect`: what is in an image.

mod files;
mod summary;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use osb_image::compare::Side;
use osb_image::{Image, ImageError, Limits, Options, installed};
use osb_tree::{Lost, Tree};
use serde_json::{Value, json};

use crate::cli::{Inspect, What};
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure};
use crate::output::Output;
use crate::printable::printable;

pub(crate) fn run(arguments: &Inspect, output: &Output) -> Result<(), Failure> {
    let (path, image) = open(&arguments.image)?;
    for problem in image.problems() {
        output.remark(&format!("warning: {}", printable(&problem)));
    }
    match &arguments.what {
        None => summary::tell(&path, &image, output),
        Some(What::Partitions) => summary::partitions(&image, output),
        Some(What::Packages) => packages(&tree(image, arguments.partition)?, output),
        Some(What::Ls { path }) => files::list(&tree(image, arguments.partition)?, path, output),
        Some(What::Tree { path, depth }) => {
            let depth = depth.map_or(usize::MAX, usize::from);
            files::below(&tree(image, arguments.partition)?, path, depth, output)
        }
        Some(What::Cat { paths }) => {
            let tree = tree(image, arguments.partition)?;
            paths.iter().try_for_each(|path| files::write(&tree, path, output))
        }
    }
}

/// Opens an image, or that of an output folder; with its path.
pub(super) fn open(path: &Path) -> Result<(PathBuf, Image), Failure> {
    let Some(path) = Side::at(path).image() else {
        let message = format!("{} has no image", path.display());
        return Err(Failure::new(BAD_INPUT, message).with_hint("build one, or name another folder"));
    };
    let scratch = environment::scratch_folder();
    let options = Options { scratch: &scratch, limits: Limits::default() };
    let image = osb_image::open(&path, &options).map_err(|error| unreadable(&error))?;
    Ok((path, image))
}

fn unreadable(error: &ImageError) -> Failure {
    let mut failure = Failure::from_error(BAD_INPUT, error);
    for message in &mut failure.messages {
        *message = printable(message);
    }
    failure
}

/// The tree that paths are of: a partition's, else the root with the boot partition mounted.
fn tree(image: Image, partition: Option<u32>) -> Result<Tree, Failure> {
    if let Some(number) = partition {
        let mut volumes = image.volumes.into_iter();
        let found = volumes.find(|volume| volume.partition == Some(number));
        return found.map(|volume| volume.tree).ok_or_else(|| {
            Failure::new(BAD_INPUT, format!("there is no file system in partition {number}"))
                .with_hint("see `osb inspect IMAGE partitions`")
        });
    }
    let whole = image.into_whole().map_err(|error| Failure::from_error(BAD_INPUT, &error))?;
    whole.ok_or_else(|| Failure::new(BAD_INPUT, "there is no file system that osb knows"))
}

/// Where a path of the command line leads, at its end as well if `follow` says so.
fn find(tree: &Tree, path: &OsStr, follow: bool) -> Result<Vec<u8>, Failure> {
    let bytes = path.as_bytes();
    let found = if follow { tree.resolve(bytes) } else { tree.resolve_parent(bytes) };
    found.map_err(|lost: Lost| {
        Failure::new(BAD_INPUT, format!("{}: {lost}", printable(&path.to_string_lossy())))
    })
}

fn packages(tree: &Tree, output: &Output) -> Result<(), Failure> {
    let packages = installed([tree]);
    if packages.is_empty() {
        return Err(Failure::new(FAILED, "there is no database of dpkg, or nothing in it"));
    }
    let width = packages.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    if output.is_json() {
        for (name, package) in &packages {
            let (version, arch) = (&package.version, &package.architecture);
            output.answer(&json!({"name": name, "version": version, "arch": arch}), "");
        }
        return Ok(());
    }
    let lines = packages.iter().map(|(name, package)| {
        let line = format!("{name:width$} {} {}", package.version, package.architecture);
        printable(&line) + "\n"
    });
    output.answer(&Value::Null, &lines.collect::<String>());
    Ok(())
}
