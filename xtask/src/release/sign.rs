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

/// Signs an image's folder, and verifies it with the public key alone.
pub(crate) fn image(steps: &mut Steps, project: &Project, folder: &Path, keys: &Keys) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    steps.about(&name);
    steps.run("osb sign", || {
        let text = capture(project.osb(&["sign"]).arg(folder).arg("--key").arg(&keys.secret))?;
        Ok(((), text.lines().last().unwrap_or_default().trim().to_owned()))
    });
    steps.run("osb verify", || {
        let text = capture(project.osb(&["verify"]).arg(folder).arg("--key").arg(&keys.public))?;
        eprint!("{text}");
        Ok(((), text.lines().last().unwrap_or_default().trim().to_owned()))
    });
}
