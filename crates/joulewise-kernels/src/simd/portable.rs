//! Eight lanes in plain Rust, for any processor.

use super::Simd;

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn zip<A: Copy, B: Copy, C>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> C) -> [C; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    const LANES: usize = LANES;
    type V = [f32; LANES];
    type Mask = [bool; LANES];
    type Wide = [f64; LANES];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        unsafe { p.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn first(n: usize) -> Self::Mask {
        std::array::from_fn(|i| i < n)
    }
    #[inline(always)]
    unsafe fn load_masked(p: *const f32, mask: Self::Mask) -> Self::V {
        if mask[LANES - 1] {
            return unsafe { Self::load(p) };
        }
        let mut v = [0.0; LANES];
        for i in 0..LANES {
            if mask[i] {
                v[i] = unsafe { *p.add(i) };
            }
        }
        v
    }
    #[inline(always)]
    unsafe fn store_masked(p: *mut f32, mask: Self::Mask, v: Self::V) {
        if mask[LANES - 1] {
            return unsafe { p.cast::<Self::V>().write_unaligned(v) };
        }
        for i in 0..LANES {
            if mask[i] {
                unsafe { *p.add(i) = v[i] };
            }
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: a fused operation without the instruction is a slow library call.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn equal(a: Self::V, b: Self::V) -> Self::Mask {
        zip(a, b, |a, b| a == b)
    }
    #[inline(always)]
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::Mask {
        zip(a, b, |a, b| a > b)
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if mask[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn and_not(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        zip(a, b, |a, b| a && !b)
    }
    #[inline(always)]
    unsafe fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        zip(a, b, |a, b| a || b)
    }
    #[inline(always)]
    unsafe fn wide_zero() -> Self::Wide {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn wide_add(sum: Self::Wide, a: Self::V) -> Self::Wide {
        zip(sum, a, |s, a| s + f64::from(a))
    }
    #[inline(always)]
    unsafe fn wide_store(p: *mut f64, v: Self::Wide) {
        unsafe { p.cast::<Self::Wide>().write_unaligned(v) }
    }
}
