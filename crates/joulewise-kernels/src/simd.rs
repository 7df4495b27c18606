//! Vectors of `f32` and the instruction sets that provide them.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

/// A vector of `LANES` values of type `f32`.
///
/// # Safety
/// Every method must run on a processor that has the instruction set, and is meant to be inlined into a
/// function compiled for it; pointers must be valid for the lanes that are accessed.
pub(crate) trait Simd: Copy {
    /// Values of a vector.
    const LANES: usize;
    /// The vector.
    type V: Copy;
    /// One truth value for each lane.
    type Mask: Copy;
    /// As many values of type `f64` as a vector has lanes.
    type Wide: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    /// True in the first `n` lanes; all of them where `n` is larger.
    unsafe fn first(n: usize) -> Self::Mask;
    /// Zero where the mask is false; those lanes are not accessed.
    unsafe fn load_masked(p: *const f32, mask: Self::Mask) -> Self::V;
    unsafe fn store_masked(p: *mut f32, mask: Self::Mask, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the instruction set can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger value; `b` where either is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn equal(a: Self::V, b: Self::V) -> Self::Mask;
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::Mask;
    /// `a` where the mask is true, `b` elsewhere.
    unsafe fn select(mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V;
    /// `a ∧ ¬b`
    unsafe fn and_not(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    unsafe fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    unsafe fn wide_zero() -> Self::Wide;
    unsafe fn wide_add(sum: Self::Wide, a: Self::V) -> Self::Wide;
    /// Stores all lanes.
    unsafe fn wide_store(p: *mut f64, v: Self::Wide);
}

/// Defines a function with one body that is compiled for every instruction set.
///
/// The generated function takes the [`Isa`](crate::Isa) first, panics where the processor lacks it, and
/// runs the body; within it, `$s` names the [`Simd`] type.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$s:ident>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::Isa, $($arg: $ty),*) {
            #[allow(unused_unsafe)]
            #[inline(always)]
            unsafe fn body<$s: $crate::simd::Simd>($($arg: $ty),*) { unsafe { $body } }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) { unsafe { body::<$crate::simd::avx2::Avx2>($($arg),*) } }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) { unsafe { body::<$crate::simd::avx512::Avx512>($($arg),*) } }

            isa.check();
            // SAFETY: the processor has the instruction set (just checked); each body states why its
            // pointers are valid.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::Isa::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::Isa::Avx2 => avx2($($arg),*),
                    _ => body::<$crate::simd::portable::Portable>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use for_each_isa;
