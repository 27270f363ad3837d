//! Files whose trees are equal and whose bytes are not.

use std::path::Path;

use osb_tree::Content;
use osb_tree::diff::{ContentDifference, first_difference};

use super::{CompareError, FileDifference, Report, Side, open_both, side};
use crate::open::{Image, Options};

/// The bytes of two image files; `same_trees` if nothing else differs, and they are to be
/// explained.
pub(super) fn images(
    paths: [&Path; 2],
    images: &[Image; 2],
    same_trees: bool,
) -> Result<Option<FileDifference>, CompareError> {
    let [a, b] = images;
    if a.form != b.form {
        return Ok(None);
    }
    let name = paths[1].file_name().unwrap_or_default().to_string_lossy().into_owned();
    if a.compressed == b.compressed {
        let Some(first) = files(paths)? else { return Ok(None) };
        if a.compressed && same_trees {
            return explain(name, first, images).map(Some);
        }
        let place = if same_trees { b.locate(first.offset) } else { String::new() };
        return Ok(Some(FileDifference { name, first: Some(first), inside: false, place }));
    }
    let (Some(one), Some(other)) = (a.bytes(), b.bytes()) else { return Ok(None) };
    let first = first_difference(&one, &other).map_err(unreadable(paths[1]))?;
    Ok(first.map(|first| {
        let place = if same_trees { b.locate(first.offset) } else { String::new() };
        FileDifference { name, first: Some(first), inside: true, place }
    }))
}

/// Compressed files: is it the content, or only the compression?
fn explain(
    name: String,
    first: ContentDifference,
    images: &[Image; 2],
) -> Result<FileDifference, CompareError> {
    let inside = match (images[0].bytes(), images[1].bytes()) {
        (Some(a), Some(b)) => first_difference(&a, &b).map_err(unreadable(Path::new(&name)))?,
        _ => None,
    };
    Ok(match inside {
        Some(first) => {
            let place = images[1].locate(first.offset);
            FileDifference { name, first: Some(first), inside: true, place }
        }
        None => FileDifference {
            name,
            first: Some(first),
            inside: false,
            place: "the content is the same: only its compression differs".to_owned(),
        },
    })
}

/// The files of two output folders.
pub(super) fn folders(
    a: &Side,
    b: &Side,
    options: &Options,
    same_trees: bool,
    report: &mut Report,
) -> Result<(), CompareError> {
    let (of_a, of_b) = (a.files(), b.files());
    for (name, path) in &of_a {
        let Some((_, other)) = of_b.iter().find(|(other, _)| other == name) else {
            report.files.push(one_sided(name, "only the first folder has it"));
            continue;
        };
        // Sums differ with what they are of.
        let is_sum = *name == "SHA256SUMS" || name.ends_with(".sha256");
        if is_sum && !report.files.is_empty() {
            continue;
        }
        let Some(first) = files([path, other])? else { continue };
        if side::IMAGES.contains(name) && same_trees {
            let opened = open_both([path, other], options)?;
            report.files.extend(images([path, other], &opened, true)?);
            continue;
        }
        let place = String::new();
        let name = (*name).to_owned();
        report.files.push(FileDifference { name, first: Some(first), inside: false, place });
    }
    for (name, _) in of_b.iter().filter(|(name, _)| !of_a.iter().any(|(other, _)| other == name)) {
        report.files.push(one_sided(name, "only the second folder has it"));
    }
    Ok(())
}

fn one_sided(name: &str, place: &str) -> FileDifference {
    let place = place.to_owned();
    FileDifference { name: name.to_owned(), first: None, inside: false, place }
}

/// The first byte in which two files differ.
fn files(paths: [&Path; 2]) -> Result<Option<ContentDifference>, CompareError> {
    let content = |path: &Path| -> Result<Content, CompareError> {
        let size = std::fs::metadata(path).map_err(unreadable(path))?.len();
        Ok(Content::File { path: path.to_owned(), size, fingerprint: None })
    };
    let (a, b) = (content(paths[0])?, content(paths[1])?);
    first_difference(&a, &b).map_err(unreadable(paths[1]))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> CompareError {
    let path = path.display().to_string();
    move |source| CompareError::Io { path: path.clone(), source }
}
