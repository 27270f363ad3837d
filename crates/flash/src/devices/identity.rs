//! What the hardware says of itself.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::devices::host::attribute;

/// How a disk is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// NVM Express.
    Nvme,
    /// SATA, or its predecessors.
    Sata,
    /// A bridge or a stick on USB.
    Usb,
    /// An SD card in a reader of the machine's own.
    Sd,
    /// A chip that is soldered in.
    Emmc,
    /// A disk of a virtual machine.
    Virtio,
    /// A file that looks like a disk.
    Loop,
    /// SCSI, or what looks like it.
    Scsi,
    /// None of these.
    Other,
}

impl Transport {
    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Nvme => "nvme",
            Transport::Sata => "sata",
            Transport::Usb => "usb",
            Transport::Sd => "sd",
            Transport::Emmc => "emmc",
            Transport::Virtio => "virtio",
            Transport::Loop => "loop",
            Transport::Scsi => "scsi",
            Transport::Other => "other",
        }
    }

    /// Told by the device's place in sysfs: a USB stick is a SCSI disk, too, so the order matters.
    pub(crate) fn of(place: &Path) -> Transport {
        let has = |start: &str| {
            place
                .components()
                .any(|part| part.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()))
        };
        let kind = |what| attribute(&place.join("device/type")).as_deref() == Some(what);
        if has("loop") {
            Transport::Loop
        } else if has("usb") {
            Transport::Usb
        } else if has("nvme") {
            Transport::Nvme
        } else if has("mmc") {
            if kind("MMC") { Transport::Emmc } else { Transport::Sd }
        } else if has("virtio") {
            Transport::Virtio
        } else if has("ata") {
            Transport::Sata
        } else if has("host") {
            Transport::Scsi
        } else {
            Transport::Other
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Maker and model of the disk at this place in sysfs.
pub(crate) fn model(place: &Path) -> String {
    let read = |name: &str| attribute(&place.join(name)).unwrap_or_default();
    if let Some(file) = attribute(&place.join("loop/backing_file")) {
        return clean(&file);
    }
    // Behind `ATA` as the maker's name, the maker is part of the model.
    let vendor = Some(read("device/vendor"))
        .filter(|vendor| vendor.trim() != "ATA" && !vendor.starts_with("0x"));
    let model =
        [read("device/model"), read("device/name")].into_iter().find(|text| !text.is_empty());
    clean(&format!("{} {}", vendor.unwrap_or_default(), model.unwrap_or_default()))
}

/// Serial number of the disk at this place in sysfs.
pub(crate) fn serial(place: &Path) -> String {
    let plain = ["device/serial", "serial"].map(|name| attribute(&place.join(name)));
    let page = || {
        // "Unit Serial Number" of the SCSI Primary Commands: a header of four bytes.
        let bytes = fs::read(place.join("device/vpd_pg80")).ok()?;
        Some(String::from_utf8_lossy(bytes.get(4..)?).into_owned())
    };
    // A USB bridge hides the disk; what it says of itself is better than nothing.
    let bridge = || {
        let above = place.ancestors().find(|above| above.join("idVendor").exists())?;
        attribute(&above.join("serial"))
    };
    let found = plain.into_iter().flatten().find(|text| !text.trim().is_empty());
    clean(&found.or_else(page).or_else(bridge).unwrap_or_default())
}

/// Without control characters and those that change the direction of text: they would let a disk
/// look like another one on a terminal. Runs of spaces become one.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |character: &char| {
        !character.is_control()
            && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{61c}' | '\u{feff}' | '\u{fffd}')
    };
    let text: String =
        text.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(harmless).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_cannot_play_with_the_terminal() {
        assert_eq!(clean("  Samsung\u{1b}[2J   SSD\n"), "Samsung[2J SSD");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200b}"), "abc");
        assert_eq!(clean("Größe\tx"), "Größe x");
    }
}
