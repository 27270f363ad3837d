//! The one request for which there is no safe function.

#![allow(unsafe_code, reason = "an ioctl without argument, which rustix does not name")]

use std::os::fd::AsFd;

use rustix::io;
use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};

/// `BLKRRPART`, in include/uapi/linux/fs.h.
const BLKRRPART: Opcode = opcode::none(0x12, 95);

/// Makes the kernel read the partition table of a whole disk anew. `BUSY`: somebody has one of
/// its partitions open. `INVAL`: disks of its kind have none.
pub(super) fn reread(disk: impl AsFd) -> io::Result<()> {
    // SAFETY: this request has no argument and touches no memory of this process.
    unsafe { ioctl(disk, NoArg::<BLKRRPART>::new()) }
}
