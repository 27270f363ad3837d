//! What a release of osb is made of: the program, and what goes with it; and how these are laid out
//! in an archive and in a package of Debian.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::elf::Needs;
use super::files::Files;
use super::{deb, licences};
use crate::project::Project;
use crate::steps::{capture, show};

/// The text of the package's `Description`.
const DESCRIPTION: &str = "\
from signed Debian packages to a disk that boots
 osb builds the operating-system images of small Kubernetes clusters: Raspberry
 Pi 5, and other arm64 and amd64 machines. It takes signed Debian packages, a
 recipe and a few layers, and writes a disk that boots: the same bytes for the
 same lock, without a loop device and without a root file system of the host.
 It checks images, boots them in QEMU, compares them and writes them to disks.";

/// Everything that is released, in memory.
#[derive(Debug)]
pub(crate) struct Product {
    /// `0.1.0`.
    pub(crate) version: String,
    /// What `osb --version` says.
    pub(crate) told: String,
    pub(crate) needs: Needs,
    /// The clock of all files, in seconds since 1970.
    pub(crate) epoch: i64,
    program: Vec<u8>,
    third_party: String,
    /// Manual pages, by name.
    pages: Vec<(String, Vec<u8>)>,
    completions: [Vec<u8>; 3],
    readme: Vec<u8>,
    changelog: Vec<u8>,
    licence: Vec<u8>,
}

impl Product {
    /// Takes the release build of osb, and the rest from the repository.
    pub(crate) fn gather(project: &Project) -> Result<Self> {
        let read = |name: &str| {
            let path = project.root.join(name);
            fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        let program = stripped(&project.osb, &project.work)?;
        let needs = Needs::of(&program)
            .with_context(|| format!("reading the headers of {}", project.osb.display()))?;
        let generated = "crates/osb/generated";
        let mut pages = Vec::new();
        let folder = project.root.join(generated).join("man");
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            pages.push((name.clone(), read(&format!("{generated}/man/{name}"))?));
        }
        pages.sort();
        let completion = |name: &str| read(&format!("{generated}/completions/{name}"));
        let told = capture(Command::new(&project.osb).arg("--version"))?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            told: told.trim_end().to_owned(),
            third_party: licences::list(project, needs.machine.name())?,
            needs,
            epoch: epoch(&project.root)?,
            program,
            pages,
            completions: [completion("osb.bash")?, completion("_osb")?, completion("osb.fish")?],
            readme: read("README.md")?,
            changelog: read("CHANGELOG.md")?,
            licence: read("LICENSE")?,
        })
    }

    /// `osb-0.1.0-linux-x86_64`: the archives' name, and that of the folder in them.
    pub(crate) fn name(&self) -> String {
        format!("osb-{}-linux-{}", self.version, self.needs.machine.name())
    }

    /// The folder of an archive: laid out like `/usr/local`, to be copied there or used in place.
    pub(crate) fn archive(&self) -> Result<Files> {
        let mut files = Files::new(self.epoch);
        let name = self.name();
        let mut put = |path: &str, mode: u32, bytes: &[u8]| {
            files.put(&format!("{name}/{path}"), mode, bytes.to_vec())
        };
        put("bin/osb", 0o755, &self.program)?;
        for (name, page) in &self.pages {
            put(&format!("share/man/man1/{name}"), 0o644, page)?;
        }
        let [bash, zsh, fish] = &self.completions;
        put("share/bash-completion/completions/osb", 0o644, bash)?;
        put("share/zsh/site-functions/_osb", 0o644, zsh)?;
        put("share/fish/vendor_completions.d/osb.fish", 0o644, fish)?;
        put("share/doc/osb/README.md", 0o644, &self.readme)?;
        put("share/doc/osb/CHANGELOG.md", 0o644, &self.changelog)?;
        put("share/doc/osb/LICENSE", 0o644, &self.licence)?;
        put("share/doc/osb/THIRD-PARTY.txt", 0o644, self.third_party.as_bytes())?;
        Ok(files)
    }

    /// The name of the package's file.
    pub(crate) fn deb_name(&self) -> String {
        format!("osb_{}_{}.deb", debian_version(&self.version), self.needs.machine.debian())
    }

    /// The package, by `maintainer` (`NAME <ADDRESS>`).
    pub(crate) fn deb(&self, maintainer: &str) -> Result<Vec<u8>> {
        ensure!(
            maintainer.contains(" <") && maintainer.ends_with('>') && !maintainer.contains('\n'),
            "the maintainer is {maintainer:?}, not NAME <ADDRESS>"
        );
        let mut files = Files::new(self.epoch);
        files.put("usr/bin/osb", 0o755, self.program.clone())?;
        let mut put = |path: &str, bytes: &[u8]| {
            files.put(&format!("usr/share/{path}"), 0o644, bytes.to_vec())
        };
        for (name, page) in &self.pages {
            put(&format!("man/man1/{name}.gz"), &gzip(page)?)?;
        }
        let [bash, zsh, fish] = &self.completions;
        put("bash-completion/completions/osb", bash)?;
        put("zsh/vendor-completions/_osb", zsh)?;
        put("fish/vendor_completions.d/osb.fish", fish)?;
        put("doc/osb/README.md", &self.readme)?;
        // Debian's policy, 12.7: upstream's changes, and those of the packaging.
        put("doc/osb/changelog.gz", &gzip(&self.changelog)?)?;
        put("doc/osb/changelog.Debian.gz", &gzip(self.debian_changelog(maintainer).as_bytes())?)?;
        put("doc/osb/copyright", copyright(self.epoch).as_bytes())?;
        put("doc/osb/THIRD-PARTY.txt.gz", &gzip(self.third_party.as_bytes())?)?;
        deb::write(
            &[
                ("Package", "osb"),
                ("Version", &debian_version(&self.version)),
                ("Architecture", self.needs.machine.debian()),
                ("Maintainer", maintainer),
                ("Depends", &self.needs.depends()),
                // Certificates for HTTPS; newuidmap, for users that are not root.
                ("Recommends", "ca-certificates, uidmap"),
                ("Section", "admin"),
                ("Priority", "optional"),
                ("Description", DESCRIPTION),
            ],
            &files,
        )
    }

    fn debian_changelog(&self, maintainer: &str) -> String {
        let date = osb_testrepo::release_date(self.epoch).replace(" UTC", " +0000");
        format!(
            "osb ({}) unstable; urgency=medium\n\n  * Version {}: changelog.gz tells what is new.\n\n \
             -- {maintainer}  {date}\n",
            debian_version(&self.version),
            self.version
        )
    }
}

