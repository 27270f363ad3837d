//! What the tests of this crate share: a disk with one of everything.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::io;

use osb_partition::{Format, Guid, Layout, PartitionSpec, PartitionType};
use osb_sink::Sink;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn spec(name: &str, kind: PartitionType, size: u64) -> PartitionSpec {
    let guid = Guid::from_digest(format!("{name:<16}").as_bytes());
    PartitionSpec { name: name.into(), kind, guid, size }
}

/// Three partitions, two of which end in the middle of a MiB.
pub(crate) fn formatted(format: Format) -> Layout {
    let sector = format.sector.bytes();
    let partitions = vec![
        spec("boot", PartitionType::EfiSystem, 4 * MIB),
        spec("Wurzel-Größe", PartitionType::LinuxRootArm64, 3 * MIB + sector),
        spec("data", PartitionType::LinuxFilesystem, sector),
    ];
    let disk = Guid::from_digest(b"identifier of the disk");
    Layout::with_format(format, disk, partitions).unwrap()
}

/// Fills a partition with its number plus one, in two parts.
pub(crate) fn fill(layout: &Layout) -> impl FnMut(usize, &mut dyn Sink) -> io::Result<()> {
    let sizes: Vec<u64> = layout.partitions().iter().map(|placed| placed.spec.size).collect();
    move |index, sink| {
        sink.data(&[index as u8 + 1; 500])?;
        sink.data(&vec![index as u8 + 1; sizes[index] as usize - 500])
    }
}
