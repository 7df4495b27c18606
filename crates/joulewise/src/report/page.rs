//! The page: its head, its sections in order, and the pieces that several sections share.

use std::fmt::{self, Write as _};

use joulewise_meter::event::Event;

use super::svg::{Escaped, Frame};
use super::{candidates, curves, headline, life, machine, practices, quantity, spent, trade, waste};
use crate::card::Card;
use crate::result::{RunResult, RunState, Status};

/// The report of a run as one HTML file that needs no network.
///
/// `cards` are the practices' own words; a practice without one is shown with its candidates alone.
pub fn html(result: &RunResult, events: &[Event], recipe_toml: &str, cards: &[Card]) -> String {
    let mut out = String::with_capacity(256 * 1024);
    document(&mut out, result, events, recipe_toml, cards).expect("a string takes whatever is written to it");
    out
}

fn document(
    out: &mut String,
    result: &RunResult,
    events: &[Event],
    recipe: &str,
    cards: &[Card],
) -> fmt::Result {
    let run = format!(
        "{}{} · {}",
        if result.state == RunState::Partial { "<b class=\"pill partial\">partial</b> " } else { "" },
        Escaped(&result.id),
        Escaped(result.host.started.get(..10).unwrap_or(&result.host.started)),
    );
    open(out, &result.task, &run)?;
    headline::draw(out, result)?;
    trade::draw(out, result)?;
    life::draw(out, result)?;
    candidates::draw(out, result)?;
    spent::draw(out, result)?;
    waste::draw(out, result)?;
    curves::draw(out, result, events)?;
    practices::draw(out, result, cards)?;
    machine::draw(out, result, recipe)?;
    close(out, &result.host.version)?;
    embed(out, result)?;
    write!(out, "<script>\n{}</script>\n</body>\n</html>\n", include_str!("page.js"))
}

/// Opens a page called `title`, up to its sections; `run` is HTML that tells it from others of its title.
pub(super) fn open(out: &mut String, title: &str, run: &str) -> fmt::Result {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} · Joulewise</title>\n<style>\n{}</style>\n</head>\n<body>\n",
        Escaped(title),
        include_str!("style.css"),
    )?;
    writeln!(
        out,
        "<header class=\"masthead\"><span class=\"mark\">{MARK}Joulewise</span>\
         <span class=\"task\">{}</span><span class=\"run\">{run}</span>\
         <button type=\"button\" id=\"theme\" aria-label=\"Switch between light and dark\" hidden>◐</button></header>",
        Escaped(title),
    )?;
    out.push_str("<main>\n");
    Ok(())
}

/// Closes the sections of a page.
pub(super) fn close(out: &mut String, version: &str) -> fmt::Result {
    out.push_str("</main>\n");
    writeln!(
        out,
        "<footer>Made by Joulewise {} without network or trackers; the data is embedded in this file.</footer>",
        Escaped(version)
    )
}

/// A bolt.
const MARK: &str = r#"<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M9.5 0 2.5 9h4.2L6 16l7.5-9.6H9z"/></svg>"#;

/// The result as JSON in which no text can close the script element.
fn embed(out: &mut String, result: &RunResult) -> fmt::Result {
    let json = serde_json::to_string(result).map_err(|_| fmt::Error)?;
    writeln!(out, "<script type=\"application/json\" id=\"result\">{}</script>", json.replace('<', "\\u003c"))
}

/// Opens a section with its heading and a sentence on how to read it.
pub(super) fn section(out: &mut String, id: &str, title: &str, lead: &str) -> fmt::Result {
    write!(out, "<section id=\"{id}\">\n<h2>{}</h2>\n", Escaped(title))?;
    if !lead.is_empty() {
        writeln!(out, "<p class=\"lead\">{}</p>", Prose(lead))?;
    }
    Ok(())
}

/// A chart twice, for wide and for narrow screens; the style sheet shows one.
pub(super) fn figure(
    out: &mut String,
    heights: (f64, f64),
    draw: impl Fn(&mut String, Frame) -> fmt::Result,
) -> fmt::Result {
    out.push_str("<figure><div class=\"wide\">");
    draw(out, Frame { width: 960.0, height: heights.0 })?;
    out.push_str("</div><div class=\"narrow\">");
    draw(out, Frame { width: 380.0, height: heights.1 })?;
    out.push_str("</div></figure>\n");
    Ok(())
}

/// The table behind a chart, folded away. Columns after the first hold numbers.
pub(super) fn data_table(out: &mut String, columns: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    out.push_str("<details class=\"data\"><summary>Data behind this chart</summary><div class=\"scroll\"><table><thead><tr>");
    for column in columns {
        write!(out, "<th scope=\"col\">{}</th>", Escaped(column))?;
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let tag = if i == 0 { "th scope=\"row\"" } else { "td" };
            write!(out, "<{tag}>{}</{}>", Escaped(cell), if i == 0 { "th" } else { "td" })?;
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></details>\n");
    Ok(())
}

/// A status as a word in a pill.
pub(super) fn pill(status: Status) -> String {
    let word = status.word();
    format!("<b class=\"pill {word}\">{word}</b>")
}

/// `energy`, or `modelled energy` where a counter did not read it.
pub(super) fn energy_word(result: &RunResult) -> &'static str {
    if quantity::is_modelled(result) { "modelled energy" } else { "energy" }
}

