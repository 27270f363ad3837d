//! The seek table behind zstd frames.
//!
//! It tells the compressed and the plain size of each frame, so that a reader knows where each
//! begins and how large the whole is, and can take them apart side by side. It lies in a skippable
//! frame, which decoders that do not know it pass over (RFC 8878, section 3.1.2). The format is
//! "Zstandard Seekable Format" 0.1.0, in zstd's `contrib/seekable_format`.

use std::io;

/// `Skippable_Magic_Number`.
const SKIPPABLE: u32 = 0x184D_2A5E;
/// `Seekable_Magic_Number`, the last bytes of a file that has a table.
const SEEKABLE: u32 = 0x8F92_EAB1;
/// `Seek_Table_Descriptor`: the entries have no checksums, the frames have.
const DESCRIPTOR: u8 = 0;
/// Bytes of an entry, and of the footer.
const ENTRY: usize = 8;
const FOOTER: usize = 9;

/// The table for frames of these compressed and plain sizes.
///
/// # Errors
/// If a size, or the table's own, has no room in 32 bits.
pub(crate) fn table(sizes: &[(u64, u64)]) -> io::Result<Vec<u8>> {
    let number = |value: u64| {
        u32::try_from(value).map_err(|_| {
            io::Error::new(io::ErrorKind::FileTooLarge, "too large for a seek table of zstd")
        })
    };
    let length = sizes.len() * ENTRY + FOOTER;
    let mut table = Vec::with_capacity(8 + length);
    table.extend(SKIPPABLE.to_le_bytes());
    table.extend(number(length as u64)?.to_le_bytes());
    for (compressed, plain) in sizes {
        table.extend(number(*compressed)?.to_le_bytes());
        table.extend(number(*plain)?.to_le_bytes());
    }
    table.extend(number(sizes.len() as u64)?.to_le_bytes());
    table.push(DESCRIPTOR);
    table.extend(SEEKABLE.to_le_bytes());
    Ok(table)
}
