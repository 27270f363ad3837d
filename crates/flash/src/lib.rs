//! Finds disks, tells which of them may be written, and writes images to them.
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
//! [`Device::open`] takes one of them for this program alone, and [`flash()`] writes an [`Image`]
//! to any number of them:
//!
//! ```no_run
//! # fn write(image: osb_flash::Image) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::atomic::AtomicBool;
//! let disk = osb_flash::Device::open("/dev/disk/by-id/usb-card".as_ref())?;
//! let targets: Vec<(String, Box<dyn osb_flash::Target>)> = vec![("card".into(), Box::new(disk))];
//! let options = osb_flash::Options::default();
//! for result in osb_flash::flash(image, targets, &options, &(), &AtomicBool::new(false)) {
//!     println!("{} bytes read back", result?.bytes.verified);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: looking changes nothing, and devices are opened for reading only; names that
//! hardware reports have no characters that a terminal could take for something else. A disk is
//! called written only after every byte of the image was read back from it and was right. Until
//! then nothing boots from it, whatever fails and whenever power is lost.

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
pub use devices::{
    Contents, Disk, Host, NoDisk, Refusal, Transport, against, devices, find, has_own_serial,
};
pub use engine::{
    Bottleneck, ByteCounts, Cause, Customise, EngineError, ImageReceipt, Left, Mode, Observer,
    Options, Phase, Progress, Receipt, Refused, SourceFault, Waits, flash,
};
pub use error::FlashError;
pub use identity::{Identity, Renamed};
pub use osb_http::Limits;
pub use osb_image::Table;
pub use osb_release::Signed;
pub use overlay::Overlay;
pub use source::{
    About, Found, Image, Place, Source, SourceError, SourceFailure, SourceOptions, Trust, open,
};
pub use target::Target;
