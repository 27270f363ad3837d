//! One layer half in the making: a sandbox over the layers below, whose changes become a layer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use osb_sandbox::{
    Bind, Command, Limits, Machine, Process, Rights, SandboxError, Session, Spec, ToolsTree,
};

use crate::cache::entry;
use crate::error::BuildError;
use crate::failed::{self, FailedCommand, Outcome};
use crate::job::Job;

/// The folder of a layer's packages' files, and the one of what is over them.
const PACKAGES: &str = "packages";
const ROOT: &str = "root";
/// How long one program of a layer may run: the configuration of all its packages, or one script.
/// Under full emulation that of a large layer takes ten minutes.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// Where one half of a layer is made, in one session or several.
pub(crate) struct Workplace {
    folder: PathBuf,
}

impl Workplace {
    /// Empty, for the half called `name`.
    pub(crate) fn new(job: &Job, name: &str) -> Result<Self, BuildError> {
        let place = Workplace { folder: job.cache.scratch(name)? };
        for folder in [place.root(), place.work()] {
            fs::create_dir_all(&folder).map_err(BuildError::io("making", folder))?;
        }
        Ok(place)
    }

    /// What the half's programs change.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join(ROOT)
    }

    /// The files of the half's packages, below that.
    pub(crate) fn packages(&self) -> PathBuf {
        self.folder.join(PACKAGES)
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Makes it the cache entry `entry`.
    pub(crate) fn publish(self, job: &Job, entry: &Path) -> Result<(), BuildError> {
        let work = self.work();
        fs::remove_dir_all(&work).map_err(BuildError::io("removing", work))?;
        entry::seal(&self.folder)?;
        job.cache.publish(&self.folder, entry)
    }
}

/// The directories of finished halves, lowest first, for an overlay or for merging.
pub(crate) fn roots(folders: &[PathBuf]) -> Vec<PathBuf> {
    let both = |folder: &PathBuf| [folder.join(PACKAGES), folder.join(ROOT)];
    folders.iter().flat_map(both).filter(|root| root.is_dir()).collect()
}

/// A sandbox session for one half of a layer.
pub(crate) struct Chamber<'a> {
    job: &'a Job<'a>,
    layer: String,
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
    /// Starts a session whose changes land in `place`.
    pub(crate) fn open(
        job: &'a Job<'a>,
        setup: &Setup,
        place: &Workplace,
    ) -> Result<Self, BuildError> {
        let mut lower = roots(setup.below);
        lower.extend(Some(place.packages()).filter(|packages| packages.is_dir()));
        lower.reverse();
        let environment = [
            ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true".to_owned()),
            ("DEBCONF_NOWARNINGS", "yes".to_owned()),
            ("SOURCE_DATE_EPOCH", setup.epoch.to_string()),
            // Kernel packages must not make an initramfs each; one is made at the end.
            // (/etc/kernel/postinst.d/initramfs-tools reads this.)
            ("INITRD", "No".to_owned()),
            ("SYSTEMD_OFFLINE", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let spec = Spec {
            lower,
            upper: place.root(),
            work: place.work(),
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
            rights: Rights::Package,
            limits: Limits::default(),
            cancel: job.options.cancel.clone(),
            launcher: job.options.launcher.clone(),
        };
        let session = Session::start(&spec)?;
        Ok(Chamber { job, layer: setup.layer.to_owned(), session })
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

    /// Runs a program of the image with additional variables.
    pub(crate) fn run_with(
        &mut self,
        what: &str,
        argv: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Vec<u8>, BuildError> {
        let owned_pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(owned_pair).collect();
        self.command(what, Command { argv: owned(argv), environment, ..self.template() })
    }

    /// Ends the session: nothing of it is mounted or runs any more.
    pub(crate) fn close(self) -> Result<(), BuildError> {
        self.job.ran(self.session.finish()?);
        Ok(())
    }

    fn template(&self) -> Command {
        Command {
            argv: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
            directory: "/".to_owned(),
            timeout: Some(TIME_LIMIT),
        }
    }

    fn command(&mut self, what: &str, command: Command) -> Result<Vec<u8>, BuildError> {
        self.job.go_on()?;
        self.job.detail(format!("{}: {what}", self.layer));
        match self.session.run(&command) {
            Ok(finished) if finished.status == 0 => Ok(finished.tail),
            Ok(finished) => {
                let outcome = Outcome::Exit(finished.status);
                Err(self.failed(what, outcome, Vec::new(), &finished.tail, finished.log_bytes))
            }
            Err(SandboxError::Exceeded { excess, processes, tail, log_bytes, .. }) => {
                let culprits = failed::scripts_of(&processes);
                let named = |process: &Process| format!("{} ({})", process.pid, process.command);
                let processes = processes.iter().map(named).collect();
                let outcome = Outcome::Limit { excess, processes };
                Err(self.failed(what, outcome, culprits, &tail, log_bytes))
            }
            Err(SandboxError::NotStarted { program, reason }) => {
                let outcome = Outcome::NotStarted { program, reason };
                Err(self.failed(what, outcome, Vec::new(), b"", 0))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The error for a failed program, after its output was kept.
    fn failed(
        &self,
        what: &str,
        outcome: Outcome,
        mut culprits: Vec<String>,
        tail: &[u8],
        printed: u64,
    ) -> BuildError {
        let log = self.job.cache.failure_log();
        // The disk may be full, which may be what has failed: that is the error to tell.
        let log = fs::write(&log, tail).is_ok().then_some(log);
        let tail = String::from_utf8_lossy(tail).into_owned();
        culprits.extend(failed::blamed_by_dpkg(&tail));
        culprits.extend(failed::blamed_by_background(&tail));
        BuildError::Command(Box::new(FailedCommand {
            layer: self.layer.clone(),
            step: what.to_owned(),
            outcome,
            culprits,
            tail,
            log,
            printed,
        }))
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
