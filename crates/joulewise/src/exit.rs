//! Exit codes of the `joulewise` command, which scripts may rely on.
//!
//! `joulewise measure` is the exception: it exits with the code of the command it measured.

/// It worked.
pub const OK: u8 = 0;
/// The command worked and its answer is no, as in "no candidate holds".
pub const NO: u8 = 1;
/// Bad usage, bad input or an unexpected error; stderr says which.
pub const ERROR: u8 = 2;
/// With `measure --strict`: the command worked, and something limits what its figures mean.
pub const CAVEAT: u8 = 3;
/// Stopped by Ctrl-C; what was done by then is saved.
pub const INTERRUPTED: u8 = 130;
