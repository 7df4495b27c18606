//! What each model costs over its life, and from how many inferences on it is the cheaper one.

use std::fmt;

use super::page::{data_table, energy_word, figure, section};
use super::quantity;
use super::svg::axis::Axis;
use super::svg::lines::{Lines, Marked, Series};
use super::svg::scale::Scale;
use super::svg::scatter::Look;
use super::trade::look;
use crate::ledger::Outlay;
use crate::result::{BreakEven, Candidate, Life, RunResult, Status};

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    let mut lives: Vec<(&Candidate, Outlay)> =
        result.models().filter_map(|model| Some((model, Outlay::of(model, &result.life)?))).collect();
    if lives.len() < 2 || result.life.inferences == 0.0 {
        return Ok(());
    }
    // The lines that matter are drawn over the others.
    lives.sort_by_key(|(model, _)| match look(result, model) {
        Look::Drops => 0,
        Look::Holds => 1,
        Look::Baseline => 2,
        Look::Best => 3,
    });
    let retrainings = match result.life.retrainings {
        0.0 => "it is never trained again".to_owned(),
        1.0 => "it is trained once more".to_owned(),
        n => format!("it is trained {} times more", quantity::count(n)),
    };
    section(
        out,
        "life",
        "Life cost against number of inferences",
        &format!(
            "Making the model, and then running it: {retrainings}. A ring marks where a model has paid for itself against the baseline, with its 95 % interval."
        ),
    )?;
    let x_scale = inferences(result, &lives);
    let series: Vec<Series<'_>> =
        lives.iter().map(|(model, outlay)| line(result, model, outlay, &x_scale)).collect();
    let modelled = if quantity::is_modelled(result) { ", modelled" } else { "" };
    let here = format!("this life: {}", quantity::count(result.life.inferences));
    let x_format = |value: f64| quantity::tick(value, "");
    let y_format = |value: f64| quantity::tick(value, "J");
    let chart = Lines {
        title: "Energy over the life of each model against its number of inferences, both logarithmic",
        x: Axis { title: "inferences", scale: x_scale, format: &x_format },
        y: Axis {
            title: &format!("joules over the life{modelled}"),
            scale: Scale::log(series.iter().flat_map(|s| s.points.iter().map(|&(_, joules)| joules))),
            format: &y_format,
        },
        here: Some((result.life.inferences, &here)),
        series: &series,
    };
    figure(out, (500.0, 470.0), |out, frame| chart.draw(out, frame))?;
    let rows: Vec<Vec<String>> =
        lives.iter().rev().map(|(model, outlay)| row(result, model, outlay)).collect();
    let energy = energy_word(result);
    data_table(
        out,
        &[
            "model",
            &format!("once, {energy}"),
            "per training",
            "per inference",
            "this life",
            "break-even [95 % interval]",
        ],
        &rows,
    )?;
    out.push_str("</section>\n");
    Ok(())
}

/// From where making a model is all its cost, past this life and the break-even points near it.
fn inferences(result: &RunResult, lives: &[(&Candidate, Outlay)]) -> Scale {
    let life = result.life.inferences.max(1.0);
    let holding = lives.iter().filter(|(model, _)| model.status == Status::Holds);
    let points = holding.filter_map(|(model, _)| match model.break_even {
        BreakEven::At { n, .. } | BreakEven::Until { n, high: Some(_), .. } => Some(n),
        _ => None,
    });
    // A point more than a hundred lives away concerns nobody.
    let near = points.filter(|n| (life / 1e2..life * 1e2).contains(n));
    let (low, high) = near.fold((life / 30.0, life * 6.0), |(low, high), n| (n.min(low), n.max(high)));
    Scale::log([]).spanning((low / 2.0).max(1.0), high * 2.0)
}

fn line<'a>(result: &RunResult, model: &'a Candidate, outlay: &Outlay, x: &Scale) -> Series<'a> {
    let joules = |inferences: f64| outlay.over(&Life { inferences, ..result.life }).value;
    let (from, to) = x.domain();
    let marked = match model.break_even {
        BreakEven::At { n, low, high } | BreakEven::Until { n, low, high } if (from..to).contains(&n) => {
            Some(Marked { x: n, y: joules(n), low, high: high.unwrap_or(n) })
        }
        _ => None,
    };
    Series {
        label: &model.name,
        note: format!(
            "{}: {} over this life; break-even {}",
            model.name,
            quantity::joules(joules(result.life.inferences)),
            quantity::break_even_interval(&model.break_even)
        ),
        class: look(result, model).class().to_owned(),
        points: x.steps(40).map(|n| (n, joules(n))).collect(),
        marked,
    }
}

fn row(result: &RunResult, model: &Candidate, outlay: &Outlay) -> Vec<String> {
    let break_even = if result.is_baseline(model) {
        "–".to_owned()
    } else {
        quantity::break_even_interval(&model.break_even)
    };
    vec![
        model.name.clone(),
        quantity::energy(&outlay.once),
        quantity::energy(&outlay.training),
        quantity::energy(&outlay.per_inference),
        quantity::energy(&outlay.over(&result.life)),
        break_even,
    ]
}
