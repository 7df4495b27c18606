//! The `joulewise` command.
fn main() {}
