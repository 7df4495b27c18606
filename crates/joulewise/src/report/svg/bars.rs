//! Horizontal bars made of segments.

use std::fmt::{self, Write as _};

use super::{Escaped, Frame, open};
use crate::report::abbreviation::abbreviated;

/// A bar.
pub struct Bar<'a> {
    /// Written at its left.
    pub label: &'a str,
    /// Written at its right.
    pub value: String,
    /// Its parts from left to right.
    pub segments: Vec<Segment>,
}

/// A part of a bar.
pub struct Segment {
    /// Its length, in the unit of the chart.
    pub length: f64,
    /// Class of the style sheet.
    pub class: &'static str,
    /// Shown when the pointer rests on it.
    pub note: String,
}

/// Draws `bars` one below the other, the longest filling the width; the height follows from their number.
pub fn draw(out: &mut String, width: f64, title: &str, bars: &[Bar<'_>]) -> fmt::Result {
    let narrow = Frame { width, height: 0.0 }.is_narrow();
    let (left, right, step) = if narrow { (0.0, 0.0, 44.0) } else { (168.0, 120.0, 30.0) };
    let frame = Frame { width, height: bars.len() as f64 * step + 6.0 };
    let longest =
        bars.iter().map(|bar| bar.segments.iter().map(|s| s.length).sum::<f64>()).fold(0.0, f64::max);
    open(out, frame, "bars", title)?;
    let names: Vec<&str> = bars.iter().map(|bar| bar.label).collect();
    for (i, (bar, name)) in bars.iter().zip(abbreviated(&names, 24)).enumerate() {
        let top = i as f64 * step + 4.0;
        let (text_y, bar_y, height) =
            if narrow { (top + 13.0, top + 19.0, 14.0) } else { (top + 15.0, top + 2.0, 18.0) };
        let (name_x, anchor) = if narrow { (0.0, "start") } else { (left - 12.0, "end") };
        write!(
            out,
            r#"<text class="name" x="{name_x}" y="{text_y:.1}" text-anchor="{anchor}">{}</text>"#,
            Escaped(&name)
        )?;
        let mut at = left;
        for segment in &bar.segments {
            let length = if longest > 0.0 { segment.length / longest * (width - left - right) } else { 0.0 };
            write!(
                out,
                r#"<rect class="bar {}" x="{at:.1}" y="{bar_y:.1}" width="{:.1}" height="{height}" rx="2"><title>{}</title></rect>"#,
                segment.class,
                // A hairline between neighbours; what is too small to see still shows as one.
                (length - 1.0).max(0.8),
                Escaped(&segment.note)
            )?;
            at += length;
        }
        let (value_x, anchor) = if narrow { (width, "end") } else { (at + 10.0, "start") };
        write!(
            out,
            r#"<text x="{value_x:.1}" y="{text_y:.1}" text-anchor="{anchor}">{}</text>"#,
            Escaped(&bar.value)
        )?;
    }
    out.push_str("</svg>");
    Ok(())
}
