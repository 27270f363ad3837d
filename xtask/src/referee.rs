//! osb's resolver against apt's: for the same repositories and packages, the chosen sets must be
//! equal, name by name and version by version.
//!
//! apt comes from the tool set `test` and runs in a copy of that tree, with an empty dpkg status:
//! it only has to say what it would install.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use osb_apt::{Lock, Mirrors};
use osb_boot::Tools;
use osb_recipe::{KeyMaterial, LoadOptions, Location, MirrorKind, Recipe, Source};

use crate::project::Project;
use crate::steps::{Steps, capture, show};
use crate::test::clear;

/// Package sets of different character. apt's `?essential` is added on its side, which is what osb
/// seeds a base layer with, and apt itself.
const SETS: [(&str, &[&str]); 3] = [
    (
        "node",
        &[
            "apt",
            "init",
            "openssh-server",
            "systemd-resolved",
            "initramfs-tools",
            "zstd",
            "linux-image-arm64",
            "containerd",
            "containernetworking-plugins",
            "iptables",
        ],
    ),
    // Dependencies on virtual packages and alternatives.
    (
        "virtual packages",
        &["apt", "bsd-mailx", "default-jre-headless", "php-cli", "postgresql-client"],
    ),
    ("tools", &["apt", "git", "cloud-init", "qemu-system-arm", "qemu-efi-aarch64"]),
];

/// Name to version.
type Choice = BTreeMap<String, String>;

/// Compares every set.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools) {
    let apt = steps.run("apt with the same sources", || {
        let apt = Apt::prepare(project, tools)?;
        Ok((apt, "indices are there".to_owned()))
    });
    let Some(apt) = apt else { return };
    for (name, packages) in SETS {
        steps.run(&format!("apt agrees: {name}"), || {
            let ours = choose(project, packages)?;
            let theirs = apt.choose(packages)?;
            let differences = compare(&ours, &theirs);
            ensure!(differences.is_empty(), "osb and apt differ:\n{differences}");
            Ok(((), format!("{} packages", ours.len())))
        });
    }
}

/// What osb locks for `packages`.
fn choose(project: &Project, packages: &[&str]) -> Result<Choice> {
    let folder = project.work.join("referee/project");
    clear(&folder)?;
    fs::create_dir_all(folder.join("layers/set"))?;
    let recipe = fs::read_to_string(project.root.join("osb.toml"))?;
    let lines: Vec<_> = recipe
        .lines()
        .map(|line| if line.starts_with("layers = ") { "layers = [\"set\"]" } else { line })
        .collect();
    fs::write(folder.join("osb.toml"), lines.join("\n") + "\n")?;
    let list: Vec<_> = packages.iter().map(|name| format!("{name:?}")).collect();
    fs::write(
        folder.join("layers/set/layer.toml"),
        format!(
            "description = \"A set for the referee.\"\n[packages]\ninstall = [{}]\n",
            list.join(", ")
        ),
    )?;
    show(project.osb(&["lock", "--quiet", "--recipe"]).arg(folder.join("osb.toml")))?;
    let lock = Lock::read(&folder.join("osb.lock"))?;
    Ok(lock.packages.into_iter().map(|package| (package.name, package.version)).collect())
}

/// Lines for everything that only one side chose, or in another version.
fn compare(ours: &Choice, theirs: &Choice) -> String {
    let mut text = String::new();
    for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
        let (a, b) = (ours.get(name), theirs.get(name));
        if a != b {
            let show = |version: Option<&String>| version.map_or("-".to_owned(), Clone::clone);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name}: osb {}, apt {}", show(a), show(b));
        }
    }
    text
}

/// apt in a root of its own.
struct Apt {
    root: PathBuf,
}

impl Apt {
    /// Copies the tools tree, writes apt's configuration and fetches the indices.
    fn prepare(project: &Project, tools: &Tools) -> Result<Self> {
        let root = project.work.join("referee/root");
        clear(&root)?;
        fs::create_dir_all(project.work.join("referee"))?;
        show(Command::new("cp").arg("-a").arg(tools.root()).arg(&root))?;
        for name in ["bin", "sbin", "lib", "lib64"] {
            if root.join(name).symlink_metadata().is_err() {
                symlink(format!("usr/{name}"), root.join(name))?;
            }
        }
        for folder in ["keys", "tmp", "referee/lists/partial", "referee/cache/archives/partial"] {
            fs::create_dir_all(root.join(folder))?;
        }
        for name in ["resolv.conf", "hosts", "nsswitch.conf"] {
            let from = Path::new("/etc").join(name);
            if from.exists() {
                fs::copy(from, root.join("etc").join(name))?;
            }
        }
        let recipe = osb_recipe::load(&LoadOptions {
            recipe: Some(project.root.join("osb.toml")),
            directory: project.root.clone(),
            ..LoadOptions::default()
        })?
        .recipe;
        fs::write(root.join("referee/status"), "")?;
        fs::write(root.join("referee/apt.conf"), configuration(recipe.image.arch.as_str()))?;
        fs::write(root.join("referee/preferences"), preferences(&recipe))?;
        let mirror = std::env::var("OSB_MIRROR").ok();
        let sources = sources(&recipe, &Mirrors::discover(mirror.as_deref()), &root)?;
        fs::write(root.join("referee/osb.sources"), sources)?;
        let apt = Self { root };
        capture(&mut apt.command(&["update", "-q"]))?;
        Ok(apt)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg("/usr/bin/apt-get").args(arguments);
        command.env("APT_CONFIG", "/referee/apt.conf").env("LC_ALL", "C");
        command.env("PATH", "/usr/sbin:/usr/bin");
        command
    }

