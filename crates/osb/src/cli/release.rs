//! Commands for those who publish images and those who receive them, as data.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::Project;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb sign out --key release.key                  with a key of minisign: minisign -G -s release.key
  osb sign out --key ~/.ssh/id_ed25519            with an SSH key
  osb sign out --key release.key --password-env RELEASE_PASSWORD
                                                  where nobody is there to type it

Every file is compared with SHA256SUMS first. SHA256SUMS.minisig or SHA256SUMS.sig is written, and the
same for provenance.json. minisign -Vm and ssh-keygen -Y verify -n file can check them, too.")]
pub(crate) struct Sign {
    /// The folder that `osb build` wrote
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The secret key: a file of minisign or OpenSSH (Ed25519) that nobody else can read
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Take the key's password from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the key's password from this environment variable
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) password_env: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb verify out                                  is every file what SHA256SUMS says?
  osb verify out --key release.pub                and did this key sign SHA256SUMS?
  osb verify https://example.org/images/rpi5/ --key RWQ…
  osb verify out --key allowed_signers            any of these SSH keys
  osb verify out --rebuild                        does the lock build exactly these files?

A key that lies beside what it should vouch for shows nothing: get it from somewhere else.

Exit codes: 0 every link holds, 1 reading failed, 2 bad usage or input, 4 a link does not hold,
5 --rebuild cannot build here, 130 interrupted.")]
pub(crate) struct VerifyRelease {
    /// The folder that `osb build` wrote, here or on a server
    #[arg(value_name = "DIR|URL", default_value = "out")]
    pub(crate) place: String,
    /// Who must have signed: a public key of minisign or OpenSSH, its file, or an allowed_signers file
    #[arg(long, value_name = "KEY|FILE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) key: Option<String>,
    /// Build once more from the lock into a temporary folder, and compare
    #[arg(long)]
    pub(crate) rebuild: bool,
    #[command(flatten, next_help_heading = "With --rebuild")]
    pub(crate) project: Project,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb split out                            what is larger than 2 GiB, for servers that take no more
  osb split out --limit 500MiB
  cat sd.img.zst.part-* > sd.img.zst       how anybody puts a file together again

SHA256SUMS and its signature stay as they are: they are of the whole. `osb verify` and `osb flash` read
the parts.")]
pub(crate) struct Split {
    /// The folder that `osb build` wrote
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Most bytes of a part
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = size)]
    pub(crate) limit: u64,
}

/// `2GiB`, `500MiB`, `4096`.
fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no size; write it like 2GiB, 500MiB or 4096");
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["", "0", "GiB", "2GB", "2 GiB", "-1", "99999999999GiB", "2é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
