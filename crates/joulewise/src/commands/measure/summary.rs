//! What was measured, as a person reads it on stderr.

use std::io::{self, Write};

use joulewise_meter::{Joules, Seconds};

use super::measurement::Measurement;

impl Measurement {
    /// Three lines: the energy; the time; what was counted, and what limits it.
    pub(super) fn summarise(&self, out: &mut impl Write) -> io::Result<()> {
        let power = Joules(self.energy_j.value) / Seconds(self.wall_s);
        writeln!(out, "joulewise: {}, {power} on average", self.energy_j)?;
        writeln!(
            out,
            "           {} of wall time, {} of CPU time",
            Seconds(self.wall_s),
            Seconds(self.cpu_s)
        )?;
        write!(out, "           {} ({})", self.scope, self.sources.join("; "))?;
        // That the energy is modelled has been said by then.
        for caveat in self.caveats.iter().filter(|caveat| caveat.code != "modelled-energy") {
            write!(out, "; {}", caveat.text)?;
            if !caveat.hint.is_empty() {
                write!(out, " ({})", caveat.hint)?;
            }
        }
        writeln!(out)
    }
}