/// `1.0.0-rc.1` comes before `1.0.0`, which Debian writes with a tilde; then the packaging's own
/// number (deb-version(7)).
fn debian_version(version: &str) -> String {
    format!("{}-1", version.replacen('-', "~", 1))
}

/// The machine-readable form: <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>.
fn copyright(epoch: i64) -> String {
    let date = osb_testrepo::release_date(epoch);
    let year = date.split(' ').nth(3).unwrap_or_default();
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: osb\n\
         Comment:\n \
          osb is linked with libraries under licences of their own.\n \
          /usr/share/doc/osb/THIRD-PARTY.txt.gz names all of them, with their texts.\n\
         \n\
         Files: *\n\
         Copyright: {year} the authors of osb\n\
         License: Apache-2.0\n\
         \n\
         License: Apache-2.0\n \
          Licensed under the Apache License, Version 2.0 (the \"License\"); you may not use\n \
          this file except in compliance with the License.\n \
          .\n \
          On Debian systems, the text of the License is in\n \
          /usr/share/common-licenses/Apache-2.0.\n"
    )
}

/// Without what is for debuggers: four fifths of the file. binutils come with every C compiler.
fn stripped(program: &Path, work: &Path) -> Result<Vec<u8>> {
    let out = work.join("osb.stripped");
    show(Command::new("strip").arg("--strip-all").arg("-o").arg(&out).arg(program))?;
    let bytes = fs::read(&out).with_context(|| out.display().to_string())?;
    fs::remove_file(&out)?;
    Ok(bytes)
}

/// Like `gzip -9n`: no name, no time.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

/// SOURCE_DATE_EPOCH, else the time of the commit.
fn epoch(root: &Path) -> Result<i64> {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|text| !text.is_empty());
    let text = match given {
        Some(text) => text,
        None => {
            let mut git = Command::new("git");
            git.arg("-C").arg(root).args(["log", "-1", "--no-show-signature", "--format=%ct"]);
            capture(&mut git).context(
                "the files of a release have the time of their commit, and Git does not tell it; \
                 set SOURCE_DATE_EPOCH",
            )?
        }
    };
    let seconds = text.trim().parse().ok().filter(|seconds| (0..1 << 33).contains(seconds));
    seconds.with_context(|| format!("{text:?} is not a number of seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_debian_sorts_them() {
        assert_eq!(debian_version("0.1.0"), "0.1.0-1");
        assert_eq!(debian_version("1.0.0-rc.1"), "1.0.0~rc.1-1");
    }

    #[test]
    fn compressed_files_have_no_name_and_no_time() {
        let bytes = gzip(b"text").unwrap();
        // RFC 1952, 2.3: no flags, so no name; no time.
        assert_eq!(bytes[3..8], [0; 5]);
    }

    #[test]
    fn the_copyright_file_is_a_list_of_paragraphs() {
        let text = copyright(1_700_000_000);
        for paragraph in text.split("\n\n") {
            for line in paragraph.lines() {
                assert!(
                    line.starts_with(' ') || line.contains(": ") || line.ends_with(':'),
                    "{line}"
                );
            }
        }
        assert!(text.contains("\nFiles: *\nCopyright: 2023 the authors"), "{text}");
    }
}
