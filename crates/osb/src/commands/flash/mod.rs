//! `osb flash`: an image onto disks.

mod board;
mod consent;
mod disks;
mod image;
mod outcome;
mod plan;
mod told;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use osb_flash::{
    Device, Host, Identity, Mode, Observer, Options, Overlay, Progress, Table, Target,
};

use crate::cli::Flash;
use crate::environment;
use crate::exit::Failure;
use crate::output::Output;
use board::Board;
use disks::Chosen;

pub(crate) fn run(arguments: &Flash, output: &Output) -> Result<ExitCode, Failure> {
    let host = Host::this();
    let node = told::gather(arguments)?;
    let chosen = disks::choose(arguments, &host)?;
    // Before the image is looked at: nobody waits for a download to hear that the disk is in use.
    disks::judge(&chosen, &host, None, None)?;
    let last_words = output.clone();
    let stop = environment::cancel_flag(move || {
        last_words.failure(&Failure::interrupted().with_hint(outcome::UNFINISHED));
    })?;
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
    let screen = Screen::new(&chosen, output);
    let results = osb_flash::flash(opened.image, targets, &options, &screen, &stop);
    screen.end();
    outcome::tell(arguments, &chosen, &results, output)
}

/// Opens all disks, or none is written.
fn open(chosen: &[Chosen]) -> Result<Vec<(String, Box<dyn Target>)>, Failure> {
    let open = |each: &Chosen| {
        let path = &each.disk.path;
        let device = Device::open(path).map_err(|error| outcome::closed(&error))?;
        Ok((path.display().to_string(), Box::new(device) as Box<dyn Target>))
    };
    chosen.iter().map(open).collect()
}

/// Shows how far the disks are.
struct Screen<'a> {
    board: Mutex<Board>,
    started: Instant,
    output: &'a Output,
    disks: usize,
}

impl<'a> Screen<'a> {
    fn new(chosen: &[Chosen], output: &'a Output) -> Self {
        let names: Vec<String> =
            chosen.iter().map(|each| each.disk.path.display().to_string()).collect();
        let disks = names.len();
        let board = Mutex::new(Board::new(names, output.has_status_line()));
        Screen { board, started: Instant::now(), output, disks }
    }

    fn print(&self, told: &board::Told) {
        told.lines.iter().for_each(|line| self.output.line(line));
        told.objects.iter().for_each(|object| self.output.object(object));
    }

    /// All disks are done, or have failed.
    fn end(&self) {
        let mut board = self.board.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for disk in 0..self.disks {
            self.print(&board.end(self.started.elapsed(), disk));
        }
        self.output.status(String::new());
    }
}

impl Observer for Screen<'_> {
    fn progress(&self, disk: usize, progress: &Progress) {
        let now = self.started.elapsed();
        let mut board = self.board.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.print(&board.on(now, disk, progress));
        self.output.status(board.status(now));
    }
}
