//! A node: a copy of the site's image that was told who it is, and its boots.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use osb_node::PATH;

use super::site::Site;
use crate::dhcp::first_name;
use crate::guest::{Access, Guest, Told};
use crate::medium::Medium;

/// The address that QEMU gives its network interface.
pub(super) const MAC: &str = "52:54:00:12:34:56";
/// How a run of the first boot ends, on the console.
const PROVISIONED: &str = "osb: provisioned ";
const NOT_PROVISIONED: &str = "osb: NOT provisioned: ";
/// Software emulation on a busy machine is slow; a hang still ends.
const PATIENCE: Duration = Duration::from_secs(1500);
/// Length of a node's disk, in bytes; most of it is a hole.
const DISK: u64 = 8 << 30;
/// How many lines of the console an error shows.
const TAIL: usize = 25;

/// What a node is told, beside the image.
#[derive(Debug, Default)]
pub(super) struct Orders<'a> {
    pub(super) hostname: Option<&'a str>,
    pub(super) settings: &'a [&'a str],
    /// `osb/nodes.yaml`.
    pub(super) inventory: Option<&'a str>,
}

/// A disk, and the key that opens its guest.
pub(super) struct Node {
    name: &'static str,
    medium: Medium,
    access: Rc<Access>,
}

impl Node {
    pub(super) fn new(site: &Site<'_>, name: &'static str, orders: &Orders<'_>) -> Result<Self> {
        let path = site.folder.join(format!("{name}.img"));
        let medium = Medium::copy(site.tools, &site.image, &path)?;
        // A card is larger than the image, and the scripts want some room.
        fs::File::options().write(true).open(&path)?.set_len(DISK)?;
        let access = Rc::new(Access::new(site.tools)?);
        let told = osb_node::Node::from_options(osb_node::Options {
            hostname: orders.hostname.map(str::to_owned),
            ssh_keys: vec![access.public.clone()],
            settings: orders.settings.iter().map(|&text| text.to_owned()).collect(),
            ..Default::default()
        })?;
        let text = told.to_toml()?;
        medium.edit(|editor| {
            editor.write(PATH, text.as_bytes())?;
            if let Some(inventory) = orders.inventory {
                editor.write("osb/nodes.yaml", inventory.as_bytes())?;
            }
            Ok(())
        })?;
        Ok(Self { name, medium, access })
    }

    /// Power on. `part` tells this boot from others of the node, in the names of its logs.
    pub(super) fn boot<'a>(
        &self,
        site: &Site<'a>,
        part: &str,
        options: &[&str],
    ) -> Result<Boot<'a>> {
        let file = |extension| site.folder.join(format!("{}-{part}.{extension}", self.name));
        let (packets, log) = (file("pcap"), file("log"));
        let told = Told { disk: self.medium.path(), packets: &packets, log: &log, options };
        let guest = Guest::told(site.project, site.tools, &site.image, &self.access, &told)?;
        Ok(Boot { guest, packets, seen: 0 })
    }

    /// The disk is of no more use.
    pub(super) fn discard(self) {
        // It is below `target`, and written over by the next run.
        let _ = fs::remove_file(self.medium.path());
    }
}

/// How a run of the first boot ended, with the lines that it said.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) provisioned: bool,
    /// From power-on.
    pub(super) after: Duration,
    pub(super) lines: Vec<String>,
}

impl Verdict {
    /// Wants a node that is provisioned, or one that is not.
    pub(super) fn is(&self, provisioned: bool) -> Result<()> {
        ensure!(
            self.provisioned == provisioned,
            "{}provisioned:\n{}",
            if self.provisioned { "" } else { "not " },
            self.lines.join("\n")
        );
        Ok(())
    }

    /// Wants a line with `text`.
    pub(super) fn says(&self, text: &str) -> Result<()> {
        ensure!(
            self.lines.iter().any(|line| line.contains(text)),
            "it does not say {text:?}:\n{}",
            self.lines.join("\n")
        );
        Ok(())
    }
}

/// A running node.
pub(super) struct Boot<'a> {
    guest: Guest<'a>,
    packets: PathBuf,
    /// How many of the first boot's lines have been looked at.
    seen: usize,
}