    /// What apt would install into an empty system.
    fn choose(&self, packages: &[&str]) -> Result<Choice> {
        let mut command = self.command(&["--simulate", "install", "?essential"]);
        let text = capture(command.args(packages))?;
        let choice = parse(&text)?;
        ensure!(!choice.is_empty(), "apt chose nothing:\n{text}");
        Ok(choice)
    }
}

/// `Inst name (version suite [arch]) …` → name and version.
fn parse(text: &str) -> Result<Choice> {
    let mut choice = Choice::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("Inst ") else { continue };
        let (name, rest) = rest.split_once(' ').with_context(|| line.to_owned())?;
        let (_, rest) = rest.split_once('(').with_context(|| line.to_owned())?;
        let (version, _) = rest.split_once(' ').with_context(|| line.to_owned())?;
        // `name:arch` for a foreign architecture, which apt itself is on.
        let name = name.split(':').next().unwrap_or(name);
        choice.insert(name.to_owned(), version.to_owned());
    }
    Ok(choice)
}

fn configuration(architecture: &str) -> String {
    format!(
        "APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\n\
         APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Dir::State::lists \"/referee/lists\";\nDir::State::status \"/referee/status\";\n\
         Dir::Cache \"/referee/cache\";\nDir::Etc::sourcelist \"/referee/osb.sources\";\n\
         Dir::Etc::sourceparts \"-\";\nDir::Etc::preferences \"/referee/preferences\";\n\
         Dir::Etc::preferencesparts \"-\";\n"
    )
}

/// The recipe's priorities in apt's words.
fn preferences(recipe: &Recipe) -> String {
    let mut text = String::new();
    for source in &recipe.sources {
        let mut stanza = |packages: &str, priority: i32| {
            let _ = writeln!(
                text,
                "Package: {packages}\nPin: release n={}\nPin-Priority: {priority}\n",
                source.suite
            );
        };
        if !source.pin.is_empty() {
            stanza(&source.pin.join(" "), source.pin_priority);
        }
        stanza("*", source.priority);
    }
    text
}

/// The recipe's sources in deb822 form, with the keys as files below `root`.
fn sources(recipe: &Recipe, mirrors: &Mirrors, root: &Path) -> Result<String> {
    let mut text = String::new();
    for source in &recipe.sources {
        let url = match &source.location {
            Location::Mirror(MirrorKind::Debian) => &mirrors.debian,
            Location::Mirror(MirrorKind::DebianSecurity) => &mirrors.security,
            Location::Url(url) => url,
        };
        let keyring = keyring(source, root)?;
        let _ = write!(
            text,
            "Types: deb\nURIs: {url}\nSuites: {}\nComponents: {}\nSigned-By: {keyring}\n\n",
            source.suite,
            source.components.join(" ")
        );
    }
    Ok(text)
}

/// Writes a source's certificates to one file; its path inside the root.
fn keyring(source: &Source, root: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    for key in &source.keys {
        match &key.material {
            KeyMaterial::Builtin(material) => bytes.extend_from_slice(material),
            KeyMaterial::File(material) => bytes.extend_from_slice(material),
            KeyMaterial::Url(url) => bail!("the key of {} is at {url}", source.name),
        }
    }
    let armoured = bytes.starts_with(b"-----BEGIN");
    let path = format!("/keys/{}.{}", source.name, if armoured { "asc" } else { "gpg" });
    fs::write(root.join(&path[1..]), bytes)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_simulation_is_read() {
        let text = "Reading package lists...\n\
            Inst libc6 (2.41-12 Debian:13.1/stable [arm64]) [gcc-14-base:arm64 ]\n\
            Inst bash [5.0] (5.2-1+b1 Debian:13.1/stable [arm64])\nConf libc6 (2.41-12 x)\n";
        let choice = parse(text).unwrap();
        assert_eq!(choice.len(), 2);
        assert_eq!(choice["bash"], "5.2-1+b1");
    }

    #[test]
    fn differences_name_both_sides() {
        let set = |pairs: &[(&str, &str)]| -> Choice {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let text = compare(&set(&[("a", "1"), ("b", "1")]), &set(&[("b", "2"), ("c", "1")]));
        assert_eq!(text, "  a: osb 1, apt -\n  b: osb 1, apt 2\n  c: osb -, apt 1\n");
    }
}
