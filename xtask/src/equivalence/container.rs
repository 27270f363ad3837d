//! A plain container of the `peer` tools: no substitution, nothing of osb's in the way.
//!
//! The host's own machine is the guest's, so the sandbox only lays an overlay over the unpacked
//! tools and gives it namespaces. How foreign programs are run is up to the script inside.
//! It runs in a process of its own, so that its cost can be told from everybody else's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use osb_sandbox::{Bind, Command, Limits, Machine, Rights, Session, Spec, ToolsTree};

use crate::test::clear;

/// What the container is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct Container {
    /// The unpacked `peer` tools.
    #[arg(long)]
    pub(crate) tools: PathBuf,
    /// Its work folder: `kit` is shown read-only, `out` writable, the rest is its own.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Make fsync do nothing, as osb does for its own build.
    #[arg(long)]
    pub(crate) drop_fsync: bool,
}

/// Where the container sees `kit` and `out`.
pub(crate) const KIT: &str = "/run/osb/kit";
pub(crate) const OUT: &str = "/run/osb/out";

impl Container {
    /// The arguments that make another process this container.
    pub(crate) fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments = vec!["container".into(), "--tools".into(), self.tools.clone().into()];
        arguments.extend(["--folder".into(), self.folder.clone().into()]);
        if self.drop_fsync {
            arguments.push("--drop-fsync".into());
        }
        arguments
    }

    /// Runs `kit/run` in it; its exit status is this process's.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let spec = Spec {
            lower: vec![self.tools.clone()],
            upper: fresh(&self.folder.join("root"))?,
            work: fresh(&self.folder.join("overlay"))?,
            guest: Machine::host(),
            tools: ToolsTree { root: self.tools.clone(), architecture: Machine::host() },
            binds: [("kit", KIT, false), ("out", OUT, true)]
                .map(|(name, target, writable)| Bind {
                    source: self.folder.join(name),
                    target: target.to_owned(),
                    writable,
                })
                .to_vec(),
            hostname: "peer".to_owned(),
            environment: Vec::new(),
            drop_fsync: self.drop_fsync,
            measure: false,
            // mmdebstrap mounts and makes namespaces.
            rights: Rights::Full,
            limits: Limits::default(),
            cancel: Default::default(),
            launcher: "/proc/self/exe".into(),
        };
        let mut session = Session::start(&spec)?;
        let finished = session.run(&Command::new(["/bin/sh", &format!("{KIT}/run")]))?;
        session.finish()?;
        if finished.status != 0 {
            eprintln!("{}", String::from_utf8_lossy(&finished.tail));
            eprintln!("the container's script ended with {}", finished.status);
        }
        for name in ["root", "overlay"] {
            clear(&self.folder.join(name))?;
        }
        Ok(ExitCode::from(u8::try_from(finished.status).unwrap_or(1)))
    }
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    clear(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    ensure!(folder.is_absolute(), "{} is not absolute", folder.display());
    Ok(folder.to_owned())
}
