//! Doors to private parsers, for `crates/fuzz` alone (feature `fuzz`): what is not reached fast
//! enough, or not in parts, through the public functions.

use std::io::{self, Cursor, Read};

use crate::deb::{self, Control, DebFault, Entry};

/// Names, offsets and sizes of the two tar members of a package.
///
/// # Errors
/// It is no package of format 2.x.
pub fn members(package: &[u8]) -> Result<[(String, u64, u64); 2], DebFault> {
    let layout = deb::ar::read_layout(&mut Cursor::new(package))?;
    let facts = |member: deb::ar::Member| (member.name, member.span.start, member.span.size);
    Ok([facts(layout.control), facts(layout.data)])
}

/// The entries of a tar stream with their contents, after all checks that a package's must pass.
///
/// # Errors
/// It is damaged or hostile.
pub fn tar(stream: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, DebFault> {
    let mut entries = Vec::new();
    deb::walk(stream, u64::MAX, &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(DebFault::io("reading"))?;
        entries.push((entry.clone(), bytes));
        Ok(())
    })?;
    Ok(entries)
}

/// The fields of a package's `control` file.
///
/// # Errors
/// It is no control file.
pub fn control(text: &[u8]) -> Result<Control, DebFault> {
    Control::parse(text)
}

/// Decompresses what a name with this `ending` holds, no further than `limit` bytes; `None` if
/// nothing is compressed like that.
///
/// # Errors
/// The stream is damaged.
pub fn decompress(ending: &str, bytes: &[u8], limit: u64) -> Option<io::Result<Vec<u8>>> {
    let compression = deb::Compression::from_ending(ending)?;
    let read = || {
        let mut out = Vec::new();
        compression.decode(bytes)?.take(limit).read_to_end(&mut out)?;
        Ok(out)
    };
    Some(read())
}

/// The text of a cleartext-signed message, the same as it is hashed, and the armoured signatures.
///
/// # Errors
/// What is wrong with its framing.
pub fn cleartext(message: &[u8]) -> Result<(String, Vec<u8>, &str), String> {
    let parts = crate::openpgp::cleartext::split(message)?;
    Ok((parts.text, parts.hashed, parts.armor))
}

/// The fingerprints of the certificates in `material`, upper case.
///
/// # Errors
/// It holds none.
pub fn fingerprints(material: &[u8]) -> Result<Vec<String>, String> {
    use pgp::types::KeyDetails;
    let certificates = crate::openpgp::read_certificates(material)?;
    Ok(certificates.iter().map(|c| c.fingerprint().to_string().to_uppercase()).collect())
}

/// The date of a Release in seconds since 1970.
pub fn date(text: &str) -> Option<i64> {
    crate::date::parse(text)
}
