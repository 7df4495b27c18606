//! The plot's frame: grid lines, round values and the names of both axes.

use std::fmt::{self, Write as _};

use super::scale::Scale;
use super::{Area, Escaped, Frame};

/// What an axis shows.
pub struct Axis<'a> {
    /// Quantity and unit, as in `CPU time per inference`.
    pub title: &'a str,
    /// From values to pixels.
    pub scale: Scale,
    /// How a round value is written.
    pub format: &'a dyn Fn(f64) -> String,
}

/// The part of `frame` that is left for the data, beside the axes and `right` pixels for labels.
pub fn plot_area(frame: Frame, right: f64) -> Area {
    let left = if frame.is_narrow() { 50.0 } else { 62.0 };
    Area { left, top: 44.0, right: frame.width - right, bottom: frame.height - 48.0 }
}

/// Draws the grid and both axes around `area`; the scales must already map onto it.
pub fn draw(out: &mut String, area: Area, x: &Axis<'_>, y: &Axis<'_>) -> fmt::Result {
    let Area { left, top, right, bottom } = area;
    let width = right - left;
    out.push_str(r#"<g class="axis">"#);
    for tick in y.scale.ticks(((bottom - top) / 52.0) as usize) {
        let at = y.scale.at(tick);
        write!(out, r#"<path class="grid" d="M{left:.1} {at:.1}H{right:.1}"/>"#)?;
        write!(
            out,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            left - 8.0,
            at + 4.0,
            Escaped(&(y.format)(tick))
        )?;
    }
    for tick in x.scale.ticks((width / 64.0) as usize) {
        let at = x.scale.at(tick);
        write!(out, r#"<path class="grid" d="M{at:.1} {top:.1}V{bottom:.1}"/>"#)?;
        write!(
            out,
            r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 20.0,
            Escaped(&(x.format)(tick))
        )?;
    }
    write!(out, r#"<path class="base" d="M{left:.1} {bottom:.1}H{right:.1}"/>"#)?;
    write!(
        out,
        r#"<text class="name" x="{right:.1}" y="{:.1}" text-anchor="end">{} →</text><text class="name" x="4" y="13">↑ {}</text></g>"#,
        bottom + 41.0,
        Escaped(x.title),
        Escaped(y.title),
    )
}
