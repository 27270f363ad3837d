//! bmaptool writes what a map says, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use osb_blockmap::{PIECE, Recorder, State};
use osb_sink::{Sink, Tee, WriteSink};

/// A block device with a file's content: bmaptool would empty a file before it writes.
struct Loop(String);

impl Loop {
    fn over(file: &Path) -> Result<Loop, String> {
        let losetup = Command::new("losetup").args(["--find", "--show"]).arg(file).output();
        let output = losetup.map_err(|error| format!("losetup: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(Loop(text(&output.stdout)))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
fn bmaptool_copies_data_and_zeroes_and_leaves_the_rest() {
    if Command::new("bmaptool").arg("--version").output().is_err() {
        println!("SKIPPED: there is no bmaptool; ci/prepare installs it");
        return;
    }
    let (mut recorder, mut image) = (Recorder::new(), WriteSink::new(Vec::new()));
    let mut both = Tee(vec![&mut recorder, &mut image]);
    both.data(&[1; 10_000]).unwrap();
    both.unused(2 * PIECE).unwrap();
    both.zeros(3 * PIECE + 5000).unwrap();
    both.data(&vec![2; PIECE as usize]).unwrap();
    both.zeros(100_000).unwrap();
    both.unused(100_000).unwrap();
    both.data(&[3; 4096 + 777]).unwrap();
    let (map, image) = (recorder.finish(), image.into_inner());
    let (data, zero, unused) = map.totals();
    assert!(data > PIECE && zero > 3 * PIECE && unused > 2 * PIECE);

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("image"), &image).unwrap();
    fs::write(path("image.bmap"), map.to_bmap()).unwrap();
    fs::write(path("target"), vec![0xA5; image.len().next_multiple_of(4096)]).unwrap();
    let copy = || -> Result<Output, String> {
        let device = Loop::over(&path("target"))?;
        let mut bmaptool = Command::new("bmaptool");
        Ok(bmaptool.arg("copy").arg(path("image")).arg(&device.0).output().unwrap())
    };
    let output = match copy() {
        Ok(output) => output,
        Err(reason) => {
            println!("SKIPPED: no loop device: {reason}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let target = fs::read(path("target")).unwrap();
    for range in map.ranges() {
        let place = range.offset as usize..range.end() as usize;
        match range.state {
            State::Unused => assert!(target[place].iter().all(|byte| *byte == 0xA5), "{range:?}"),
            _ => assert!(target[place.clone()] == image[place], "{range:?}"),
        }
    }

    // It checks what it reads: of data, and of zeroes.
    for state in ["data", "zeroes"] {
        let mut damaged = image.clone();
        damaged[if state == "data" { 0 } else { 4 * PIECE as usize }] ^= 1;
        fs::write(path("image"), damaged).unwrap();
        let output = copy().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("checksum mismatch"), "{state}: {said}");
    }
}
