//! Transfers over HTTP that end: bounded, resumed, redirected no further than they should.
//!
//! [`Transport`] opens one URL once. [`Download`] is a reader of a whole file, over as many
//! connections as it takes; nothing of it is kept but where it is.
//!
//! ```no_run
//! use std::io::Read;
//! let limits = osb_http::Limits::default();
//! let mut file = osb_http::Download::open("https://example.org/image.zst", limits, Default::default())?;
//! let mut start = [0; 6];
//! file.read_exact(&mut start)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: every wait has an end ([`Limits`]); https is never left; a part of another state of the
//! file is never taken for the rest of this one, if the server tells them apart. Nothing here knows
//! what is transferred, or whether it is what it should be.

mod download;
mod error;
mod limits;
mod redirect;
mod transfer;

pub use download::Download;
pub use error::{Failure, HttpError};
pub use limits::{Limits, Pace};
pub use transfer::{Body, Resume, Transport, is_web_page};
