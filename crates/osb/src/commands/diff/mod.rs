//! `osb diff`: what differs between two images, and why.

mod machine;
mod people;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use osb_image::compare::{Side, compare};
use osb_image::{Limits, Options};

use crate::cli::{Diff, Global};
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure};
use crate::output::Output;
use crate::printable::printable;

/// Lines of a section for people, unless they say how many.
const LINES: usize = 100;
/// Fewer letters than this are not taken for the beginning of a key.
const LEAST_KEY: usize = 4;

pub(crate) fn run(global: &Global, arguments: &Diff, output: &Output) -> Result<ExitCode, Failure> {
    let [a, b] = [&arguments.a, &arguments.b].map(|path| side(global, path));
    let (a, b) = (a?, b?);
    let scratch = environment::scratch_folder();
    let options = Options { scratch: &scratch, limits: Limits::default() };
    let report = compare(&a, &b, &options).map_err(|error| {
        let mut failure = Failure::from(error);
        for message in &mut failure.messages {
            *message = printable(message);
        }
        failure
    })?;
    let all = |limit: usize| if limit == 0 { usize::MAX } else { limit };
    if output.is_json() {
        let limit = arguments.limit.map_or(usize::MAX, all);
        for line in machine::lines(&report, limit) {
            output.answer(&line, "");
        }
    } else {
        let limit = arguments.limit.map_or(LINES, all);
        output.result(&serde_json::Value::Null, &people::text(&report, limit));
    }
    Ok(match report.is_equal() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

/// What is meant by one argument: a path, else the key of a layer.
fn side(global: &Global, path: &Path) -> Result<Side, Failure> {
    if path.exists() {
        return Ok(Side::at(path));
    }
    let shown = path.display();
    let found = match path.to_str() {
        Some(key) if is_key(key) => layers(global, key)?,
        _ => Vec::new(),
    };
    match found.as_slice() {
        [layer] => Ok(Side::at(layer)),
        [] => Err(Failure::new(BAD_INPUT, format!("there is no file, folder or layer {shown}"))
            .with_hint("name an output folder, an image, or the key of a layer in the cache")),
        several => Err(Failure::new(
            BAD_INPUT,
            format!("{} layers have a key that begins with {shown}", several.len()),
        )
        .with_hint("give more of the key")),
    }
}

fn is_key(text: &str) -> bool {
    text.len() >= LEAST_KEY
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// The layers of the cache whose key begins with `key`, in any version of the bucket.
fn layers(global: &Global, key: &str) -> Result<Vec<PathBuf>, Failure> {
    let cache = environment::cache_folder(global.cache_dir.as_deref())?;
    let inside = |folder: &Path| -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .collect()
    };
    let buckets = inside(&cache).into_iter().filter(|(name, _)| name.starts_with("layers-v"));
    let entries = buckets.flat_map(|(_, folder)| inside(&folder));
    let mut found: Vec<PathBuf> =
        entries.filter(|(name, _)| name.starts_with(key)).map(|(_, path)| path).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hexadecimal_digits() {
        assert!(is_key("3f2a") && is_key("3f2a91bc-0011"));
        assert!(!is_key("3f2") && !is_key("out/") && !is_key("disk.img"));
    }
}
