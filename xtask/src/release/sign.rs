//! Signatures, and what a user would do with them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Arguments;
use crate::exit::{BadInput, demand};
use crate::project::Project;
use crate::steps::{Steps, capture};

/// The files of a pair of keys.
pub(crate) struct Keys {
    secret: PathBuf,
    /// Also what the notes tell.
    pub(crate) public: PathBuf,
}

impl Keys {
    /// The pair that was asked for; it has to be there.
    pub(crate) fn find(arguments: &Arguments) -> Result<Self> {
        let Some(key) = &arguments.key else {
            let text = "a release is signed: name the secret key with --key (docs/release.md says \
                        how to make one), or stop before with --only build";
            return Err(BadInput(text.to_owned()).into());
        };
        let secret = std::path::absolute(key)?;
        let public = match &arguments.public_key {
            Some(public) => std::path::absolute(public)?,
            None => {
                let mut name = secret.clone().into_os_string();
                name.push(".pub");
                PathBuf::from(name)
            }
        };
        for (what, path) in [("secret", &secret), ("public", &public)] {
            demand!(path.is_file(), "there is no {what} key {}", path.display());
        }
        Ok(Self { secret, public })
    }
}

/// Signs a folder, and verifies it with the public key alone.
pub(crate) fn folder(steps: &mut Steps, project: &Project, folder: &Path, keys: &Keys) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    steps.about(&name);
    steps.run("osb sign", || {
        let text = capture(project.osb(&["sign"]).arg(folder).arg("--key").arg(&keys.secret))?;
        Ok(((), text.lines().last().unwrap_or_default().trim().to_owned()))
    });
    steps.run("osb verify", || {
        let mut verify = project.osb(&["verify"]);
        if folder.join("metadata.json").is_file() {
            // An image, of which somebody should know how it was built.
            verify.arg("--require-provenance");
        }
        let text = capture(verify.arg(folder).arg("--key").arg(&keys.public))?;
        eprint!("{text}");
        Ok(((), text.lines().next().unwrap_or_default().trim().to_owned()))
    });
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The error for a release with these arguments.
    fn error(arguments: &[&str]) -> anyhow::Error {
        let line = ["xtask", "release", "v1.2.3"].iter().chain(arguments);
        let crate::Task::Release(arguments) = crate::Arguments::parse_from(line).task else {
            unreachable!("the task is named above");
        };
        Keys::find(&arguments).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_missing_key_is_told_before_any_work() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("osb.key");
        let name = key.to_str().unwrap();
        let told = |error: anyhow::Error, text: &str| {
            assert!(error.is::<BadInput>() && error.to_string().contains(text), "{error}");
        };
        told(error(&[]), "name the secret key with --key");
        told(error(&["--key", name]), "no secret key");
        std::fs::write(&key, "").unwrap();
        told(error(&["--key", name]), &format!("no public key {name}.pub"));
        told(error(&["--key", name, "--public-key", "/nowhere"]), "no public key /nowhere");
    }
}
