//! A booted image with an ssh server, to run commands in.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use osb_boot::{Options, Plan, Tools, Watch, Writes};

use crate::project::{Image, Project};
use crate::steps::{capture, show};

/// Software emulation on a busy machine is slow; a hang still ends.
const LIMIT: Duration = Duration::from_secs(1200);
/// systemd itself gives a unit 90 seconds to stop, and a few of them stop one after the other.
const LIMIT_OFF: Duration = Duration::from_secs(600);

/// What a guest's disk is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disk<'a> {
    /// The image's `disk.img`, of which nothing is changed.
    Untouched,
    /// A file of its own, and what the guest writes stays.
    Own(&'a Path),
}

/// A disk that was told its node's name and keys, and where what its guest says goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) disk: &'a Path,
    /// Gets what the guest sends and receives, as tcpdump writes it.
    pub(crate) packets: &'a Path,
    /// Gets the console.
    pub(crate) log: &'a Path,
    /// More of QEMU's options.
    pub(crate) options: &'a [&'a str],
}

/// A running guest. Dropping it kills it, as a power failure would.
pub(crate) struct Guest<'a> {
    child: Child,
    tools: &'a Tools,
    access: Rc<Access>,
    pub(crate) started: Instant,
    /// The time at which the console showed a login prompt.
    pub(crate) prompt: Receiver<Duration>,
    /// The file that has what the console said.
    pub(crate) console: PathBuf,
}

/// A key that opens the guest, and the port that leads there.
pub(crate) struct Access {
    folder: tempfile::TempDir,
    /// The line of an `authorized_keys` file.
    pub(crate) public: String,
    port: u16,
}

impl Access {
    pub(crate) fn new(tools: &Tools) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = folder.path().join("key");
        show(
            tools
                .command("ssh-keygen")?
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "xtask", "-f"])
                .arg(&key),
        )?;
        let public = fs::read_to_string(key.with_extension("pub"))?.trim_end().to_owned();
        // The port is free now; nobody else on this machine is likely to take it within a second.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder, public, port })
    }
}

/// The credential that lets the key in.
const CREDENTIAL: &str = "ssh.authorized_keys.node";

impl<'a> Guest<'a> {
    /// Boots the image with `osb boot`.
    pub(crate) fn boot(
        project: &Project,
        tools: &'a Tools,
        image: &Image,
        disk: Disk,
    ) -> Result<Self> {
        let access = Access::new(tools)?;
        // The tools are unpacked first, so that their download does not count as boot time.
        project.tools("boot", &image.recipe)?;
        let mut command = project.osb(&["boot", "--timeout", &LIMIT.as_secs().to_string()]);
        match disk {
            Disk::Untouched => command.arg(image.out.join("disk.img")),
            Disk::Own(path) => command.arg("--write").arg(path),
        };
        command
            .args(["--forward", &format!("{}:22", access.port)])
            .args(["--credential", &format!("{CREDENTIAL}={}", access.public)])
            .arg("--recipe")
            .arg(&image.recipe);
        let log = project.work.join(format!("console-{}.log", image.name));
        Self::start(&mut command, tools, access, &log)
    }

    /// Boots the image with further disks, which the guest writes to: by serial number.
    pub(crate) fn with_disks(
        project: &Project,
        tools: &'a Tools,
        image: &Image,
        disks: &[(&str, &Path)],
    ) -> Result<Self> {
        let access = Access::new(tools)?;
        let mut command = emulator(project, image, &access, |options| {
            options.credentials = vec![(CREDENTIAL.to_owned(), access.public.clone())];
        })?;
        for (serial, path) in disks {
            let path = path.to_str().context("a path that is no text")?;
            let drive = format!("if=none,id={serial},format=raw,cache=unsafe,file={path}");
            command.args(["-drive", &drive]);
            command.args(["-device", &format!("virtio-blk-pci,drive={serial},serial={serial}")]);
        }
        let log = project.work.join("console-ext4.log");
        Self::start(&mut command, tools, access, &log)
    }

    /// Boots a disk that lets `access` in by itself, and keeps what the guest writes to it.
    pub(crate) fn told(
        project: &Project,
        tools: &'a Tools,
        image: &Image,
        access: &Rc<Access>,
        told: &Told<'_>,
    ) -> Result<Self> {
        let mut command = emulator(project, image, access, |options| {
            options.image = told.disk.to_owned();
            options.writes = Writes::Kept;
        })?;
        let packets = told.packets.to_str().context("a path that is no text")?;
        command.args(["-object", &format!("filter-dump,id=packets,netdev=net,file={packets}")]);
        command.args(told.options);
        Self::start(&mut command, tools, Rc::clone(access), told.log)
    }

    fn start(
        command: &mut Command,
        tools: &'a Tools,
        access: impl Into<Rc<Access>>,
        log: &Path,
    ) -> Result<Self> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the guest")?;
        let console = child.stdout.take().context("a guest without output")?;
        let prompt = follow(console, File::create(log)?, started)?;
        let access = access.into();
        Ok(Self { child, tools, access, started, prompt, console: log.to_owned() })
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
                bail!("the guest ended with {status}; see the console log");
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
            .args(["-F", "/dev/null", "-q", "-p", &self.access.port.to_string(), "-i"])
            .arg(self.access.folder.path().join("key"))
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                self.access.folder.path().join("known").display()
            ));
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

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for the guest to switch itself off.
    pub(crate) fn wait_for_end(&mut self) -> Result<Duration> {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the guest ended with {status}");
                return Ok(asked.elapsed());
            }
            let seconds = LIMIT_OFF.as_secs();
            ensure!(asked.elapsed() < LIMIT_OFF, "still on after {seconds} s");
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

/// The command that boots an image, to which more can be added.
fn emulator(
    project: &Project,
    image: &Image,
    access: &Access,
    change: impl FnOnce(&mut Options),
) -> Result<Command> {
    let boot = project.tools("boot", &image.recipe)?;
    let told = fs::read_to_string(image.out.join("metadata.json"))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let architecture = told["arch"].as_str().context("no architecture in metadata.json")?;
    let mut options =
        Options::new(image.out.join("disk.img"), architecture, boot.root().to_owned());
    options.forwards = vec![(access.port, 22)];
    change(&mut options);
    let plan = Plan::locate(&options)?;
    let argv = osb_boot::command(&options, &plan)?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env("QEMU_MODULE_DIR", &plan.modules);
    Ok(command)
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
