//! One boot of the real `disk.img`: log in with an injected key, wait for `running`, switch off.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use osb_boot::{Tools, Watch};

use crate::project::{Image, Project};
use crate::steps::{Steps, capture, show};

/// Software emulation on a busy machine is slow; a hang still ends.
const LIMIT: Duration = Duration::from_secs(1200);

/// Boots `disk.img` and looks at the running system.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    if let Some(guest) = start(steps, project, tools, image) {
        stop(steps, guest);
    }
}

/// Boots `disk.img` until the system runs.
pub(crate) fn start<'a>(
    steps: &mut Steps,
    project: &Project,
    tools: &'a Tools,
    image: &Image,
) -> Option<Guest<'a>> {
    let guest = steps.run("boot to an ssh login", || {
        let mut guest = Guest::start(project, tools, image, Disk::Untouched)?;
        let login = guest.wait_for_login()?;
        let prompt = guest.prompt.try_recv().ok();
        let prompt =
            prompt.map(|time| format!("console prompt after {:.1} s, ", time.as_secs_f64()));
        let text = format!("{}ssh after {:.1} s", prompt.unwrap_or_default(), login.as_secs_f64());
        Ok((guest, text))
    });
    let guest = guest?;
    steps.run("systemctl is-system-running", || {
        // A degraded system makes systemctl fail; which units did is the next step's to tell.
        let state = guest.ssh("systemctl is-system-running --wait || true")?;
        ensure!(state.trim() == "running", "the system is {}", state.trim());
        let figures = guest.ssh("systemd-analyze time --no-pager | head -n1 || true")?;
        Ok((
            (),
            format!(
                "running after {:.1} s; {}",
                guest.started.elapsed().as_secs_f64(),
                figures.trim()
            ),
        ))
    });
    steps.run("systemctl --failed", || {
        let failed = guest.ssh("systemctl --failed --no-legend --plain --no-pager")?;
        if !failed.trim().is_empty() {
            let units = "systemctl --failed --no-legend --plain | cut -d' ' -f1";
            let log = guest.ssh(&format!(
                "for unit in $({units}); do sudo journalctl -b --no-pager -n 20 -u $unit; done"
            ));
            bail!("failed units:\n{failed}\n{}", log.unwrap_or_default());
        }
        Ok(((), "none".to_owned()))
    });
    Some(guest)
}

/// Switches the guest off.
pub(crate) fn stop(steps: &mut Steps, mut guest: Guest<'_>) {
    steps.run("switch off", || {
        // The connection ends before the command does.
        let _ = guest.ssh("sudo systemctl poweroff");
        let time = guest.wait_for_end()?;
        Ok(((), format!("{:.1} s", time.as_secs_f64())))
    });
}

/// What a guest's disk is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disk<'a> {
    /// The image's `disk.img`, of which nothing is changed.
    Untouched,
    /// A file of its own, and what it writes stays.
    Own(&'a Path),
}

/// A running `osb boot`. Dropping it kills it, as a power failure would.
pub(crate) struct Guest<'a> {
    child: Child,
    tools: &'a Tools,
    folder: tempfile::TempDir,
    port: u16,
    pub(crate) started: Instant,
    /// The time at which the console showed a login prompt.
    prompt: Receiver<Duration>,
    pub(crate) console: PathBuf,
}

impl<'a> Guest<'a> {
    pub(crate) fn start(
        project: &Project,
        tools: &'a Tools,
        image: &Image,
        disk: Disk,
    ) -> Result<Self> {
        let Image { name, recipe, out } = image;
        let folder = tempfile::tempdir()?;
        let key = folder.path().join("key");
        show(
            tools
                .command("ssh-keygen")?
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "xtask", "-f"])
                .arg(&key),
        )?;
        let public = fs::read_to_string(key.with_extension("pub"))?;
        // The port is free now; nobody else on this machine is likely to take it within a second.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // The tools are unpacked first, so that their download does not count as boot time.
        show(
            project
                .osb(&["tools", "boot", "--quiet", "--recipe"])
                .arg(recipe)
                .stdout(Stdio::null()),
        )?;
        let started = Instant::now();
        let mut command = project.osb(&["boot", "--timeout", &LIMIT.as_secs().to_string()]);
        match disk {
            Disk::Untouched => command.arg(out.join("disk.img")),
            Disk::Own(path) => command.arg("--write").arg(path),
        };
        let mut child = command
            .args(["--forward", &format!("{port}:22")])
            .args(["--credential", &format!("ssh.authorized_keys.node={}", public.trim_end())])
            .arg("--recipe")
            .arg(recipe)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting osb boot")?;
        let console = child.stdout.take().context("osb boot without output")?;
        let path = project.work.join(format!("console-{name}.log"));
        let prompt = follow(console, File::create(&path)?, started)?;
        Ok(Self { child, tools, folder, port, started, prompt, console: path })
    }

    /// Tries to log in until it works.
    pub(crate) fn wait_for_login(&mut self) -> Result<Duration> {
        loop {
            match self.ssh("true") {
                Ok(_) => return Ok(self.started.elapsed()),
                Err(error) if self.started.elapsed() > LIMIT => {
                    return Err(error.context("no login; see the console log"));
                }
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("osb boot ended with {status}; see the console log");
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Runs a command line in the guest, as the user `node`.
    pub(crate) fn ssh(&self, line: &str) -> Result<String> {
        self.send(line, Stdio::null())
    }

    /// The same with something to read.
    pub(crate) fn send(&self, line: &str, input: impl Into<Stdio>) -> Result<String> {
        let mut command: Command = self.tools.command("ssh")?;
        command
            .args(["-F", "/dev/null", "-q", "-p", &self.port.to_string(), "-i"])
            .arg(self.folder.path().join("key"))
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.folder.path().join("known").display()));
        for option in [
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=accept-new",
            // QEMU accepts the connection at once, long before the guest can answer.
            "ConnectTimeout=30",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=8",
        ] {
            command.args(["-o", option]);
        }
        capture(command.arg("node@127.0.0.1").arg(line).stdin(input))
    }

    /// Waits for the guest to switch itself off.
    pub(crate) fn wait_for_end(&mut self) -> Result<Duration> {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "osb boot ended with {status}");
                return Ok(asked.elapsed());
            }
            ensure!(asked.elapsed() < Duration::from_secs(180), "still on after 180 s");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies the console to a log, and tells when the login prompt came.
fn follow(
    mut console: impl Read + Send + 'static,
    mut log: File,
    started: Instant,
) -> Result<Receiver<Duration>> {
    let (sender, receiver) = channel();
    let mut watch = Some(Watch::new(regex::bytes::Regex::new("login: ?$")?));
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = console.read(&mut buffer) {
            // A full disk must not stop the boot: the log is a help, not a result.
            let _ = log.write_all(&buffer[..length]);
            if watch.as_mut().is_some_and(|watch| watch.feed(&buffer[..length]).is_some()) {
                watch = None;
                // Nobody listens any more: fine.
                let _ = sender.send(started.elapsed());
            }
        }
    });
    Ok(receiver)
}
