//! Keys that the user names: public ones that must have signed, a secret one that signs.
//!
//! There is no place where keys are looked for. One that came with the image would vouch for
//! whatever came with it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use osb_sign::{KeyError, Keys, SecretKey};

use crate::cli::Sign;
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure, INTERRUPTED, REFUSED};
use crate::output::{Answer, Output};

/// A key file has some hundred bytes; an `allowed_signers` file may have many.
const MOST: u64 = 1 << 20;

/// The public key that was named, itself or its file. `folder` is what it should vouch for, if that
/// lies on this machine.
pub(super) fn public(named: &str, folder: Option<&Path>, output: &Output) -> Result<Keys, Failure> {
    let path = Path::new(named);
    let text = match Keys::is_literal(named) {
        true => named.to_owned(),
        false => read(path, &mut open(path)?)?,
    };
    let keys = Keys::read(&text).map_err(|error| unusable(named, &error))?;
    let beside = |folder: &Path| {
        let real = |path: &Path| path.canonicalize().ok();
        real(path).is_some_and(|file| real(folder).is_some_and(|folder| file.starts_with(folder)))
    };
    if !Keys::is_literal(named) && folder.is_some_and(beside) {
        output.remark(&format!(
            "warning: {named} lies in the folder that it should vouch for: whoever forged the one could \
             forge the other"
        ));
    }
    Ok(keys)
}

/// The secret key, with its password if it needs one.
pub(super) fn secret(arguments: &Sign, output: &Output) -> Result<SecretKey, Failure> {
    let path = &arguments.key;
    let mut file = open(path)?;
    let text = read(path, &mut file)?;
    // Who names the public half should hear that, and not that others can read it.
    if !matches!(SecretKey::is_encrypted(&text), Err(KeyError::Public)) {
        closed(path, &file)?;
    }
    let wrong = |error: &KeyError| unusable(&path.display().to_string(), error);
    if !SecretKey::is_encrypted(&text).map_err(|error| wrong(&error))? {
        return SecretKey::read(&text, None).map_err(|error| wrong(&error));
    }
    let password = password(arguments, output)?;
    SecretKey::read(&text, Some(password.as_bytes())).map_err(|error| wrong(&error))
}

fn password(arguments: &Sign, output: &Output) -> Result<String, Failure> {
    if let Some(path) = &arguments.password_file {
        return Ok(private(path)?.lines().next().unwrap_or_default().to_owned());
    }
    if let Some(name) = &arguments.password_env {
        return environment::variable(name).ok_or_else(|| {
            Failure::new(BAD_INPUT, format!("the environment variable {name} is not set"))
        });
    }
    let path = arguments.key.display();
    match output.ask_secret(&format!("password of {path}:")) {
        Answer::Given(password) => Ok(password),
        Answer::Interrupted => Err(Failure::new(INTERRUPTED, "interrupted")),
        Answer::Nobody => {
            Err(Failure::new(BAD_INPUT, format!("{path} is encrypted, and nobody can be asked"))
                .with_hint("name its password with --password-file or --password-env"))
        }
    }
}

/// The text of a file with a secret.
fn private(path: &Path) -> Result<String, Failure> {
    let mut file = open(path)?;
    closed(path, &file)?;
    read(path, &mut file)
}

/// Wants a file that nobody but its owner can read, as ssh does.
fn closed(path: &Path, file: &File) -> Result<(), Failure> {
    let stat = file.metadata().map_err(|error| cannot("looking at", path, &error))?;
    if !stat.is_file() || stat.mode() & 0o077 == 0 {
        return Ok(());
    }
    let mode = stat.mode() & 0o7777;
    let message =
        format!("{} can be read by others (mode {mode:04o}): it is no secret", path.display());
    let hint = format!("if nobody has: chmod 600 {}", path.display());
    Err(Failure::new(REFUSED, message).with_hint(hint))
}

fn open(path: &Path) -> Result<File, Failure> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Err(Failure::new(BAD_INPUT, format!("{} is a folder, not a key", path.display())));
    }
    File::open(path).map_err(|error| cannot("opening the key", path, &error))
}

fn read(path: &Path, file: &mut File) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| cannot("reading", path, &error))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::new(BAD_INPUT, format!("{} is too large for a key", path.display())));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(BAD_INPUT, format!("{} is no text", path.display())))
}

fn cannot(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => BAD_INPUT,
        _ => FAILED,
    };
    Failure::new(code, format!("{action} {}: {error}", path.display()))
}

fn unusable(named: &str, error: &KeyError) -> Failure {
    Failure::new(BAD_INPUT, format!("{named}: {error}"))
}
