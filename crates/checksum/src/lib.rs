//! Streaming SHA-256, SHA256SUMS files, verification.
//!
//! SHA-256 is the only digest that leaves osb; [`Fingerprint`] is for its cache. Whoever reads or writes a stream anyway puts a
//! [`Sha256Reader`] or [`Sha256Writer`] around it, so nothing is read twice just to be hashed.
//!
//! ```
//! use std::io::Write;
//! let mut out = osb_checksum::Sha256Writer::new(Vec::new());
//! out.write_all(b"abc").unwrap();
//! let (bytes, digest, len) = out.finish();
//! assert_eq!((bytes.as_slice(), len), (&b"abc"[..], 3));
//! assert!(osb_checksum::to_hex(&digest).starts_with("ba7816bf"));
//! ```

mod digest;
mod fingerprint;
mod stream;
mod sums;
mod verify;

pub use digest::{Digest, HexError, parse_hex, sha256, sha256_file, to_hex};
pub use fingerprint::{Fingerprint, fingerprint, fingerprint_file};
pub use stream::{Sha256Reader, Sha256Writer};
pub use sums::{Sums, SumsError};
pub use verify::{Problem, VerifyError};
