//! What the baseline burns without use.

use std::fmt::{self, Write as _};

use super::page::{Prose, section};
use super::quantity;
use super::svg::Escaped;
use crate::result::RunResult;
use crate::waste::{Finding, NotJudged};

/// Draws the section, if anything was found or could not be judged.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    let waste = &result.waste;
    if waste.findings.is_empty() && waste.not_judged.is_empty() {
        return Ok(());
    }
    let lead = if waste.findings.is_empty() {
        "Nothing was found in what the baseline’s training recorded of itself."
    } else {
        "What the baseline’s training, or its inferences over the life, could have saved at best. Findings may count the same \
         joules: they do not add up."
    };
    section(out, "waste", "Waste", lead)?;
    if !waste.findings.is_empty() {
        out.push_str("<ul class=\"caveats\">");
        for Finding { kind, energy_j, share, evidence, advice } in &waste.findings {
            write!(
                out,
                "<li><b>{} · {}</b> {}: {}.<br><span class=\"hint\">To do: {}.</span></li>",
                quantity::energy(energy_j),
                quantity::percent(*share),
                kind.title(),
                Prose(evidence),
                Prose(advice),
            )?;
        }
        out.push_str("</ul>\n");
    }
    if !waste.not_judged.is_empty() {
        out.push_str(
            "<details class=\"data\"><summary>What could not be judged</summary><ul class=\"caveats\">",
        );
        for NotJudged { kind, reason } in &waste.not_judged {
            write!(out, "<li><b>{}</b> {}</li>", Escaped(kind.title()), Prose(reason))?;
        }
        out.push_str("</ul></details>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::waste::Waste;

    fn drawn(result: &RunResult) -> String {
        let mut out = String::new();
        draw(&mut out, result).unwrap();
        out
    }

    #[test]
    fn findings_come_with_what_to_do_and_the_rest_is_folded_away() {
        let mut result = fixture::result();
        let page = drawn(&result);
        assert!(page.contains("</b> training after the plateau: <code>accuracy</code> was within"), "{page}");
        assert!(page.contains("<span class=\"hint\">") && page.contains("What could not be judged"));
        result.waste.findings.clear();
        assert!(drawn(&result).contains("Nothing was found"));
        result.waste = Waste::default();
        assert_eq!(drawn(&result), "");
    }
}
