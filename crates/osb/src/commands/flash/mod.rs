//! `osb flash`: an image onto disks.

mod board;
mod consent;
mod disks;
mod image;
mod outcome;
mod plan;
mod told;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use osb_flash::{
    Device, Host, Identity, Mode, Observer, Options, Overlay, Progress, Table, Target,
};

use crate::cli::Flash;
use crate::environment;
use crate::exit::{Failure, REFUSED};
use crate::output::Output;
use board::Board;
use disks::Chosen;

pub(crate) fn run(arguments: &Flash, output: &Output) -> Result<ExitCode, Failure> {
    let host = Host::this();
    let node = told::gather(arguments)?;
    let chosen = disks::choose(arguments, &host)?;
    // Before the image is looked at: nobody waits for a download to hear that the disk is in use.
    disks::judge(&chosen, &host, None, None)?;
    let shared: Shared = Arc::default();
    let stop = environment::cancel_flag(last_words(output, &shared))?;
    let receipt = outcome::Paper::prepare(arguments.receipt.as_deref())?;
    let opened = image::open(arguments, &stop, output)?;
    disks::judge(&chosen, &host, opened.facts.path.as_deref(), opened.facts.size)?;
    let disks: Vec<_> = chosen.iter().map(|each| &each.disk).collect();
    let plan = plan::text(arguments, &opened.facts, &disks, &node);
    if output.is_json() {
        output.object(&plan::object(arguments, &opened.facts, &disks, &node));
    } else if arguments.dry_run {
        output.answer(&serde_json::Value::Null, &plan);
    } else {
        output.remark(&plan);
    }
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    disks::agree(&chosen, output)?;
    let targets = open(&chosen)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::interrupted().with_hint(outcome::UNTOUCHED));
    }
    let customise = |_: usize, overlay: &mut Overlay<'_>, identity: &Identity, table: &Table| {
        node.apply(overlay, identity, table)
    };
    // Without a partition table there are neither identifiers nor files to change.
    let adapts = node.has_something_to_say() || opened.image.sector_size.is_some();
    let options = Options {
        mode: match (arguments.changed_only, arguments.resume) {
            (true, _) => Mode::ChangedOnly,
            (_, true) => Mode::Resume,
            _ => Mode::Whole,
        },
        keep_ids: plan::keeps_ids(arguments, &opened.facts),
        seed: environment::random()?,
        customise: adapts.then_some(&customise),
        ..Options::default()
    };
    let screen = Screen::new(&chosen, output, &shared);
    let results = osb_flash::flash(opened.image, targets, &options, &screen, &stop);
    screen.end();
    Ok(outcome::tell(receipt, &chosen, &results, output))
}

/// A disk that is open, and its name.
type Named = (String, Box<dyn Target>);

/// Opens all disks, or none is written.
fn open(chosen: &[Chosen]) -> Result<Vec<Named>, Failure> {
    let open = |each: &Chosen| {
        let path = &each.disk.path;
        let device = Device::open(path).map_err(|error| outcome::closed(&error))?;
        if !device.is(&each.disk) {
            let message = format!(
                "nothing was written: {} has become another disk meanwhile",
                path.display()
            );
            return Err(Failure::new(REFUSED, message));
        }
        Ok((path.display().to_string(), Box::new(device) as Box<dyn Target>))
    };
    chosen.iter().map(open).collect()
}

/// How far the disks are, once they are being written.
type Shared = Arc<Mutex<Option<Board>>>;

/// A disk that is being flushed does not hear; so long it may take to end in order, beside the grace
/// that every command has.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is said if a run that was interrupted has to be ended from outside.
fn last_words(output: &Output, shared: &Shared) -> impl FnOnce() + Send + 'static {
    let (output, shared) = (output.clone(), Arc::clone(shared));
    move || {
        let left = || lock(&shared).as_ref().map(Board::left);
        if left().is_some() {
            std::thread::sleep(PATIENCE);
        }
        let left = left().unwrap_or_else(|| outcome::UNTOUCHED.to_owned());
        output.failure(&Failure::interrupted().with_hint(left));
    }
}

/// A panic elsewhere takes nothing from what is known of the disks.
fn lock(shared: &Shared) -> MutexGuard<'_, Option<Board>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows how far the disks are.
struct Screen<'a> {
    board: &'a Shared,
    started: Instant,
    output: &'a Output,
    disks: usize,
}

impl<'a> Screen<'a> {
    fn new(chosen: &[Chosen], output: &'a Output, board: &'a Shared) -> Self {
        let names: Vec<String> =
            chosen.iter().map(|each| each.disk.path.display().to_string()).collect();
        let disks = names.len();
        *lock(board) = Some(Board::new(names, output.has_status_line()));
        Screen { board, started: Instant::now(), output, disks }
    }

    fn print(&self, told: &board::Told) {
        told.lines.iter().for_each(|line| self.output.line(line));
        told.objects.iter().for_each(|object| self.output.object(object));
    }

    /// All disks are done, or have failed.
    fn end(&self) {
        if let Some(board) = &mut *lock(self.board) {
            for disk in 0..self.disks {
                self.print(&board.end(self.started.elapsed(), disk));
            }
        }
        self.output.status(String::new());
    }
}

impl Observer for Screen<'_> {
    fn progress(&self, disk: usize, progress: &Progress) {
        let now = self.started.elapsed();
        if let Some(board) = &mut *lock(self.board) {
            self.print(&board.on(now, disk, progress));
            self.output.status(board.status(now));
        }
    }
}
