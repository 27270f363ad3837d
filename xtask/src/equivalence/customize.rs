//! The dressing and the seal once more, by other means: a shell script with one line for
//! everything that the recipe asks for, run by mmdebstrap's customize hook. Every program in it
//! is the image's own, emulated; nothing of osb's builder is used, but the text of settings files.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use glob_match::glob_match;
use osb_apt::LockedPackage;
use osb_recipe::{FileContent, Layer, LayerFile, Project, User};

use super::container::KIT;

/// `guest` runs a program of the image. `file`, `link` and `directory` lay one entry; the script's
/// own folder has the bytes.
const HEAD: &str = r#"#!/bin/sh
set -eu
root=$1
guest() { chroot "$root" "$@"; }
file() { # number mode uid gid path
    guest mkdir -p "$(dirname "$5")"
    cp "$files/$1" "$root/.referee"
    guest install -m "$2" -o "$3" -g "$4" /.referee "$5"
    rm "$root/.referee"
}
link() { # target path
    guest mkdir -p "$(dirname "$2")"
    guest ln -sfn "$1" "$2"
}
directory() { # mode uid gid path
    guest install -d -m "$1" -o "$2" -g "$3" "$4"
}
script() { # number
    cp "$files/$1" "$root/.referee"
    chmod 755 "$root/.referee"
    guest env -C / /.referee
    rm "$root/.referee"
}
"#;

/// Ends the script: apt's list of sources is the recipe's, not this run's; the trim rules lie
/// where osb says that they lie.
const TAIL: &str = r#"rm "$root/etc/apt/sources.list"
if [ -e "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" ]; then
    mv "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/osb-trim"
fi
guest update-initramfs -c -k "$(ls "$root/usr/lib/modules")"
"#;

/// Writes the script `kit/customize` and the folder `kit/files`.
pub(crate) fn write(kit: &Path, project: &Project, packages: &[LockedPackage]) -> Result<()> {
    let mut script = Script { text: HEAD.to_owned(), files: Vec::new() };
    writeln!(script.text, "files={KIT}/files")?;
    for layer in &project.layers {
        script.layer(layer, packages)?;
    }
    for (path, mode, bytes) in osb_builder::settings_files(&project.recipe) {
        script.file(&path, mode, (0, 0), bytes)?;
    }
    script.text += TAIL;
    let folder = kit.join("files");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (number, bytes) in script.files.iter().enumerate() {
        fs::write(folder.join(number.to_string()), bytes)?;
    }
    let path = kit.join("customize");
    fs::write(&path, script.text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

struct Script {
    text: String,
    files: Vec<Vec<u8>>,
}

impl Script {
    fn layer(&mut self, layer: &Layer, packages: &[LockedPackage]) -> Result<()> {
        let name = &layer.name;
        ensure!(layer.artifacts.is_empty(), "layer {name}: the referee knows no artifacts");
        self.list("guest dpkg --force-remove-essential --purge", &layer.remove_packages)?;
        for group in &layer.groups {
            writeln!(self.text, "guest groupadd -r {}", quote(group))?;
        }
        for user in &layer.users {
            self.user(user)?;
        }
        let files: Vec<LayerFile> =
            layer.files.iter().cloned().chain(layer.generated_files()).collect();
        // Directories first: their modes must not depend on who came along before.
        for file in &files {
            if matches!(file.content, FileContent::Directory) {
                let (mode, uid, gid) = (file.mode, file.uid, file.gid);
                let path = quote(&format!("/{}", file.path));
                writeln!(self.text, "directory {mode:04o} {uid} {gid} {path}")?;
            }
        }
        for file in &files {
            match &file.content {
                FileContent::Bytes(bytes) => {
                    self.file(&file.path, file.mode, (file.uid, file.gid), bytes.clone())?;
                }
                FileContent::Symlink(target) => {
                    let (target, path) = (quote(target), quote(&format!("/{}", file.path)));
                    writeln!(self.text, "link {target} {path}")?;
                }
                FileContent::Directory => {}
            }
        }
        for (verb, units) in [
            ("mask", &layer.units.mask),
            ("disable", &layer.units.disable),
            ("enable", &layer.units.enable),
        ] {
            self.list(&format!("guest systemctl {verb}"), units)?;
        }
        let held = |package: &&LockedPackage| {
            layer.hold.iter().any(|pattern| glob_match(pattern, &package.name))
        };
        for package in packages.iter().filter(held) {
            let line = quote(&format!("{} hold", package.name));
            writeln!(self.text, "echo {line} | guest dpkg --set-selections")?;
        }
        for script in &layer.scripts {
            let number = self.put(script.body.clone());
            writeln!(self.text, "script {number}")?;
        }
        Ok(())
    }

    fn user(&mut self, user: &User) -> Result<()> {
        let kind = if user.system { "-r -M" } else { "-m -U" };
        let groups = match user.groups.as_slice() {
            [] => String::new(),
            groups => format!(" -G {}", quote(&groups.join(","))),
        };
        let words = [&user.home, &user.shell, &user.comment, &user.name].map(|word| quote(word));
        let [home, shell, comment, name] = words;
        writeln!(
            self.text,
            "guest useradd {kind} -d {home} -s {shell} -c {comment}{groups} {name}"
        )?;
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, owner: (u32, u32), bytes: Vec<u8>) -> Result<()> {
        let (uid, gid) = owner;
        let number = self.put(bytes);
        let path = quote(&format!("/{path}"));
        writeln!(self.text, "file {number} {mode:04o} {uid} {gid} {path}")?;
        Ok(())
    }

    /// One command with all of `words`, unless there are none.
    fn list(&mut self, command: &str, words: &[String]) -> Result<()> {
        if !words.is_empty() {
            let words = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            writeln!(self.text, "{command} {words}")?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: Vec<u8>) -> usize {
        self.files.push(bytes);
        self.files.len() - 1
    }
}

/// A word of the shell's.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted() {
        assert_eq!(quote("a b$c"), "'a b$c'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
