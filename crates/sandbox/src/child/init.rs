//! Pid 1 of the guest: builds its world, then runs commands until the session ends.

use std::os::unix::net::UnixStream;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

use super::mounts::Guest;
use super::procfs::MORE_IDS;
use super::run::{World, serve_one};
use super::trace::Tracer;
use super::{Doing, Failure, binfmt, mounts};
use crate::confine::Confinement;
use crate::exec_config::TOOLS;
use crate::probe::Mode;
use crate::protocol::{self, Reply, Request, Setup};
use crate::{Limits, Stats, sys};

/// Open files that commands may have: low by default, since some tools walk over all possible
/// descriptors and crawl under a container's huge limit.
const OPEN_FILES: (u64, u64) = (1024, 65536);

pub(super) fn main(socket: &mut UnixStream) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tying the guest's life to its parent")?;
    // Only the kernel may look into this process: it can do more than commands.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("closing the guest's first process to others")?;
    let setup = match protocol::receive(socket).doing("reading the specification")?.0 {
        Request::Setup(setup) => setup,
        other => return Err(Failure::Step(format!("expected a specification, got {other:?}"))),
    };
    let mut guest = prepare(setup)?;
    protocol::send(socket, &Reply::Ready(guest.mode), b"").doing("answering the session")?;
    loop {
        // An error here is the end of the session, in whatever way.
        let Ok((request, raw)) = protocol::receive::<Request>(socket) else { return Ok(()) };
        match request {
            Request::Run(run) => {
                let (reply, tail) =
                    serve_one(socket, &guest.world, guest.tracer.as_mut(), &run, &raw)?;
                protocol::send(socket, &reply, &tail).doing("answering the session")?;
            }
            Request::Finish => {
                let stats = guest.tracer.map_or_else(Stats::default, Tracer::finish);
                protocol::send(socket, &Reply::Stats(stats), b"").doing("answering the session")?;
                return Ok(());
            }
            other => return Err(Failure::Step(format!("unexpected request {other:?}"))),
        }
    }
}

/// A guest that commands can run in.
struct Ready {
    mode: Mode,
    world: World,
    tracer: Option<Tracer>,
}

/// Builds everything that commands find.
fn prepare(setup: Setup) -> Result<Ready, Failure> {
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
    limits(&setup.limits)?;
    let tracer = if setup.measure {
        let emulator = mounts::resolve_in(TOOLS, setup.guest.emulator());
        Some(Tracer::new(mode, loader.clone(), emulator).doing("preparing to measure")?)
    } else {
        None
    };
    let world = World::new(
        setup.environment,
        setup.limits,
        Confinement::new(setup.rights, setup.drop_fsync),
    );
    Ok(Ready { mode, world, tracer })
}

fn limits(limits: &Limits) -> Result<(), Failure> {
    lower(Resource::Nofile, OPEN_FILES.0, OPEN_FILES.1).doing("limiting open files")?;
    // Not zero: that would still start a handler of the host (core(5), "Piping core dumps"); with
    // one byte the kernel gives up (fs/coredump.c).
    lower(Resource::Core, 1, 1).doing("forbidding core dumps")?;
    // Binds unless root started osb. More than the watchdog allows, for that to see and to tell it.
    let processes = u64::from(limits.processes.saturating_add(MORE_IDS));
    lower(Resource::Nproc, processes, processes).doing("limiting processes")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// Sets a limit, and its maximum, as far as the host's own maximum lets it: nobody in a user
/// namespace may raise that, not even its root.
fn lower(resource: Resource, current: u64, maximum: u64) -> rustix::io::Result<()> {
    let host = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = maximum.min(host);
    let limit = Rlimit { current: Some(current.min(maximum)), maximum: Some(maximum) };
    rustix::process::setrlimit(resource, limit)
}
