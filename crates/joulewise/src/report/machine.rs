//! Where the run was made, by which method, what limits its numbers, and the recipe to make it again.

use std::fmt::{self, Write as _};

use joulewise_meter::Caveat;

use super::page::{Prose, section};
use super::quantity;
use super::svg::Escaped;
use crate::result::RunResult;

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult, recipe: &str) -> fmt::Result {
    section(out, "machine", "Machine and method", "")?;
    let host = &result.host;
    let facts = [
        ("processor", format!("{}, {}", host.cpu, quantity::plural(host.threads, "thread"))),
        ("system", host.system.clone()),
        ("kernels", host.isa.clone()),
        ("energy sources", host.sources.join("; ")),
        ("scope", result.scope.clone()),
        ("started", host.started.clone()),
        (
            "life",
            format!(
                "{} inferences at batch {}, {} more",
                quantity::count(result.life.inferences),
                result.life.batch,
                quantity::plural(result.life.retrainings as usize, "training"),
            ),
        ),
        (
            "a candidate holds",
            format!(
                "where its {} is at most {} worse than the baseline’s, {}",
                result.metric,
                quantity::gain(result, result.admitted()).trim_start_matches('+'),
                if result.is_by_command() {
                    "by what its own training reports: the value that searches were guided by, so it flatters them a little, and its interval is unknown"
                } else {
                    "judged once on images that no search has seen"
                },
            ),
        ),
    ];
    out.push_str("<dl class=\"machine\">");
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(value))?;
    }
    out.push_str("</dl>\n");
    writeln!(
        out,
        "<p class=\"method\">Inference is compared in pairs: baseline and candidate take turns, and the ratio of each pair is taken, \
         so slow drifts of the machine cancel. All joules come from the same sources, so the scale of a source cancels in ratios \
         and break-even points; their intervals hold what does not cancel. {}</p>",
        if result.is_by_command() {
            "The evaluation command, where there is one, is run once for each model, after the candidates are frozen."
        } else {
            "The test split is read once, after the candidates are frozen."
        }
    )?;
    caveats(out, &result.caveats)?;
    if !recipe.is_empty() {
        writeln!(
            out,
            "<details class=\"data\"><summary>The recipe, every default filled in</summary><pre>{}</pre></details>",
            Escaped(recipe)
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

/// What a reader must know before quoting a number.
pub(super) fn caveats(out: &mut String, caveats: &[Caveat]) -> fmt::Result {
    if caveats.is_empty() {
        return Ok(());
    }
    out.push_str("<h3>Before you quote a number</h3>\n<ul class=\"caveats\">");
    for caveat in caveats {
        write!(out, "<li><b>{}</b> {}", Escaped(&caveat.code), Prose(&caveat.text))?;
        if !caveat.hint.is_empty() {
            write!(out, " <span class=\"hint\">{}</span>", Prose(&caveat.hint))?;
        }
        out.push_str("</li>");
    }
    out.push_str("</ul>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn pages_of_commands_claim_no_judging_images() {
        let mut result = fixture::result();
        let drawn = |result: &RunResult| {
            let mut out = String::new();
            draw(&mut out, result, "").unwrap();
            out
        };
        assert!(drawn(&result).contains("judged once on images that no search has seen"));
        result.baseline.command = Some("python train.py".to_owned());
        let page = drawn(&result);
        assert!(page.contains("by what its own training reports") && !page.contains("images that"), "{page}");
        assert!(!page.contains("test split"), "{page}");
    }
}
