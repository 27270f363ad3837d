//! Where a stream is cut: a function of its bytes, that falls into step again behind a change.
//!
//! A stream is looked at by *grains* of a fixed size, the unit in which its format places things
//! (512 bytes in a tar archive, 4096 in a file system), so what is inserted moves the rest by
//! whole grains. A cut lies before a grain whose first 64 bytes hash to a small number: the same
//! content is cut at the same places, wherever it has moved to. Looking at 64 bytes and not at
//! all is what makes it free.
//!
//! Long runs of zeroes are pieces of their own, of a fixed size. Nobody needs to store, hash or
//! compress them: their length says all.

/// Bytes at the beginning of a grain that decide whether it begins a piece.
const LOOK: usize = 64;

/// How long pieces are, in bytes. All of them are multiples of the grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    pub(crate) grain: usize,
    pub(crate) min: usize,
    /// A grain begins a piece if its hash is below this.
    pub(crate) below: u64,
    pub(crate) max: usize,
    /// Zeroes from so many on are pieces of their own.
    pub(crate) zero_run: usize,
    /// Such a piece has so many at most.
    pub(crate) zero_piece: u64,
}

impl Cuts {
    /// Pieces of `average` bytes, but at least a quarter of that, and at most five times it.
    /// Zeroes from a quarter of it on are pieces of their own, of at most `zero_piece` bytes.
    ///
    /// # Panics
    /// If the grain is not 64 bytes at least, or the others are no multiples of four grains.
    pub const fn new(grain: usize, average: usize, zero_piece: usize) -> Cuts {
        assert!(grain >= LOOK && average > 0);
        assert!(average.is_multiple_of(4 * grain) && zero_piece.is_multiple_of(4 * grain));
        assert!(zero_piece >= average);
        let min = average / 4;
        Cuts {
            grain,
            min,
            // Behind the least length, one in so many grains begins a piece.
            below: u64::MAX / ((average - min) / grain) as u64,
            max: 4 * average,
            zero_run: min,
            zero_piece: zero_piece as u64,
        }
    }

    /// The longest piece that is not all zeroes.
    pub(crate) fn longest(&self) -> usize {
        self.max + self.zero_run
    }

    /// Whether this grain may begin a piece. Never one that begins with zeroes: in them all
    /// grains are alike, and nothing to hold on to.
    pub(crate) fn begins(&self, grain: &[u8]) -> bool {
        let Some(look) = grain.first_chunk::<LOOK>() else { return false };
        let (mut hash, mut any) = (0u64, 0);
        for word in look.chunks_exact(8) {
            let word = u64::from_le_bytes([
                word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
            ]);
            any |= word;
            // The multiplier of Knuth's multiplicative hashing for 64 bits, 2^64 / golden ratio.
            hash = (hash.rotate_left(29) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        // The last word has not yet reached the upper bits evenly.
        hash = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        any != 0 && hash < self.below
    }
}
