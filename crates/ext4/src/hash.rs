//! The hash by which indexed directories are sorted: `half_md4`, with the file system's seed.
//!
//! After fs/ext4/hash.c of Linux. Bytes count as signed, which is what `mke2fs` chooses on x86-64
//! and what the superblock then says (`signed_directory_hash`): every machine obeys it.

/// Hash and minor hash of a name; the first is even, its last bit has another use.
pub(crate) fn hash(name: &[u8], seed: &[u32; 4]) -> (u32, u32) {
    // Those of MD4, where a file system has no seed.
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    if seed.iter().any(|word| *word != 0) {
        state = *seed;
    }
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, &words(rest));
        rest = &rest[rest.len().min(32)..];
    }
    /// `EXT4_HTREE_EOF_32BIT << 1`: the end of a directory, no name's hash.
    const END: u32 = 0x7fff_ffff << 1;
    let hash = state[1] & !1;
    (if hash == END { END - 2 } else { hash }, state[2])
}

/// The first 32 bytes as eight words, padded with the length of the whole rest (`str2hashbuf`).
fn words(rest: &[u8]) -> [u32; 8] {
    let pad = (rest.len() as u32).wrapping_mul(0x0101);
    let pad = pad | pad << 16;
    let mut words = [pad; 8];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        *word = bytes
            .iter()
            .fold(pad, |word, byte| (word << 8).wrapping_add_signed(i32::from(byte.cast_signed())));
    }
    words
}

/// `half_md4_transform`: three rounds of eight steps.
fn transform(state: &mut [u32; 4], words: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    const ROUNDS: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (|x, y, z| z ^ (x & (y ^ z)), 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (
            |x, y, z| (x & y).wrapping_add((x ^ y) & z),
            0x5a82_7999,
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
        ),
        (|x, y, z| x ^ y ^ z, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a
                .wrapping_add(mix(b, c, d))
                .wrapping_add(words[word])
                .wrapping_add(constant)
                .rotate_left(shifts[step % 4]);
            (a, b, c, d) = (d, sum, b, c);
        }
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_debugfs_says() {
        // debugfs -R "dx_hash -h half_md4 [-s 30313233-3435-3637-3839-616263646566] NAME"
        let seed = [0x3332_3130, 0x3736_3534, 0x6261_3938, 0x6665_6463];
        let long = "x".repeat(255);
        for (name, seeded, plain) in [
            ("a", (0x6624_92d2, 0x8334_0ceb), (0xd5fa_7d7a, 0xacb4_8187)),
            ("etc", (0xedfb_9c3c, 0x6cb1_d84e), (0x0cf6_5492, 0xdc56_fef2)),
            (
                "12345678901234567890123456789012",
                (0x7d7b_603a, 0x43d8_2e37),
                (0xfa6c_c63e, 0x2f77_bd1c),
            ),
            (
                "123456789012345678901234567890123",
                (0x2763_4c46, 0xf7ac_ef25),
                (0xdc0c_2dec, 0x5ca2_3365),
            ),
            (&long, (0x9b8e_a5c0, 0x1623_db8f), (0x2aa7_169e, 0x655f_9d9c)),
            ("naïve ☂", (0x82b2_13d8, 0xa1bf_af32), (0x4fa7_8af8, 0x9b40_690d)),
        ] {
            assert_eq!(hash(name.as_bytes(), &seed), seeded, "{name}");
            assert_eq!(hash(name.as_bytes(), &[0; 4]), plain, "{name}");
        }
    }
}
