//! What a partition is for.

use crate::Guid;

/// The type of a partition. The GUIDs are from the Discoverable Partitions Specification (UAPI
/// Group), so that firmware and systemd find it without a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionType {
    /// The EFI system partition.
    EfiSystem,
    /// The boot partition of a Raspberry Pi: in a GPT an EFI system partition, too. In an MBR the
    /// Pi's firmware wants a plain FAT type, and UEFI firmware looks into every FAT partition.
    RaspberryPiBoot,
    /// The root file system of an arm64 system.
    LinuxRootArm64,
    /// The root file system of an amd64 system.
    LinuxRootAmd64,
    /// Any other Linux file system.
    LinuxFilesystem,
    /// A FAT file system that nobody starts from.
    BasicData,
}

impl PartitionType {
    /// The type's identifier.
    pub const fn guid(self) -> Guid {
        match self {
            // C12A7328-F81F-11D2-BA4B-00A0C93EC93B
            PartitionType::EfiSystem | PartitionType::RaspberryPiBoot => Guid::from_fields(
                0xC12A_7328,
                0xF81F,
                0x11D2,
                [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B],
            ),
            // B921B045-1DF0-41C3-AF44-4C6F280D3FAE
            PartitionType::LinuxRootArm64 => Guid::from_fields(
                0xB921_B045,
                0x1DF0,
                0x41C3,
                [0xAF, 0x44, 0x4C, 0x6F, 0x28, 0x0D, 0x3F, 0xAE],
            ),
            // 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
            PartitionType::LinuxRootAmd64 => Guid::from_fields(
                0x4F68_BCE3,
                0xE8CD,
                0x4DB1,
                [0x96, 0xE7, 0xFB, 0xCA, 0xF9, 0x84, 0xB7, 0x09],
            ),
            // 0FC63DAF-8483-4772-8E79-3D69D8477DE4
            PartitionType::LinuxFilesystem => Guid::from_fields(
                0x0FC6_3DAF,
                0x8483,
                0x4772,
                [0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4],
            ),
            // EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
            PartitionType::BasicData => Guid::from_fields(
                0xEBD0_A0A2,
                0xB9E5,
                0x4433,
                [0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7],
            ),
        }
    }

    /// The type's byte in an MBR.
    pub const fn mbr(self) -> u8 {
        match self {
            PartitionType::EfiSystem => 0xEF,
            PartitionType::RaspberryPiBoot | PartitionType::BasicData => 0x0C, // FAT32, by LBA
            PartitionType::LinuxRootArm64
            | PartitionType::LinuxRootAmd64
            | PartitionType::LinuxFilesystem => 0x83,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifiers_read_as_in_the_specification() {
        for (kind, text) in [
            (PartitionType::EfiSystem, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
            (PartitionType::LinuxRootArm64, "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"),
            (PartitionType::LinuxRootAmd64, "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
            (PartitionType::LinuxFilesystem, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
            (PartitionType::BasicData, "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
        ] {
            assert_eq!(kind.guid().to_string(), text);
        }
    }
}
