//! Lines with their name at the right end, and points marked on them.

use std::fmt::{self, Write as _};

use super::axis::{self, Axis};
use super::{Escaped, Frame, label, open};
use crate::report::abbreviation::abbreviated;

/// A line of a chart.
pub struct Series<'a> {
    /// Written at its right end.
    pub label: &'a str,
    /// Shown when the pointer rests on it.
    pub note: String,
    /// Classes of the style sheet, as in `best`.
    pub class: String,
    /// The line's points from left to right.
    pub points: Vec<(f64, f64)>,
    /// A point to mark on it, with an interval along the horizontal axis; the ends may lie outside the chart.
    pub marked: Option<Marked>,
}

/// A point marked on a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marked {
    /// Where.
    pub x: f64,
    /// The line's height there.
    pub y: f64,
    /// Lower end of the interval of `x`.
    pub low: f64,
    /// Upper end of the interval of `x`.
    pub high: f64,
}

/// A chart of lines.
pub struct Lines<'a> {
    /// What it shows, for screen readers.
    pub title: &'a str,
    /// Horizontal axis.
    pub x: Axis<'a>,
    /// Vertical axis.
    pub y: Axis<'a>,
    /// A value of `x` to point out, with its label.
    pub here: Option<(f64, &'a str)>,
    /// The lines; later ones are drawn over earlier ones.
    pub series: &'a [Series<'a>],
}

impl Lines<'_> {
    /// Draws the chart into `frame`.
    pub fn draw(&self, out: &mut String, frame: Frame) -> fmt::Result {
        let most = if frame.is_narrow() { 14 } else { (frame.width as usize / 21).min(26) };
        let names: Vec<&str> = self.series.iter().map(|series| series.label).collect();
        let names = abbreviated(&names, most);
        let margin = names.iter().map(|name| label::width(name)).fold(0.0, f64::max) + 26.0;
        let area = axis::plot_area(frame, margin);
        let x = Axis { scale: self.x.scale.onto(area.left, area.right), ..self.x };
        let y = Axis { scale: self.y.scale.onto(area.bottom, area.top), ..self.y };
        open(out, frame, "lines", self.title)?;
        axis::draw(out, area, &x, &y)?;
        if let Some((value, text)) = self.here {
            let at = x.scale.at(value);
            write!(out, r#"<path class="here" d="M{at:.1} {:.1}V{:.1}"/>"#, area.top - 6.0, area.bottom)?;
            write!(
                out,
                r#"<text class="here" x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                area.top - 11.0,
                Escaped(text)
            )?;
        }
        let ends: Vec<f64> = self
            .series
            .iter()
            .map(|s| s.points.last().map_or(area.bottom, |&(_, value)| y.scale.at(value)))
            .collect();
        let heights = label::spread(&ends, area.top, area.bottom);
        for (((series, name), end), height) in self.series.iter().zip(&names).zip(ends).zip(heights) {
            write!(
                out,
                r#"<g class="series {}"><title>{}</title><path class="line" d=""#,
                Escaped(&series.class),
                Escaped(&series.note)
            )?;
            for (i, &(at, value)) in series.points.iter().enumerate() {
                write!(
                    out,
                    "{}{:.1} {:.1}",
                    if i == 0 { 'M' } else { 'L' },
                    x.scale.at(at),
                    y.scale.at(value)
                )?;
            }
            let from = series.points.last().map_or(area.right, |&(at, _)| x.scale.at(at));
            write!(
                out,
                r#""/><path class="leader" d="M{:.1} {end:.1}L{:.1} {height:.1}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                from + 2.0,
                area.right + 15.0,
                area.right + 19.0,
                height + 4.0,
                Escaped(name)
            )?;
            if let Some(marked) = series.marked {
                let (at, high) = (x.scale.at(marked.x), y.scale.at(marked.y));
                write!(
                    out,
                    r#"<path class="reach" d="M{:.1} {high:.1}H{:.1}"/><circle class="ring" cx="{at:.1}" cy="{high:.1}" r="4.5"/>"#,
                    x.scale.at(marked.low),
                    x.scale.at(marked.high)
                )?;
            }
            out.push_str("</g>");
        }
        out.push_str("</svg>");
        Ok(())
    }
}