/// Escaped text in which what stands between backticks is set as code.
pub(super) struct Prose<'a>(pub(super) &'a str);

impl fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> = self.0.split('`').collect();
        let closed = parts.len() % 2 == 1;
        for (i, part) in parts.iter().enumerate() {
            match i % 2 {
                1 if closed || i + 1 < parts.len() => write!(f, "<code>{}</code>", Escaped(part))?,
                1 => write!(f, "`{}", Escaped(part))?,
                _ => write!(f, "{}", Escaped(part))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn page(result: &RunResult) -> String {
        html(result, &fixture::events(), "[train]\nlr = 1e-3\n", &fixture::cards())
    }

    /// Headings, charts, tables and cards in their order, which is what a change of the page should change.
    fn outline(page: &str) -> String {
        let body = &page[page.find("<body>").unwrap()..];
        let mut lines: Vec<String> = Vec::new();
        for piece in body.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').unwrap();
            let name = tag.split(' ').next().unwrap();
            // Only the first title of a chart is the chart's.
            let is_note = name == "title" && !lines.last().is_some_and(|line| line.starts_with("svg "));
            match name {
                _ if is_note => {}
                "h2" | "h3" | "h4" | "title" | "dt" | "summary" => lines.push(format!("{name}: {text}")),
                "section" | "svg" | "table" | "article" | "figure" => lines.push(tag.to_owned()),
                _ => {}
            }
        }
        lines.join("\n")
    }

    #[test]
    fn the_outline_of_the_page() {
        insta::assert_snapshot!(outline(&page(&fixture::result())));
    }

    #[test]
    fn every_tag_is_closed_and_nothing_is_fetched() {
        let page = page(&fixture::result());
        for name in [
            "svg", "g", "section", "figure", "table", "tr", "td", "div", "details", "article", "dl", "ul",
            "li", "text",
        ] {
            let opened =
                page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
        }
        for fetched in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\u{a0}"));
    }

    #[test]
    fn text_of_the_run_cannot_become_markup() {
        let evil = "</script><img src=x onerror=alert(1)>\"'&";
        let mut result = fixture::result();
        result.task = evil.to_owned();
        result.verdict = evil.to_owned();
        result.metric = evil.to_owned();
        result.host.cpu = evil.to_owned();
        result.caveats[0].text = evil.to_owned();
        result.ledger.entries[3].stage = evil.to_owned();
        for candidate in &mut result.candidates {
            candidate.name += evil;
            candidate.reason = evil.to_owned();
            candidate.practices = vec![evil.to_owned()];
            candidate.notes.push((evil.to_owned(), evil.to_owned()));
            candidate.metrics = candidate.metrics.values().map(|&metric| (evil.to_owned(), metric)).collect();
        }
        let page = html(&result, &fixture::events(), evil, &fixture::cards());
        assert!(!page.contains("<img"));
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn the_embedded_json_is_the_result() {
        let result = fixture::result();
        let page = page(&result);
        let (_, rest) = page.split_once("id=\"result\">").unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<RunResult>(json).unwrap(), result);
    }

    #[test]
    fn a_run_stopped_at_once_has_a_page() {
        let mut result = fixture::result();
        result.state = RunState::Partial;
        result.candidates.clear();
        result.ledger.entries.clear();
        result.baseline.metrics.clear();
        result.baseline.energy_per_inference_j.by_batch.clear();
        result.baseline.life_cost_j = None;
        let page = html(&result, &[], "", &[]);
        assert!(page.contains("partial") && !page.contains("NaN"));
    }

    #[test]
    fn the_spread_and_what_is_worth_most_stand_in_the_headline() {
        let mut result = fixture::result();
        assert!(!page(&result).contains("Worth most"));
        result.worth = Some(crate::result::Worth { gain: 0.001, energy_j: 1e4 });
        result.baseline.notes.push((crate::result::OTHER_SEEDS.to_owned(), "91.7 % on average".to_owned()));
        let page = page(&result);
        let (headline, rest) = page.split_once("<section id=\"trade\">").unwrap();
        assert!(
            headline.contains("Worth most at 0.1\u{a0}% per 10\u{a0}kJ")
                && headline.contains("tune, against")
        );
        assert!(headline.contains("The baseline with other seeds: 91.7 % on average."));
        assert!(rest.contains("tune (worth most)") && !rest.contains("(knee)"));
    }

    #[test]
    fn modelled_joules_are_called_so() {
        let page = page(&fixture::result());
        assert!(
            page.contains("All joules are modelled.") && page.contains("CPU time per inference, batch 64")
        );
    }

    #[test]
    fn code_is_set_between_backticks_only_where_they_close() {
        assert_eq!(Prose("a `b<` c").to_string(), "a <code>b&lt;</code> c");
        assert_eq!(Prose("a ` b").to_string(), "a ` b");
        assert_eq!(Prose("`a` and ` b").to_string(), "<code>a</code> and ` b");
    }
}
