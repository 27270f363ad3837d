//! The tables at both ends of the disk.

use std::collections::BTreeMap;
use std::io;
use std::str::FromStr;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use gpt::{GptConfig, GptError};

use crate::layout::{Layout, Placed, SECTOR};
use crate::window::Window;
use crate::{Guid, PartitionError};

/// Sectors of the partition array: 128 entries of 128 bytes.
const ARRAY: u64 = 32;

/// Sectors at the start: protective MBR, header, array.
const HEAD: u64 = 2 + ARRAY;

/// Sectors at the end: array, header.
const TAIL: u64 = ARRAY + 1;

/// The first and the last bytes of the disk, with all tables in them.
pub(crate) fn ends(layout: &Layout) -> Result<(Vec<u8>, Vec<u8>), PartitionError> {
    let mut window = Window::new(layout.size, (HEAD * SECTOR) as usize, (TAIL * SECTOR) as usize);

    // The MBR that tells old programs that the disk is taken: it covers everything after itself,
    // as far as 32 bits can say (UEFI specification, "Protective MBR").
    let covered = u32::try_from(layout.size / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(covered)
        .overwrite_lba0(&mut window)
        .map_err(|error| GptError::Io(io::Error::other(error)))?;

    let mut disk = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(window, Some(foreign(layout.guid)?))?;
    let partitions: Result<BTreeMap<u32, Partition>, PartitionError> = (1..)
        .zip(&layout.partitions)
        .map(|(number, placed)| Ok((number, entry(placed)?)))
        .collect();
    // Not `add_partition`, which draws random identifiers.
    disk.update_partitions(partitions?)?;
    Ok(disk.write()?.into_ends())
}

fn entry(placed: &Placed) -> Result<Partition, PartitionError> {
    Ok(Partition {
        part_type_guid: Type { guid: foreign(placed.spec.kind.guid())?, os: OperatingSystem::None },
        part_guid: foreign(placed.spec.guid)?,
        first_lba: placed.first_lba,
        last_lba: placed.last_lba,
        flags: 0,
        name: placed.spec.name.clone(),
    })
}

/// The same identifier in the type that the `gpt` crate uses and does not name.
fn foreign<U: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    guid: Guid,
) -> Result<U, GptError> {
    guid.to_string().parse().map_err(|error| GptError::Io(io::Error::other(error)))
}
