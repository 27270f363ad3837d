//! MD5 sums of contents, by their fingerprints: what the check of the next build need not read.
//!
//! A fingerprint comes from the manifest of a layer, and whoever writes the file finds out whether
//! its bytes have it. The MD5 that belongs to a fingerprint never changes: it is a function of the
//! content alone. So nothing here ages; the file only has to be what was written.
//!
//! The file is a row of records, a fingerprint and an MD5 each, and then the fingerprint of them
//! all.

use std::io::{self, Write};
use std::path::Path;

use osb_check::Sums;
use osb_checksum::fingerprint;

/// Bytes of a fingerprint.
const NAME: usize = 32;
/// Bytes of a record.
const RECORD: usize = NAME + 16;

/// Reads the sums; none if there is no file, `Err` with the reason if it is damaged.
pub(crate) fn read(path: &Path) -> io::Result<Sums> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes)
            .ok_or_else(|| io::Error::other("its fingerprint is not that of its bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sums::new()),
        Err(error) => Err(error),
    }
}

/// Puts the sums in the place of those that were there.
pub(crate) fn write(path: &Path, sums: &Sums) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(sums.len() * RECORD + NAME);
    for (name, sum) in sums {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(sum);
    }
    bytes.extend_from_slice(&fingerprint(&bytes));
    let folder = path.parent().unwrap_or(path);
    // The name begins with a dot: it is no entry, and goes with a run that is killed.
    let mut file = tempfile::Builder::new().prefix(".part").tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.persist(path)?;
    Ok(())
}

/// What is wrong with the file, if anything is.
pub(super) fn damage(path: &Path) -> Option<String> {
    read(path).err().map(|error| error.to_string())
}

fn parse(bytes: &[u8]) -> Option<Sums> {
    let (records, check) = bytes.split_last_chunk::<NAME>()?;
    if fingerprint(records) != *check || records.len() % RECORD != 0 {
        return None;
    }
    let records = records.chunks_exact(RECORD);
    records
        .map(|record| {
            let (name, sum) = record.split_first_chunk::<NAME>()?;
            Some((*name, sum.try_into().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_back_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packages");
        assert!(read(&path).unwrap().is_empty());
        let sums = Sums::from([([1; 32], [2; 16]), ([3; 32], [4; 16])]);
        write(&path, &sums).unwrap();
        assert_eq!((read(&path).unwrap(), damage(&path)), (sums, None));
        let whole = std::fs::read(&path).unwrap();
        let mut other = whole.clone();
        other[40] ^= 1;
        for wrong in [&whole[..whole.len() - 1], &whole[..RECORD], &[], &other] {
            std::fs::write(&path, wrong).unwrap();
            assert!(read(&path).is_err() && damage(&path).is_some());
        }
    }
}
