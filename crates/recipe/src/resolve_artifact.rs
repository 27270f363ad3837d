//! Artifacts of a layer: from what is written to one file for one architecture.

use serde_spanned::Spanned;

use crate::check;
use crate::error::Problem;
use crate::layer::{Artifact, Format};
use crate::raw_layer::{RawArtifact, RawDownload};
use crate::recipe::Arch;
use crate::resolve::Resolver;

/// What an archive may hold when unpacked, in bytes, unless the layer says otherwise: so many times
/// the download, but within these bounds. Small archives compress well; text compresses to a tenth.
const UNPACKED: u64 = 10;
const UNPACKED_LEAST: u64 = 64 << 20;
const UNPACKED_MOST: u64 = 2 << 30;

impl Resolver<'_> {
    /// The artifacts of a layer, for one architecture.
    pub(crate) fn artifacts(
        &self,
        raw: &[RawArtifact],
        arch: Arch,
    ) -> Result<Vec<Artifact>, Problem> {
        raw.iter().map(|artifact| self.artifact(artifact, arch)).collect()
    }

    fn artifact(&self, raw: &RawArtifact, arch: Arch) -> Result<Artifact, Problem> {
        let own = match arch {
            Arch::Arm64 => &raw.arm64,
            Arch::Amd64 => &raw.amd64,
        };
        let (url, sha256, size) = self.download(raw, own, arch)?;
        let format = *raw.format.get_ref();
        let archive = !matches!(format, Format::File | Format::Deb);
        let unpack_to = match (&raw.unpack_to, format) {
            (None, Format::Deb) => String::new(),
            (Some(path), Format::Deb) => {
                return Err(self.at(path, "a package has its own places: no `unpack-to`"));
            }
            (Some(path), _) if archive && path.get_ref() == "/" => String::new(),
            (Some(path), _) => {
                self.valid(path, check::path)?;
                path.get_ref().clone()
            }
            (None, _) => {
                return Err(self
                    .at(&raw.format, "the artifact does not say where it goes")
                    .hint("add unpack-to = \"usr/local\" (an archive), or the path of the file"));
            }
        };
        let mode = match &raw.mode {
            None => 0o755,
            Some(mode) if format != Format::File => {
                return Err(self.at(mode, "only a `file` has a `mode`; archives bring their own"));
            }
            Some(mode) => check::mode(mode.get_ref()).map_err(|message| self.at(mode, message))?,
        };
        let bounds = UNPACKED_LEAST..=UNPACKED_MOST;
        let unpacked_max = match &raw.unpacked_max {
            Some(max) => self.size(max)?,
            None => size.saturating_mul(UNPACKED).clamp(*bounds.start(), *bounds.end()),
        };
        let (strip, setuid) = (raw.strip, raw.setuid);
        if !archive && (strip > 0 || setuid || raw.unpacked_max.is_some()) {
            let message = "`strip`, `setuid` and `unpacked-max` are for archives";
            return Err(self.at(&raw.format, message));
        }
        Ok(Artifact { url, sha256, size, unpack_to, strip, format, mode, unpacked_max, setuid })
    }

    /// URL, digest and size.
    fn download(
        &self,
        raw: &RawArtifact,
        own: &RawDownload,
        arch: Arch,
    ) -> Result<(String, String, u64), Problem> {
        let arch = arch.as_str();
        let lacks = |what: &str| {
            self.at(&raw.format, format!("the artifact has no `{what}` for {arch} images"))
        };
        let Some(url) = own.url.as_ref().or(raw.url.as_ref()) else {
            return Err(lacks("url").hint(format!(
                "add url = \"https://...\", or [artifacts.{arch}] with an own one"
            )));
        };
        let text = url.get_ref().replace("{arch}", arch);
        if let Some(message) = check::url(&text) {
            return Err(self.at(url, message));
        }
        let hint = format!(
            "take it from the project's own list of digests (a .sha256sum or SHA256SUMS file beside \
             the release); to compare: curl -LO {text} && sha256sum {file} && stat -c %s {file}",
            file = text.rsplit('/').next().unwrap_or_default(),
        );
        let Some(sha256) = own.sha256.as_ref().or(raw.sha256.as_ref()) else {
            return Err(lacks("sha256").hint(hint));
        };
        let digest = digest(sha256).ok_or_else(|| {
            self.at(sha256, "not a SHA-256 digest (64 hexadecimal digits)").hint(hint.clone())
        })?;
        match own.size.or(raw.size) {
            Some(size) if size > 0 => Ok((text, digest, size)),
            _ => Err(lacks("size").hint(hint)),
        }
    }
}

/// In lower case, if it is one.
fn digest(text: &Spanned<String>) -> Option<String> {
    let text = text.get_ref().to_ascii_lowercase();
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}
