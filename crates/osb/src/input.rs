//! Small files that a command names: keys, inventories, files for nodes.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::exit::{BAD_INPUT, Failure};
use crate::format;

/// What such a file may have at most, in bytes.
const MOST: u64 = 1 << 20;

/// A file of UTF-8 text.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    decoded(bytes(path)?, path)
}

/// The rest of an open file of UTF-8 text.
pub(crate) fn text_of(file: &fs::File, path: &Path) -> Result<String, Failure> {
    decoded(rest(file, path)?, path)
}

fn decoded(bytes: Vec<u8>, path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(BAD_INPUT, format!("{} is not UTF-8 text", path.display())))
}

/// A file of anything.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    rest(&fs::File::open(path).map_err(|error| unreadable(path, &error))?, path)
}

fn rest(file: &fs::File, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    match bytes.len() as u64 > MOST {
        true => {
            let text = format!("{} has more than {}", path.display(), format::bytes(MOST));
            Err(Failure::new(BAD_INPUT, text))
        }
        false => Ok(bytes),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(BAD_INPUT, format!("reading {}: {error}", path.display()))
}
