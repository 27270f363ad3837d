//! Whether somebody means this very disk.
//!
//! `/dev/sda` is another disk after the next boot, and the shell's history does not know. Who is
//! there types what stands on the disk; who is not there has named the disk by what no other has.

use std::path::Path;

use osb_flash::{Disk, Transport};

/// How a disk is agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consent {
    /// Its name says it: nothing else can be meant.
    Named,
    /// One of these must be typed.
    Asked(Vec<String>),
    /// It is not the one that was meant, or nobody can say so.
    Refused(String),
}

/// How `disk`, which was called `name`, is agreed on. `serials` are those that were given; `alone` says
/// that no other disk has this one's; `yes` that nobody is to be asked.
pub(super) fn consent(
    disk: &Disk,
    name: &Path,
    serials: &[String],
    alone: bool,
    yes: bool,
) -> Consent {
    let known = !disk.serial.is_empty();
    let pinned = known && serials.contains(&disk.serial);
    if !serials.is_empty() && !pinned {
        let own = match disk.serial.as_str() {
            "" => "it has none that the kernel knows".to_owned(),
            own => format!("its own is {own}"),
        };
        return Consent::Refused(format!("its serial number is not the one given: {own}"));
    }
    // A device of its own kind: a file, and the one who set it up said which.
    let by_id = disk.by_id.iter().any(|own| own == name) || disk.transport == Transport::Loop;
    if yes {
        return match (pinned && alone) || by_id {
            true => Consent::Named,
            false if pinned => Consent::Refused(format!(
                "another disk has the same serial number; name this one: {}",
                lasting(disk)
            )),
            false => Consent::Refused(format!(
                "--yes needs a name that no other disk can have: {}",
                lasting(disk)
            )),
        };
    }
    let mut words: Vec<String> = [&disk.serial, &disk.model]
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(|word| word.trim().to_owned())
        .collect();
    if words.is_empty() {
        // Some card readers tell neither.
        words.push(disk.path.display().to_string());
    }
    Consent::Asked(words)
}

/// What one would have to say instead.
fn lasting(disk: &Disk) -> String {
    match (disk.by_id.first(), disk.serial.as_str()) {
        (Some(name), _) => name.display().to_string(),
        (None, "") => "it has none, so it can only be written by somebody who is asked".to_owned(),
        (None, serial) => format!("--serial {serial}, unless another disk has it, too"),
    }
}

/// Whether the answer is one of the words; blanks at its ends do not count.
pub(super) fn agrees(answer: &str, words: &[String]) -> bool {
    words.iter().any(|word| word == answer.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk {
            path: "/dev/sda".into(),
            number: "8:0".to_owned(),
            sequence: Some(7),
            by_id: vec!["/dev/disk/by-id/usb-X_1".into()],
            model: "X Disk".to_owned(),
            serial: "S1".to_owned(),
            size: 1 << 30,
            transport: Transport::Usb,
            removable: true,
            logical_sector: 512,
            physical_sector: 512,
            partitions: Vec::new(),
            contents: Vec::new(),
            refusals: Vec::new(),
        }
    }

    fn of(disk: &Disk, name: &str, serials: &[&str], yes: bool) -> Consent {
        let serials: Vec<String> = serials.iter().map(|serial| (*serial).to_owned()).collect();
        consent(disk, Path::new(name), &serials, true, yes)
    }

    fn refused(consent: Consent) -> String {
        let Consent::Refused(why) = consent else { panic!("{consent:?}") };
        why
    }

    #[test]
    fn who_is_there_types_what_stands_on_the_disk() {
        let asked = Consent::Asked(vec!["S1".to_owned(), "X Disk".to_owned()]);
        assert_eq!(of(&disk(), "/dev/sda", &[], false), asked);
        assert_eq!(of(&disk(), "/dev/disk/by-id/usb-X_1", &["S1"], false), asked);
        let Consent::Asked(words) = asked else { unreachable!() };
        assert!(agrees(" X Disk\n", &words) && agrees("S1", &words));
        assert!(!agrees("", &words) && !agrees("y\n", &words) && !agrees("x disk", &words));
        let plain = Disk { model: String::new(), serial: String::new(), ..disk() };
        assert_eq!(of(&plain, "/dev/sda", &[], false), Consent::Asked(vec!["/dev/sda".to_owned()]));
    }

    #[test]
    fn unattended_needs_a_name_that_lasts() {
        assert_eq!(of(&disk(), "/dev/disk/by-id/usb-X_1", &[], true), Consent::Named);
        assert_eq!(of(&disk(), "/dev/sda", &["S0", "S1"], true), Consent::Named);
        let told = refused(of(&disk(), "/dev/sda", &[], true));
        assert!(told.ends_with("/dev/disk/by-id/usb-X_1"), "{told}");
        let file = Disk { transport: Transport::Loop, serial: String::new(), ..disk() };
        assert_eq!(of(&file, "/dev/loop0", &[], true), Consent::Named);
        let plain = Disk { by_id: Vec::new(), serial: String::new(), ..disk() };
        assert!(refused(of(&plain, "/dev/sda", &[], true)).contains("it has none"));
    }

    #[test]
    fn a_serial_that_two_disks_have_names_neither() {
        let serials = ["S1".to_owned()];
        let shared = |name: &str, yes| consent(&disk(), Path::new(name), &serials, false, yes);
        assert!(refused(shared("/dev/sda", true)).contains("another disk has the same"));
        assert_eq!(shared("/dev/disk/by-id/usb-X_1", true), Consent::Named);
        assert!(matches!(shared("/dev/sda", false), Consent::Asked(_)));
        // An option from a variable that is not set.
        let plain = Disk { serial: String::new(), ..disk() };
        assert!(refused(of(&plain, "/dev/sda", &[""], true)).contains("it has none"));
        // Only the link itself, not what a path through its folder leads to.
        assert!(matches!(of(&disk(), "/dev/disk/by-id/../../sda", &[], true), Consent::Refused(_)));
    }

    #[test]
    fn another_serial_is_another_disk() {
        for (name, yes) in [("/dev/sda", false), ("/dev/disk/by-id/usb-X_1", true)] {
            assert!(refused(of(&disk(), name, &["S2"], yes)).contains("its own is S1"));
        }
        let plain = Disk { serial: String::new(), ..disk() };
        assert!(refused(of(&plain, "/dev/sda", &["S2"], true)).contains("it has none"));
    }
}
