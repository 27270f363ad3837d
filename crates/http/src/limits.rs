//! How long a transfer may take, and how slow it may be.
//!
//! Every wait has an end, and the ends are data: tests use milliseconds. What a server does, what
//! osb does then, and the test that shows it (of `crates/apt`: `tests/fetch.rs`, `tests/slow.rs` and
//! `tests/repository.rs`):
//!
//! | a server | osb | test |
//! |---|---|---|
//! | cuts the connection | resumes, on a 206 with exactly the range that was asked for | `a_cut_transfer_is_resumed` |
//! | answers 200 to a Range | takes the whole file | `a_server_that_ignores_the_range_gives_a_whole_file` |
//! | answers 206 with another range, size or ETag | asks for the whole file | `a_range_of_something_else_is_not_believed` |
//! | ignores If-Range after the file has changed | finds it by the digest, asks for the whole file | `halves_of_two_files_are_found_by_the_digest` |
//! | answers 416 | asks for the whole file | `a_refused_range_gives_a_whole_file` |
//! | answers 5xx, 429 or 408 | tries again, [`Limits::attempts`] times in all | `busy_servers_are_asked_again_but_not_for_ever` |
//! | closes the connection without an answer | tries again on a new one | `a_connection_closed_without_an_answer_is_replaced` |
//! | accepts and says nothing, over http or before TLS | gives up after [`Limits::answer`] or [`Limits::connect`] | `a_silent_server_is_given_up` |
//! | sends a header without end | gives up after 64 KiB, or [`Limits::answer`] | `endless_headers_are_bounded` |
//! | stops in the middle of a body | gives up after [`Limits::silence`], resumes | `a_stalled_transfer_is_resumed` |
//! | sends a byte now and then | gives up after [`Limits::window`], resumes | `a_trickling_transfer_is_given_up` |
//! | sends any body for too long | gives up after [`Limits::whole`], resumes | `a_body_is_bounded_whatever_its_pace` |
//! | announces another length than signed | refuses before the body | `too_short_and_too_long_bodies_are_refused` |
//! | sends more than signed or without end | refuses at the first byte too much | `too_short_and_too_long_bodies_are_refused`, `endless_bodies_are_bounded` |
//! | redirects for ever, or sends an endless body with it | gives up after [`Limits::redirects`], reads no such body | `redirects_are_followed_but_not_for_ever` |
//! | redirects to `file:` or from https to http | refuses | `redirects_lead_to_no_other_place` |
//! | sends a web page in place of a file | says that it is one | `a_web_page_is_called_one` |
//! | shows an older archive than before | refuses | `an_older_release_is_refused` |
//! | sends an index that unpacks to more than signed | stops at the signed size | `an_index_that_unpacks_to_more_than_was_signed_is_refused` |

use std::time::{Duration, Instant};

/// The bounds of transfers; [`Limits::default`] has those for real networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For finding the server's address, for TCP and for TLS, each. Default: 20 s.
    pub connect: Duration,
    /// From the request until the end of the answer's header. Default: 60 s.
    pub answer: Duration,
    /// Until the next piece of a body. Default: 30 s.
    pub silence: Duration,
    /// In every such window a body must bring [`Limits::least`]. Default: 60 s.
    pub window: Duration,
    /// The bytes that a body must bring in a window. Default: 64 KiB, about 1 KiB/s.
    pub least: u64,
    /// For one body, whatever its pace; the next attempt resumes. Default: 2 h.
    pub whole: Duration,
    /// For a body whose size is not known beforehand: a Release, a key. Default: 10 min.
    pub small: Duration,
    /// How many redirects one request may take. Default: 5.
    pub redirects: u32,
    /// How often a transfer is tried, at least once. Default: 4.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with each further one. Default: 400 ms.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(20),
            answer: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            window: Duration::from_secs(60),
            least: 64 << 10,
            whole: Duration::from_secs(2 * 3600),
            small: Duration::from_secs(600),
            redirects: 5,
            attempts: 4,
            pause: Duration::from_millis(400),
        }
    }
}

/// Watches that a body arrives fast enough. The time that its reader takes for other things does not
/// count: a slow disk is no slow server.
#[derive(Debug)]
pub struct Pace {
    window: Duration,
    least: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// A body that begins now.
    pub fn new(limits: &Limits) -> Self {
        Pace { window: limits.window, least: limits.least, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts `n` more bytes, which were waited for since `asked`.
    ///
    /// # Errors
    /// If they come too slowly; the text says how slowly.
    pub fn count(&mut self, n: usize, asked: Instant) -> Result<(), String> {
        self.bytes += n as u64;
        self.waited += asked.elapsed();
        if self.waited < self.window {
            return Ok(());
        }
        if self.bytes < self.least {
            let seconds = self.waited.as_secs_f64();
            return Err(format!("it is too slow: {} bytes in {seconds:.1} s", self.bytes));
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}
