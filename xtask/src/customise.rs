//! A disk that was told its node's name, keys and files, booted twice.
//!
//! `osb/node.toml` is put on the boot partition of a copy of `disk.img`, as `osb flash` does it. The
//! first boot must come up with the name, say it in its first DHCP request, let the key in and have
//! the files; the second one finds everything as it shall be. Then the file is broken by hand, as by
//! somebody with an editor: the node starts all the same and says so in one line.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use osb_fat::edit::{Editor, Part};
use osb_node::{Node, PATH};
use sha2::Digest;

use crate::guest::{Access, Guest};
use crate::image::partitions;
use crate::project::{Image, Project};
use crate::steps::{Steps, capture, show};
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
    disk: PathBuf,
    /// Where the boot partition begins, and its length, in bytes.
    boot: (u64, u64),
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
        let source = image.out.join("disk.img");
        show(Command::new("cp").arg("--sparse=always").arg(&source).arg(disk))?;
        let boot = *partitions(tools, &source, &image.out)?.first().context("no partition")?;
        let access = Rc::new(Access::new(tools)?);
        let node = Node::from_options(osb_node::Options {
            hostname: Some(NAME.to_owned()),
            ssh_keys: vec![access.public.clone()],
            settings: vec!["bootstrap.source.ref=refs/tags/v1.2".to_owned()],
            files: vec![osb_node::File::new(PLACE, MODE, BYTES)],
            member: None,
        })?;
        let packets = project.work.join(format!("packets-{}.pcap", image.name));
        let disk = disk.to_owned();
        let site = Site { project, tools, image, disk, boot, access, packets };
        let text = node.to_toml()?;
        let free = site.edit(|editor| {
            editor.write(PATH, text.as_bytes())?;
            Ok(editor.free()?)
        })?;
        // As another program reads it.
        let volume = format!("{}@@{}", site.disk.display(), site.boot.0);
        let seen = capture(tools.command("mtype")?.args(["-i", &volume, &format!("::{PATH}")]))?;
        ensure!(seen == text, "mtype reads something else:\n{seen}");
        let text = format!("{} bytes; {} MiB stay free", text.len(), free >> 20);
        Ok((site, text))
    }

    /// Does something with the boot partition's files.
    fn edit<T>(&self, work: impl FnOnce(&mut Editor<'_>) -> Result<T>) -> Result<T> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut disk = File::options().read(true).write(true).open(&self.disk)?;
        let (start, len) = self.boot;
        let mut part = Part::new(&mut disk, start);
        work(&mut Editor::open(&mut part, len, i64::try_from(now)?)?)
    }

    /// Boots until the system runs, with a login by the key that the disk was told.
    fn boot(&self, state: &str) -> Result<(Guest<'a>, String)> {
        let Site { project, tools, image, disk, access, packets, .. } = self;
        let mut guest = Guest::told(project, tools, image, disk, access, packets)?;
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
        self.edit(|editor| {
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

/// Length of a pcap file's header, and of each packet's.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// What DHCP's options begin with (RFC 2131, section 3).
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// DHCP options (RFC 2132, sections 3.14 and 9.6).
const HOST_NAME: u8 = 12;
const MESSAGE_TYPE: u8 = 53;
const DISCOVER: u8 = 1;

/// The host name in the first DHCP DISCOVER of a pcap file, if it has one.
fn first_name(pcap: &[u8]) -> Result<Option<String>> {
    let mut rest = pcap.get(FILE_HEADER..).context("no packets were kept")?;
    while let Some((header, packets)) = rest.split_at_checked(PACKET_HEADER) {
        let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let (packet, more) = packets.split_at_checked(len).context("a packet that is cut off")?;
        rest = more;
        let Some(at) = packet.windows(4).position(|window| window == COOKIE) else { continue };
        let options = options(&packet[at + COOKIE.len()..]);
        let find = |wanted| options.iter().find(|(code, _)| *code == wanted).map(|(_, data)| data);
        if find(MESSAGE_TYPE).is_some_and(|data| **data == [DISCOVER]) {
            let name = find(HOST_NAME).map(|data| String::from_utf8_lossy(data).into_owned());
            return Ok(name);
        }
    }
    bail!("nobody asked DHCP")
}

/// DHCP options: code and data.
fn options(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [code @ 1..=254, len, rest @ ..] = bytes {
        let Some((data, rest)) = rest.split_at_checked(usize::from(*len)) else { break };
        found.push((*code, data));
        bytes = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_discover_has_the_name() {
        let packet = |options: &[u8]| {
            let body = [&[0; 50][..], &COOKIE, options].concat();
            let mut packet = vec![0; 8];
            packet.extend((body.len() as u32).to_le_bytes());
            packet.extend([0; 4]);
            [packet, body].concat()
        };
        let discover = [53, 1, 1, 61, 2, 9, 9, 12, 3, b'a', b'b', b'c', 255];
        let offer = [53, 1, 2, 12, 1, b'x', 255];
        let pcap = [vec![0; FILE_HEADER], packet(&offer), packet(&discover)].concat();
        assert_eq!(first_name(&pcap).unwrap().as_deref(), Some("abc"));
        let nameless = [vec![0; FILE_HEADER], packet(&[53, 1, 1, 255])].concat();
        assert_eq!(first_name(&nameless).unwrap(), None);
        assert!(first_name(&pcap[..FILE_HEADER]).is_err());
    }
}
