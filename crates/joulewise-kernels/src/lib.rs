//! The arithmetic of the CPU engine: SIMD kernels with run-time dispatch, safe on the outside.
