//! Tensors made by the formula of `reference/formula.py`, bit for bit.

use joulewise_learn::random::fnv1a64;

fn bits(name: &str, index: u64) -> u64 {
    let mut z = fnv1a64(name).wrapping_add(index).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers in [-1, 1).
pub(crate) fn signed(name: &str, count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| 2.0 * ((bits(name, i) >> 40) as f32 / (1u32 << 24) as f32) - 1.0).collect()
}

/// Classes.
pub(crate) fn labels(name: &str, count: usize, classes: u64) -> Vec<u16> {
    (0..count as u64).map(|i| (bits(name, i) % classes) as u16).collect()
}
