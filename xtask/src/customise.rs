//! A disk that was told its node's name, keys and files, booted twice.
//!
//! `osb/node.toml` is put on the boot partition of a copy of `disk.img`, as `osb flash` does it. The
//! first boot must come up with the name, say it in its first DHCP request, let the key in and have
//! the files; the second one finds everything as it shall be. Then the file is broken by hand, as by
//! somebody with an editor: the node starts all the same and says so in one line.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use osb_node::{Node, PATH};
use sha2::Digest;

use crate::dhcp::first_name;
use crate::guest::{Access, Guest, Told};
use crate::medium::Medium;
use crate::project::{Image, Project};
use crate::steps::{Steps, capture};
use crate::test::{release, test_tools};

/// The name that the node gets.
const NAME: &str = "shelf-2-node-7";
/// A file that it gets, and its mode there.
const PLACE: &str = "/etc/osb/told by flash";
const BYTES: &[u8] = b"\0told\xFF\n";
const MODE: &str = "0640";
/// How a line of the unit begins.
const SAYS: &str = "osb-node: ";

/// Runs all of it on the artifacts in `folder`.
pub(crate) fn run(name: &str, folder: &Path) -> Result<Steps> {
    let project = Project::find()?;
    let image = project.image(name, folder)?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    if let Some(tools) = test_tools(&mut steps, &project, &image.recipe) {
        check(&mut steps, &project, &tools, &image);
    }
    Ok(steps)
}

/// The two boots, and the third with a broken file.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    let disk = project.work.join(format!("told-{}.img", image.name));
    let made = steps
        .run("osb/node.toml on the boot partition", || Site::new(project, tools, image, &disk));
    let Some(site) = made else { return };
    steps.run("the first boot with a node.toml", || Ok(((), site.first()?)));
    steps.run("the second boot with it", || Ok(((), site.second()?)));
    steps.run("a boot with a broken node.toml", || Ok(((), site.broken()?)));
    // A disk that failed is kept, to look at.
    if steps.all_passed() {
        let _ = fs::remove_file(&disk);
    }
}

/// A disk with a node.toml, and the key that it lets in.
struct Site<'a> {
    project: &'a Project,
    tools: &'a Tools,
    image: &'a Image,
    disk: Medium,
    access: Rc<Access>,
    packets: PathBuf,
}

impl<'a> Site<'a> {
    /// Copies the image and writes the file.
    fn new(
        project: &'a Project,
        tools: &'a Tools,
        image: &'a Image,
        disk: &Path,
    ) -> Result<(Site<'a>, String)> {
        let disk = Medium::copy(tools, image, disk)?;
        let access = Rc::new(Access::new(tools)?);
        let node = Node::from_options(osb_node::Options {
            hostname: Some(NAME.to_owned()),
            ssh_keys: vec![access.public.clone()],
            settings: vec!["bootstrap.source.ref=refs/tags/v1.2".to_owned()],
            files: vec![osb_node::File::new(PLACE, MODE, BYTES)],
            member: None,
        })?;
        let packets = project.work.join(format!("packets-{}.pcap", image.name));
        let site = Site { project, tools, image, disk, access, packets };
        let text = node.to_toml()?;
        let free = site.disk.edit(|editor| {
            editor.write(PATH, text.as_bytes())?;
            Ok(editor.free()?)
        })?;
        // As another program reads it.
        let volume = site.disk.volume();
        let seen = capture(tools.command("mtype")?.args(["-i", &volume, &format!("::{PATH}")]))?;
        ensure!(seen == text, "mtype reads something else:\n{seen}");
        let text = format!("{} bytes; {} MiB stay free", text.len(), free >> 20);
        Ok((site, text))
    }

    /// Boots until the system runs, with a login by the key that the disk was told.
    fn boot(&self, state: &str) -> Result<(Guest<'a>, String)> {
        let Site { project, tools, image, disk, access, packets, .. } = self;
        let log = project.work.join(format!("console-told-{}.log", image.name));
        let told = Told { disk: disk.path(), packets, log: &log, options: &[] };
        let mut guest = Guest::told(project, tools, image, access, &told)?;
        let login = guest.wait_for_login()?;
        let found = guest.ssh("systemctl is-system-running --wait || true")?;
        if found.trim() != state {
            let failed = guest.ssh("systemctl --failed --no-legend --plain --no-pager")?;
            bail!("the system is {}: {failed}", found.trim());
        }
        Ok((guest, format!("login with the key after {:.1} s", login.as_secs_f64())))
    }

