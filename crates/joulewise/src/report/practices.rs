//! A card per practice: what it is in its own words, what it tried here, and what that cost.

use std::fmt::{self, Write as _};

use super::page::{Prose, energy_word, pill, section};
use super::quantity;
use super::svg::Escaped;
use crate::card::Card;
use crate::result::{Candidate, RunResult};

/// The practice that makes chains of the others.
const COMBINE: &str = "combine";

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult, cards: &[Card]) -> fmt::Result {
    if result.candidates.is_empty() && cards.is_empty() {
        return Ok(());
    }
    section(
        out,
        "practices",
        "The practices",
        "What each one does, what it tried here, and what trying cost.",
    )?;
    out.push_str("<div class=\"cards\">\n");
    for name in names(result, cards) {
        let card = cards.iter().find(|card| card.name == name);
        let tried: Vec<&Candidate> = result.candidates.iter().filter(|c| practice(c) == name).collect();
        draw_card(out, result, name, card, &tried)?;
    }
    out.push_str("</div>\n</section>\n");
    Ok(())
}

/// Practices in the order in which the run tried them, then those it did not try.
fn names<'a>(result: &'a RunResult, cards: &'a [Card]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in result.candidates.iter().map(practice).chain(cards.iter().map(|card| card.name.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The practice that answers for a candidate.
fn practice(candidate: &Candidate) -> &str {
    match candidate.practices.as_slice() {
        [] => &candidate.name,
        [only] => only,
        // As `inference`, which may run the model of another practice.
        [.., last] if *last == candidate.name => last,
        _ => COMBINE,
    }
}

fn draw_card(
    out: &mut String,
    result: &RunResult,
    name: &str,
    card: Option<&Card>,
    tried: &[&Candidate],
) -> fmt::Result {
    write!(out, "<article class=\"card\"><h3>{}</h3>", Escaped(name))?;
    if let Some(card) = card {
        paragraphs(out, &card.what)?;
    }
    out.push_str("<ul class=\"tried\">");
    for candidate in tried {
        write!(out, "<li>{}", pill(candidate.status))?;
        if candidate.name != name {
            write!(out, " <b class=\"name\">{}</b>", Escaped(&candidate.name))?;
        }
        write!(out, " <span>{}</span>", Prose(&candidate.reason))?;
        facts(out, result, candidate)?;
        out.push_str("</li>");
    }
    out.push_str("</ul>");
    if tried.is_empty() {
        out.push_str("<p class=\"untried\">Not tried in this run.</p>");
    }
    if let Some(card) = card {
        let sections = [
            ("Why it saves energy", &card.why),
            ("When it costs", &card.when),
            ("Evidence", &card.evidence),
            ("How to check", &card.check),
        ];
        if sections.iter().any(|(_, text)| !text.is_empty()) {
            out.push_str("<details><summary>More about this practice</summary>");
            for (heading, text) in sections.into_iter().filter(|(_, text)| !text.is_empty()) {
                write!(out, "<h4>{heading}</h4>")?;
                paragraphs(out, text)?;
            }
            out.push_str("</details>");
        }
    }
    out.push_str("</article>\n");
    Ok(())
}

/// The figures of a candidate and what it tells of itself.
fn facts(out: &mut String, result: &RunResult, candidate: &Candidate) -> fmt::Result {
    let mut facts: Vec<(String, String)> = Vec::new();
    if let Some(ratio) = candidate.inference_ratio() {
        facts.push((
            format!("{} per inference", quantity::ratio_word(candidate)),
            quantity::factor(ratio.value),
        ));
    }
    if let Some(gain) = result.gain_of(candidate) {
        facts.push((result.metric.clone(), quantity::gain(result, gain)));
    }
    if let Some(cost) = &candidate.cost_to_make_j {
        facts.push((format!("{} to make", energy_word(result)), quantity::energy(cost)));
    }
    if let Some(imported) = candidate.imported.as_ref().filter(|imported| imported.energy_j.is_none()) {
        let unknown = format!("unknown, because that of {} is", imported.file.display());
        facts.push((format!("{} to make", energy_word(result)), unknown));
    }
    if let Some(command) = &candidate.command {
        facts.push(("command".to_owned(), command.clone()));
    }
    facts.extend(candidate.notes.iter().cloned());
    if facts.is_empty() {
        return Ok(());
    }
    out.push_str("<dl class=\"facts\">");
    for (name, value) in &facts {
        write!(out, "<div><dt>{}</dt><dd>{}</dd></div>", Escaped(name), Escaped(value))?;
    }
    out.push_str("</dl>");
    Ok(())
}

fn paragraphs(out: &mut String, text: &str) -> fmt::Result {
    text.lines().filter(|line| !line.is_empty()).try_for_each(|line| write!(out, "<p>{}</p>", Prose(line)))
}