impl Boot<'_> {
    /// Does a part of a case; an error shows the end of the console.
    pub(super) fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        part(self).map_err(|error| {
            let console = fs::read(&self.guest.console).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n    ");
            anyhow::anyhow!("{error:#}\n{} ends with:\n    {tail}", self.guest.console.display())
        })
    }

    /// A command line, run as root.
    pub(super) fn root(&self, line: &str) -> Result<String> {
        let quoted = line.replace('\'', r"'\''");
        Ok(self.guest.ssh(&format!("sudo bash -c '{quoted}'"))?.trim_end().to_owned())
    }

    /// Waits until ssh answers.
    pub(super) fn login(&mut self) -> Result<()> {
        self.guest.wait_for_login().map(drop)
    }

    /// Waits for the end of a run of the first boot.
    pub(super) fn verdict(&mut self) -> Result<Verdict> {
        let ends = |line: &str| line.contains(PROVISIONED) || line.contains(NOT_PROVISIONED);
        let (after, lines) = self.until(ends)?;
        let provisioned = lines.last().is_some_and(|line| line.contains(PROVISIONED));
        Ok(Verdict { provisioned, after, lines })
    }

    /// Waits for a line of the first boot's with `text`, and gives all lines up to it.
    pub(super) fn wait_for(&mut self, text: &str) -> Result<Vec<String>> {
        Ok(self.until(|line| line.contains(text))?.1)
    }

    fn until(&mut self, ends: impl Fn(&str) -> bool) -> Result<(Duration, Vec<String>)> {
        let begun = Instant::now();
        loop {
            let ended = self.guest.has_ended()?;
            let lines = self.lines()?;
            let new = &lines[self.seen.min(lines.len())..];
            if let Some(at) = new.iter().position(|line| ends(line)) {
                let found = new[..=at].to_vec();
                self.seen += at + 1;
                return Ok((self.guest.started.elapsed(), found));
            }
            ensure!(!ended, "the guest has ended");
            let seconds = PATIENCE.as_secs();
            ensure!(begun.elapsed() < PATIENCE, "nothing within {seconds} seconds");
            sleep(Duration::from_millis(200));
        }
    }

    /// What first boot and naming have said on the console, with the kernel's seconds in front.
    pub(super) fn lines(&self) -> Result<Vec<String>> {
        let console = fs::read(&self.guest.console)?;
        Ok(spoken(&String::from_utf8_lossy(&console)))
    }

    /// Starts the first boot now, which has failed before.
    pub(super) fn again(&self) -> Result<()> {
        self.root("systemctl start --no-block first-boot").map(drop)
    }

    /// What has failed is not started anew by systemd.
    pub(super) fn halt(&self) -> Result<()> {
        self.root("systemctl stop first-boot").map(drop)
    }

    /// What is left to do at the end of every case: the name that the first DHCP request had must be
    /// this one.
    pub(super) fn end(self, name: &str) -> Result<String> {
        let asked = self.switch_off()?;
        ensure!(asked.as_deref() == Some(name), "the first DHCP request has the name {asked:?}");
        Ok(format!("the first DHCP DISCOVER, option 12: {name}"))
    }

    /// That nothing says that this node is provisioned.
    pub(super) fn unmarked(&self) -> Result<()> {
        let marked = self.root("cat /var/lib/node-provisioned || true")?;
        ensure!(marked.is_empty(), "it is marked as provisioned: {marked}");
        let status = self.root("jq --raw-output .status /var/lib/osb/state.json")?;
        ensure!(status != "provisioned", "its record says that it is provisioned");
        Ok(())
    }

    /// Switches it off; the name that its first DHCP request had.
    fn switch_off(mut self) -> Result<Option<String>> {
        // The connection ends before the command does.
        let _ = self.root("systemctl poweroff");
        self.attempt(|boot| boot.guest.wait_for_end())?;
        first_name(&fs::read(&self.packets)?)
    }

    /// The power fails.
    pub(super) fn cut_power(self) {
        drop(self.guest);
    }

    /// Lines of the console that have `text`, whoever says it.
    pub(super) fn console(&self, text: &str) -> Result<Vec<String>> {
        let console = fs::read(&self.guest.console)?;
        let console = String::from_utf8_lossy(&console);
        let lines = console.lines().filter(|line| line.contains(text));
        Ok(lines.map(|line| line.trim_end().to_owned()).collect())
    }
}

/// The lines that are of osb's first boot, of a whole console: `[   12.345678] UNIT[PID]: TEXT`. What
/// is before that may be a login prompt.
fn spoken(console: &str) -> Vec<String> {
    const UNITS: [&str; 3] = ["first-boot", "node-name", "osb-node"];
    let line_of = |line: &str| {
        let (head, text) = line.trim_end().split_once("]: ")?;
        let (time, unit) = head.rsplit_once('[')?.0.rsplit_once("] ")?;
        let (_, time) = time.rsplit_once('[')?;
        UNITS.contains(&unit).then(|| format!("[{:>11}] {unit}: {text}", time.trim()))
    };
    // What has no line end yet may go on.
    let whole = console.rfind('\n').map_or("", |end| &console[..end]);
    whole.lines().filter_map(line_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_first_boot_are_found() {
        let console = "[   12.5] first-boot[517]: osb: try [1]: 2\r\n\
            [  OK  ] Started x.service\r\n\
            worker-3 login: [   99.559084] node-name[1]: osb: y\r\n\
            [    1.0] systemd[1]: Started z.\r\n\
            [   13.0] first-boot[1]: osb: NOT prov";
        let found = spoken(console);
        assert_eq!(
            found,
            ["[       12.5] first-boot: osb: try [1]: 2", "[  99.559084] node-name: osb: y"]
        );
    }
}
