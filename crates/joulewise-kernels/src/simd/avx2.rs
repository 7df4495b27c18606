//! Eight lanes with AVX2 and FMA.

use super::Simd;
#[allow(clippy::wildcard_imports, reason = "the intrinsics carry their own prefix")]
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// A window of eight entries that starts at `8 - n` is true in its first `n` lanes.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;
    type Mask = __m256i;
    type Wide = [__m256d; 2];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn first(n: usize) -> Self::Mask {
        // SAFETY: the start is at most 8 and the table has 16 entries.
        unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n.min(8)).cast()) }
    }
    #[inline(always)]
    unsafe fn load_masked(p: *const f32, mask: Self::Mask) -> Self::V {
        unsafe { _mm256_maskload_ps(p, mask) }
    }
    #[inline(always)]
    unsafe fn store_masked(p: *mut f32, mask: Self::Mask, v: Self::V) {
        unsafe { _mm256_maskstore_ps(p, mask, v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn equal(a: Self::V, b: Self::V) -> Self::Mask {
        unsafe { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
    }
    #[inline(always)]
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::Mask {
        unsafe { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask)) }
    }
    #[inline(always)]
    unsafe fn and_not(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { _mm256_andnot_si256(b, a) }
    }
    #[inline(always)]
    unsafe fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn wide_zero() -> Self::Wide {
        unsafe { [_mm256_setzero_pd(); 2] }
    }
    #[inline(always)]
    unsafe fn wide_add(sum: Self::Wide, a: Self::V) -> Self::Wide {
        unsafe {
            let [low, high] = widen(a);
            [_mm256_add_pd(sum[0], low), _mm256_add_pd(sum[1], high)]
        }
    }
    #[inline(always)]
    unsafe fn wide_store(p: *mut f64, v: Self::Wide) {
        unsafe {
            _mm256_storeu_pd(p, v[0]);
            _mm256_storeu_pd(p.add(4), v[1]);
        }
    }
}

#[inline(always)]
unsafe fn widen(a: __m256) -> [__m256d; 2] {
    unsafe { [_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a))] }
}
