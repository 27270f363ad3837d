//! Pid 1 of the guest: builds its world, then runs commands until the session ends.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;

use rustix::process::{Resource, Rlimit, Signal};

use super::mounts::Guest;
use super::run::{Environment, serve_one};
use super::{Doing, Failure, binfmt, mounts};
use crate::exec_config::{STATS, TOOLS};
use crate::probe::Mode;
use crate::protocol::{self, Reply, Request, Setup};
use crate::{Stats, seccomp, sys};

/// Open files that commands may have: low by default, since some tools walk over all possible
/// descriptors and crawl under a container's huge limit.
const OPEN_FILES: (u64, u64) = (1024, 65536);

pub(super) fn main(socket: &mut UnixStream) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tying the guest's life to its parent")?;
    let setup = match protocol::receive(socket).doing("reading the specification")?.0 {
        Request::Setup(setup) => setup,
        other => return Err(Failure::Step(format!("expected a specification, got {other:?}"))),
    };
    let (mode, environment) = prepare(setup)?;
    protocol::send(socket, &Reply::Ready(mode), b"").doing("answering the session")?;
    loop {
        // An error here is the end of the session, in whatever way.
        let Ok((request, raw)) = protocol::receive::<Request>(socket) else { return Ok(()) };
        match request {
            Request::Run(run) => {
                let (reply, tail) = serve_one(socket, &environment, &run, &raw)?;
                protocol::send(socket, &reply, &tail).doing("answering the session")?;
            }
            Request::Finish => {
                let stats = read_stats().doing(format!("reading {STATS}"))?;
                protocol::send(socket, &Reply::Stats(stats), b"").doing("answering the session")?;
                return Ok(());
            }
            other => return Err(Failure::Step(format!("unexpected request {other:?}"))),
        }
    }
}

/// Builds everything that commands find.
fn prepare(setup: Setup) -> Result<(Mode, Environment), Failure> {
    let guest = Guest::assemble(&setup)?;
    guest.enter()?;
    sys::loopback_up().doing("bringing up the loopback interface")?;
    rustix::system::sethostname(setup.hostname.as_bytes()).doing("setting the host name")?;
    let loader = mounts::resolve_in(TOOLS, setup.host.loader());
    let mode = if setup.guest == setup.host {
        Mode::Native
    } else {
        binfmt::register(&setup, loader.as_deref())?
    };
    limits()?;
    if setup.drop_fsync {
        seccomp::drop_fsync().doing("installing the system call filter")?;
    }
    let environment = Environment::new(setup.host, loader, setup.environment);
    Ok((mode, environment))
}

fn limits() -> Result<(), Failure> {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES.1);
    let maximum = hard.min(OPEN_FILES.1);
    let files = Rlimit { current: Some(OPEN_FILES.0.min(maximum)), maximum: Some(maximum) };
    rustix::process::setrlimit(Resource::Nofile, files).doing("limiting open files")?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).doing("forbidding core dumps")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// Adds up the interpreter's records: a letter, a space, the program's name.
fn read_stats() -> std::io::Result<Stats> {
    let mut stats = Stats::default();
    let file = match File::open(STATS) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(stats),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let (counts, name) = match line.split_at_checked(2) {
            Some((b"S ", name)) => (&mut stats.substituted, name),
            Some((b"E ", name)) => (&mut stats.emulated, name),
            _ => continue,
        };
        *counts.entry(String::from_utf8_lossy(name).into_owned()).or_default() += 1;
    }
    Ok(stats)
}
