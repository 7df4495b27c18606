//! Waste as people read it.

use super::{Finding, NotJudged, Waste};

impl Finding {
    /// As in `waste: 412 J (23 %), training after the plateau: …`, and what to do on a line of its own.
    pub fn lines(&self) -> [String; 2] {
        let Self { kind, energy_j, share, evidence, advice } = self;
        let joules = joulewise_meter::Joules(energy_j.value);
        let percent = 100.0 * share;
        [
            format!("waste: {joules} ({percent:.0} %), {}: {evidence}", kind.title()),
            format!("  hint: {advice}"),
        ]
    }
}

impl Waste {
    /// Two lines for each finding.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.findings.iter().flat_map(Finding::lines)
    }
}

/// Everything, also what could not be judged.
pub fn page(waste: &Waste) -> String {
    let mut out = String::new();
    if waste.findings.is_empty() {
        out.push_str("  no waste found in what was recorded\n");
    }
    for line in waste.lines() {
        out.extend(["  ", &line, "\n"]);
    }
    for NotJudged { kind, reason } in &waste.not_judged {
        out.extend(["  not judged: ", kind.title(), ": ", reason, "\n"]);
    }
    out
}