    fn stop(&self, mut guest: Guest<'_>) -> Result<()> {
        // The connection ends before the command does.
        let _ = guest.ssh("sudo systemctl poweroff");
        guest.wait_for_end().map(drop)
    }

    /// What the unit said, of this boot.
    fn said(guest: &Guest<'_>) -> Result<String> {
        guest.ssh("journalctl -b -u osb-node --output=cat --no-pager | grep '^osb-node: ' || true")
    }

    /// Name and files are what the disk was told.
    fn told(guest: &Guest<'_>) -> Result<()> {
        let names = "hostname; cat /etc/hostname; hostnamectl hostname --static";
        let names =
            guest.ssh(&format!("{names}; getent hosts {NAME} > /dev/null && echo found"))?;
        ensure!(names == format!("{NAME}\n{NAME}\n{NAME}\nfound\n"), "names: {names:?}");
        let file = guest
            .ssh(&format!("sudo stat -c '%a %u %g' '{PLACE}'; sudo cat '{PLACE}' | sha256sum"))?;
        let sum = hex::encode(sha2::Sha256::digest(BYTES));
        ensure!(file == format!("640 0 0\n{sum}  -\n"), "the file: {file:?}");
        Ok(())
    }

    fn first(&self) -> Result<String> {
        let (guest, login) = self.boot("running")?;
        Self::told(&guest)?;
        let said = Self::said(&guest)?;
        ensure!(said.contains(&format!("{SAYS}this node is {NAME}")), "the journal: {said}");
        let console = fs::read(&guest.console)?;
        let console = String::from_utf8_lossy(&console);
        ensure!(console.contains(&format!("{SAYS}this node is {NAME}")), "nothing on the console");
        let cost = guest.ssh("systemd-analyze blame --no-pager | grep osb-node.service || true")?;
        // Nobody but root may read what the node was told.
        let hidden = guest.ssh("cat /boot/firmware/osb/node.toml 2>&1 || true")?;
        ensure!(hidden.contains("Permission denied"), "the file can be read: {hidden}");
        self.stop(guest)?;
        let asked = first_name(&fs::read(&self.packets)?)?;
        ensure!(asked.as_deref() == Some(NAME), "the first DHCP request has the name {asked:?}");
        Ok(format!("{login}; DHCP was asked as {NAME}; {}", cost.trim()))
    }

    fn second(&self) -> Result<String> {
        let (guest, login) = self.boot("running")?;
        Self::told(&guest)?;
        // The keys are for one boot; all else is there.
        let said = Self::said(&guest)?;
        ensure!(said == format!("{SAYS}keys: 1\n"), "the journal: {said}");
        self.stop(guest)?;
        Ok(format!("{login}; nothing else to do"))
    }

    fn broken(&self) -> Result<String> {
        self.disk.edit(|editor| {
            let text = editor.read(PATH)?.context("the node.toml is gone")?;
            let text = String::from_utf8(text)?;
            // The key comes in by the older way, or nobody could look.
            editor.write("osb/authorized_keys", self.access.public.as_bytes())?;
            let name = format!("hostname = \"{NAME}\"");
            ensure!(text.contains(&name), "no name in {text}");
            Ok(editor.write(PATH, text.replace(&name, "hostname = Shelf 2").as_bytes())?)
        })?;
        let (guest, _) = self.boot("degraded")?;
        let said = Self::said(&guest)?;
        let console = fs::read(&guest.console)?;
        let console = String::from_utf8_lossy(&console);
        let line = said.trim_end();
        ensure!(
            line.starts_with(&format!("{SAYS}osb/node.toml is refused")) && !line.contains('\n'),
            "the journal: {said}"
        );
        ensure!(console.contains(line), "not on the console: {line}");
        let name = guest.ssh("hostname")?;
        ensure!(name.trim() == NAME, "the name has become {name}");
        let line = line.to_owned();
        self.stop(guest)?;
        Ok(line)
    }
}
