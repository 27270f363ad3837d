//! Finds disks, and tells which of them may be written.
//!
//! [`devices`] lists the whole disks of a machine with all that tells one from another, and why a
//! disk must not be written: [`Refusal`]. A disk is judged by its use, not by the bus that it is
//! connected to: an internal NVMe disk that nobody uses is as good as a card in a reader.
//!
//! ```no_run
//! for disk in osb_flash::devices(&osb_flash::Host::this())? {
//!     println!("{} {} {} bytes", disk.path.display(), disk.model, disk.size);
//!     for refusal in &disk.refusals {
//!         println!("  {refusal}");
//!     }
//! }
//! # Ok::<(), osb_flash::FlashError>(())
//! ```
//!
//! Invariants: looking changes nothing, and devices are opened for reading only; names that hardware reports have
//! no characters that a terminal could take for something else.

mod boot_volume;
mod device;
mod devices;
mod engine;
mod error;
mod identity;
mod overlay;
mod source;
mod target;

pub use boot_volume::{BootVolume, BootVolumeError};
pub use device::{Device, DeviceError};
pub use devices::{Contents, Disk, Host, NoDisk, Refusal, Transport, against, devices, find};
pub use engine::{
    Bottleneck, ByteCounts, Cause, Customise, EngineError, ImageReceipt, Left, Mode, Observer,
    Options, Phase, Progress, Receipt, Refused, SourceFault, Waits, flash,
};
pub use error::FlashError;
pub use identity::{Identity, Renamed};
pub use osb_http::Limits;
pub use osb_image::Table;
pub use overlay::Overlay;
pub use source::{
    About, Found, Image, Place, Source, SourceError, SourceFailure, SourceOptions, Trust, open,
};
pub use target::Target;
