//! One layer half in the making: a sandbox over the layers below, whose changes become a layer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use osb_sandbox::{Bind, Command, Machine, SandboxError, Session, Spec, ToolsTree};

use crate::error::BuildError;
use crate::job::Job;

/// Longest time for one program of a layer.
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// A sandbox session for one half of a layer.
pub(crate) struct Chamber<'a> {
    job: &'a Job<'a>,
    layer: String,
    scratch: PathBuf,
    session: Session,
}

/// What a chamber is made of.
pub(crate) struct Setup<'a> {
    /// Name of the layer, for errors.
    pub(crate) layer: &'a str,
    /// Folders of the layers below, lowest first.
    pub(crate) below: &'a [PathBuf],
    /// The `build` tools tree.
    pub(crate) tools: &'a Path,
    /// Host folders shown read-only at `/run/osb/NAME`.
    pub(crate) shown: &'a [(PathBuf, &'a str)],
    /// Clock of the image.
    pub(crate) epoch: i64,
}

impl<'a> Chamber<'a> {
    /// Prepares the folders; `prepare` may put first files into the new layer.
    pub(crate) fn open(
        job: &'a Job<'a>,
        setup: &Setup,
        prepare: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<Self, BuildError> {
        let scratch = job.cache.scratch(&format!("layer-{}", setup.layer))?;
        let (upper, work) = (scratch.join("root"), scratch.join("work"));
        for folder in [&upper, &work] {
            fs::create_dir_all(folder).map_err(BuildError::io("making", folder))?;
        }
        prepare(&upper)?;
        let environment = [
            ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true".to_owned()),
            ("DEBCONF_NOWARNINGS", "yes".to_owned()),
            ("SOURCE_DATE_EPOCH", setup.epoch.to_string()),
            // Kernel packages must not make an initramfs each; the seal makes one at the end.
            // (/etc/kernel/postinst.d/initramfs-tools reads this.)
            ("INITRD", "No".to_owned()),
            ("SYSTEMD_OFFLINE", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let spec = Spec {
            lower: setup.below.iter().rev().map(|folder| folder.join("root")).collect(),
            upper,
            work,
            guest: guest(job),
            tools: ToolsTree { root: setup.tools.to_owned(), architecture: Machine::host() },
            binds: setup
                .shown
                .iter()
                .map(|(source, name)| Bind {
                    source: source.clone(),
                    target: format!("/run/osb/{name}"),
                    writable: false,
                })
                .collect(),
            hostname: "osb".to_owned(),
            environment: environment.to_vec(),
            drop_fsync: true,
            measure: job.options.timings,
            cancel: job.options.cancel.clone(),
            launcher: job.options.launcher.clone(),
        };
        let session = Session::start(&spec)?;
        Ok(Chamber { job, layer: setup.layer.to_owned(), scratch, session })
    }

    /// Runs a program of the image; fails if it does.
    pub(crate) fn run(&mut self, what: &str, argv: &[&str]) -> Result<Vec<u8>, BuildError> {
        self.command(what, Command { argv: owned(argv), ..self.template() })
    }

    /// Runs a program of the image whose output is wanted as data: without its warnings.
    pub(crate) fn ask(&mut self, what: &str, argv: &[&str]) -> Result<String, BuildError> {
        let mut quiet = vec!["sh", "-c", "exec \"$@\" 2>/dev/null", "sh"];
        quiet.extend(argv);
        Ok(String::from_utf8_lossy(&self.run(what, &quiet)?).into_owned())
    }

    /// Runs a program of the image with the given standard input.
    pub(crate) fn feed(
        &mut self,
        what: &str,
        argv: &[&str],
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, BuildError> {
        self.command(what, Command { argv: owned(argv), stdin, ..self.template() })
    }

    /// Runs a host-architecture program of the tools tree.
    pub(crate) fn run_native(&mut self, what: &str, argv: &[&str]) -> Result<Vec<u8>, BuildError> {
        self.command(what, Command { argv: owned(argv), native: true, ..self.template() })
    }

    /// Ends the session and makes what changed the cache entry `entry`.
    pub(crate) fn publish(self, entry: &Path) -> Result<(), BuildError> {
        self.job.ran(self.session.finish()?);
        let work = self.scratch.join("work");
        fs::remove_dir_all(&work).map_err(BuildError::io("removing", work))?;
        self.job.cache.publish(&self.scratch, entry)
    }

    fn template(&self) -> Command {
        Command {
            argv: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
            directory: "/".to_owned(),
            native: false,
            timeout: Some(TIME_LIMIT),
        }
    }

    fn command(&mut self, what: &str, command: Command) -> Result<Vec<u8>, BuildError> {
        self.job.go_on()?;
        self.job.detail(format!("{}: {what}", self.layer));
        match self.session.run(&command) {
            Ok(finished) if finished.status == 0 => Ok(finished.tail),
            Ok(finished) => Err(self.failed(what, finished.status, &finished.tail)?),
            // What timeout(1) exits with.
            Err(SandboxError::TimedOut { tail, .. }) => Err(self.failed(what, 124, &tail)?),
            Err(error) => Err(error.into()),
        }
    }

    /// The error for a failed program, after its output was kept.
    fn failed(&self, what: &str, status: i32, tail: &[u8]) -> Result<BuildError, BuildError> {
        let log = self.job.cache.root.join("failure.log");
        fs::write(&log, tail).map_err(BuildError::io("writing", &log))?;
        Ok(BuildError::Command {
            layer: self.layer.clone(),
            what: what.to_owned(),
            status,
            tail: String::from_utf8_lossy(tail).into_owned(),
            log,
        })
    }
}

/// The machine that the image is for.
pub(crate) fn guest(job: &Job) -> Machine {
    match job.options.project.recipe.image.arch {
        osb_recipe::Arch::Arm64 => Machine::Aarch64,
        osb_recipe::Arch::Amd64 => Machine::X86_64,
    }
}

fn owned(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|argument| (*argument).to_owned()).collect()
}
