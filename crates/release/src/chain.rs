//! The first link: a signature over the list of digests, or over the provenance.

use osb_sign::{Keys, Kind, SignatureError, Signer};

use crate::error::ChainError;

/// The list of digests.
pub const SUMS: &str = "SHA256SUMS";
/// The bill of materials.
pub const SBOM: &str = "sbom.cdx.json";
/// The provenance, which the list does not name: it is of one run, and the list is of all equal ones.
pub const PROVENANCE: &str = "provenance.json";

/// Who vouches for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// This signer, by a key that was named.
    By(Signer),
    /// A signature is there, and no key was named to check it.
    Unchecked(Kind),
    /// Nobody.
    Nobody,
}

/// The name of a file's signature.
pub fn signature_name(file: &str, kind: Kind) -> String {
    format!("{file}.{}", kind.extension())
}

/// Checks who has signed the file `name` of `place`, whose content is `bytes`; `read` gets the files
/// beside it, `None` for one that is not there.
///
/// # Errors
/// If keys are named, and there is no signature by one of them; if `read` fails.
pub fn signed<E: From<ChainError>>(
    place: &str,
    name: &str,
    bytes: &[u8],
    keys: Option<&Keys>,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
) -> Result<Signed, E> {
    let Some(keys) = keys else {
        for kind in Kind::ALL {
            if read(&signature_name(name, kind))?.is_some() {
                return Ok(Signed::Unchecked(kind));
            }
        }
        return Ok(Signed::Nobody);
    };
    let (place, signature) = (place.to_owned(), signature_name(name, keys.kind()));
    let Some(text) = read(&signature)? else {
        let file = name.to_owned();
        return Err(ChainError::Unsigned { place, file, signature }.into());
    };
    let text = String::from_utf8(text)
        .map_err(|_| SignatureError::Malformed("it is no text in UTF-8".to_owned()));
    let verified = text.and_then(|text| keys.verify(bytes, &text));
    let signer = match verified {
        Ok(signer) => signer,
        Err(source) => return Err(ChainError::Signature { place, signature, source }.into()),
    };
    match other_file(&signer, name) {
        Some(found) => Err(ChainError::OtherFile { place, signature, found }.into()),
        None => Ok(Signed::By(signer)),
    }
}

/// The file that minisign's comment names, if that is another.
fn other_file(signer: &Signer, name: &str) -> Option<String> {
    let mut fields = signer.comment.split('\t').filter(|_| signer.kind == Kind::Minisign);
    let file = fields.find_map(|field| field.strip_prefix("file:"))?;
    (file != name).then(|| file.chars().take(120).collect())
}
