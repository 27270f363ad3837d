//! The four lines of a signature file.

use super::{COMMENT, HASHED, PLAIN, TRUSTED, decode, encode, take};
use crate::error::SignatureError;

/// What a signature file says.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) algorithm: [u8; 2],
    pub(super) id: [u8; 8],
    pub(super) signature: [u8; 64],
    /// What [`Signed::global`] covers, behind the signature.
    pub(super) comment: &'a str,
    pub(super) global: [u8; 64],
}

impl<'a> Signed<'a> {
    pub(super) fn read(text: &'a str) -> Result<Signed<'a>, SignatureError> {
        let bad = |problem: &str| SignatureError::Malformed(problem.to_owned());
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or_else(|| bad("it ends before its fourth line"));
        if !next()?.starts_with(COMMENT) {
            return Err(bad("its first line is no comment"));
        }
        let fields: [u8; 2 + 8 + 64] =
            decode(next()?.trim_end()).ok_or_else(|| bad("its second line is no signature"))?;
        let comment =
            next()?.strip_prefix(TRUSTED).ok_or_else(|| bad("its third line is no comment"))?;
        let global =
            decode(next()?.trim_end()).ok_or_else(|| bad("its fourth line is no signature"))?;
        let mut rest = &fields[..];
        let (algorithm, id, signature) = (take(&mut rest), take(&mut rest), take(&mut rest));
        if ![PLAIN, HASHED].contains(&algorithm) {
            return Err(bad("its algorithm is not known"));
        }
        Ok(Signed { algorithm, id, signature, comment, global })
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let fields = [&self.algorithm[..], &self.id, &self.signature].concat();
        format!(
            "{COMMENT}signature from minisign secret key\n{}\n{TRUSTED}{}\n{}\n",
            encode(&fields),
            self.comment,
            encode(&self.global)
        )
    }
}
