//! Memory for pieces of the image: as much as there is, used again and again.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use osb_blockmap::PIECE;
use osb_sink::Aligned;

/// How long to wait before looking whether there is still a reason to.
const TICK: Duration = Duration::from_millis(100);

/// A fixed number of buffers of [`PIECE`] bytes. Who wants one waits until there is one, which is
/// what keeps a fast source from running away from a slow disk.
#[derive(Clone)]
pub(crate) struct Buffers(Arc<Shelf>);

struct Shelf {
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    free: Vec<Aligned>,
    /// Buffers that have not been made yet.
    unmade: usize,
}

impl Buffers {
    pub(crate) fn new(count: usize) -> Buffers {
        let state = Mutex::new(State { free: Vec::new(), unmade: count });
        Buffers(Arc::new(Shelf { state, returned: Condvar::new() }))
    }

    /// A buffer with any content; `None` if there was none before it became `hopeless`.
    pub(crate) fn take(&self, hopeless: &dyn Fn() -> bool) -> Option<Buffer> {
        let mut state = self.0.state();
        loop {
            let memory = match state.free.pop() {
                Some(memory) => Some(memory),
                None if state.unmade > 0 => {
                    state.unmade -= 1;
                    Some(Aligned::new(PIECE as usize))
                }
                None => None,
            };
            if memory.is_some() {
                return Some(Buffer { memory, home: Arc::clone(&self.0) });
            }
            if hopeless() {
                return None;
            }
            let waited = self.0.returned.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`PIECE`] bytes, which return to where they came from.
pub(crate) struct Buffer {
    /// There until it is dropped.
    memory: Option<Aligned>,
    home: Arc<Shelf>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.state().free.extend(self.memory.take());
        self.home.returned.notify_one();
    }
}
