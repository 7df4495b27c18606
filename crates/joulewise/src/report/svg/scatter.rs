//! Labelled points with their intervals, and the front of the best ones.

use std::fmt::{self, Write as _};

use super::axis::{self, Axis};
use super::label::{self, Anchor, Placed};
use super::{Area, Escaped, Frame, open};
use crate::report::abbreviation::abbreviated;

/// A point of a scatter chart.
pub struct Mark {
    /// Written beside the point.
    pub label: String,
    /// Written behind the label, in full.
    pub remark: String,
    /// Shown when the pointer rests on it.
    pub note: String,
    /// Class and shape of the point.
    pub look: Look,
    /// Best estimate and interval along the horizontal axis.
    pub x: (f64, f64, f64),
    /// Best estimate and interval along the vertical axis.
    pub y: (f64, f64, f64),
}

/// How a point is told apart, by shape as well as by colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A square in the colour of text.
    Baseline,
    /// A large filled circle.
    Best,
    /// A filled circle.
    Holds,
    /// A cross.
    Drops,
}

impl Look {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Best => "best",
            Self::Holds => "holds",
            Self::Drops => "drops",
        }
    }

    /// Draws the shape around `(x, y)`.
    fn draw(self, out: &mut String, x: f64, y: f64) -> fmt::Result {
        match self {
            Self::Baseline => {
                write!(
                    out,
                    r#"<rect class="dot" x="{:.1}" y="{:.1}" width="11" height="11" rx="1.5"/>"#,
                    x - 5.5,
                    y - 5.5
                )
            }
            Self::Best => write!(out, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="7.5"/>"#),
            Self::Holds => write!(out, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="5.5"/>"#),
            Self::Drops => {
                write!(out, r#"<path class="cross" d="M{:.1} {:.1}l9 9m0-9l-9 9"/>"#, x - 4.5, y - 4.5)
            }
        }
    }
}

/// A scatter chart.
pub struct Scatter<'a> {
    /// What it shows, for screen readers.
    pub title: &'a str,
    /// Horizontal axis.
    pub x: Axis<'a>,
    /// Vertical axis.
    pub y: Axis<'a>,
    /// A value below which points do not hold, with its label.
    pub limit: Option<(f64, String)>,
    /// The points.
    pub marks: &'a [Mark],
    /// Indices of the points on the front, from left to right.
    pub front: &'a [usize],
    /// Whether larger values of `y` are better, so that the front steps down to the left.
    pub rising: bool,
}

impl Scatter<'_> {
    /// Draws the chart into `frame`.
    pub fn draw(&self, out: &mut String, frame: Frame) -> fmt::Result {
        let area = axis::plot_area(frame, 14.0);
        let x = Axis { scale: self.x.scale.onto(area.left + 10.0, area.right), ..self.x };
        let y = Axis { scale: self.y.scale.onto(area.bottom - 6.0, area.top), ..self.y };
        open(out, frame, "scatter", self.title)?;
        axis::draw(out, area, &x, &y)?;
        self.draw_limit(out, area, &y)?;
        let front = self.front_path(area, &x, &y);
        if let Some((start, rest)) = front.split_first() {
            write!(out, r#"<path class="front" d="M{:.1} {:.1}"#, start.0, start.1)?;
            rest.iter().try_for_each(|(x, y)| write!(out, "L{x:.1} {y:.1}"))?;
            out.push_str(r#""/>"#);
        }
        for mark in self.marks {
            draw_bars(out, mark, &x, &y)?;
        }
        let names: Vec<&str> = self.marks.iter().map(|mark| mark.label.as_str()).collect();
        let names = abbreviated(&names, if frame.is_narrow() { 20 } else { 40 });
        let anchor = |(mark, name): (&Mark, String)| Anchor {
            x: x.scale.at(mark.x.0),
            y: y.scale.at(mark.y.0),
            radius: 7.0,
            text: name + &mark.remark,
        };
        let anchors: Vec<Anchor> = self.marks.iter().zip(names).map(anchor).collect();
        let mut obstacles: Vec<Area> = self.marks.iter().flat_map(|mark| bars(mark, &x, &y)).collect();
        obstacles.extend(self.limit_text(area, &y));
        obstacles.extend(front.windows(2).map(|ends| stroke(ends[0], ends[1])));
        let bounds = Area {
            left: area.left + 2.0,
            top: area.top - 8.0,
            right: area.right + 10.0,
            bottom: area.bottom - 2.0,
        };
        let places = label::place(&anchors, &obstacles, bounds);
        for ((mark, anchor), placed) in self.marks.iter().zip(&anchors).zip(&places) {
            draw_mark(out, mark, anchor, placed)?;
        }
        out.push_str("</svg>");
        Ok(())
    }

    /// The region in which points do not hold.
    fn draw_limit(&self, out: &mut String, area: Area, y: &Axis<'_>) -> fmt::Result {
        let (Some((limit, text)), Some(place)) = (&self.limit, self.limit_text(area, y)) else {
            return Ok(());
        };
        let at = y.scale.at(*limit);
        let edge = if self.rising { area.bottom } else { area.top };
        let Area { left, right, .. } = area;
        write!(
            out,
            r#"<rect class="beyond" x="{left:.1}" y="{:.1}" width="{:.1}" height="{:.1}"/>"#,
            at.min(edge),
            right - left,
            (edge - at).abs()
        )?;
        write!(
            out,
            r#"<path class="limit" d="M{left:.1} {at:.1}H{right:.1}"/><text class="limit" x="{:.1}" y="{:.1}">{}</text>"#,
            place.left,
            place.bottom - 3.5,
            Escaped(text)
        )
    }

    /// The box of the limit's label, on the side where points do not hold.
    fn limit_text(&self, area: Area, y: &Axis<'_>) -> Option<Area> {
        let (limit, text) = self.limit.as_ref()?;
        let at = y.scale.at(*limit);
        let top = if self.rising { at + 3.0 } else { at - label::LINE - 3.0 };
        let left = area.left + 8.0;
        Some(Area { left, top, right: left + label::width(text), bottom: top + label::LINE })
    }

    /// The corners of the step line that no point lies beyond.
    fn front_path(&self, area: Area, x: &Axis<'_>, y: &Axis<'_>) -> Vec<(f64, f64)> {
        let mut path: Vec<(f64, f64)> = Vec::new();
        for &i in self.front {
            let (at, high) = (x.scale.at(self.marks[i].x.0), y.scale.at(self.marks[i].y.0));
            path.extend(path.last().map(|corner| (at, corner.1)));
            path.push((at, high));
        }
        path.extend(path.last().map(|corner| (area.right, corner.1)));
        path
    }
}

fn draw_bars(out: &mut String, mark: &Mark, x: &Axis<'_>, y: &Axis<'_>) -> fmt::Result {
    let [across, up] = bars(mark, x, y);
    let (mid_x, mid_y) = (x.scale.at(mark.x.0), y.scale.at(mark.y.0));
    write!(
        out,
        r#"<path class="interval {}" d="M{:.1} {mid_y:.1}H{:.1}M{mid_x:.1} {:.1}V{:.1}"/>"#,
        mark.look.class(),
        across.left,
        across.right,
        up.top,
        up.bottom
    )
}

/// The point, its label, and the line between them where the label lies off.
fn draw_mark(out: &mut String, mark: &Mark, anchor: &Anchor, placed: &Placed) -> fmt::Result {
    let Area { left, right, top, bottom } = placed.area;
    write!(out, r#"<g class="mark {}"><title>{}</title>"#, mark.look.class(), Escaped(&mark.note))?;
    if placed.led {
        let (to_x, to_y) = (anchor.x.clamp(left, right), anchor.y.clamp(top + 3.0, bottom - 3.0));
        write!(out, r#"<path class="leader" d="M{:.1} {:.1}L{to_x:.1} {to_y:.1}"/>"#, anchor.x, anchor.y)?;
    }
    mark.look.draw(out, anchor.x, anchor.y)?;
    // Text is anchored on the side of its mark, so that a font narrower than expected stays beside it.
    let (at, side) = match () {
        () if left >= anchor.x => (left, "start"),
        () if right <= anchor.x => (right, "end"),
        () => (f64::midpoint(left, right), "middle"),
    };
    write!(
        out,
        r#"<text x="{at:.1}" y="{:.1}" text-anchor="{side}">{}</text></g>"#,
        bottom - 3.5,
        Escaped(&anchor.text)
    )
}

/// The box of a horizontal or vertical stroke.
fn stroke(a: (f64, f64), b: (f64, f64)) -> Area {
    Area {
        left: a.0.min(b.0) - 1.0,
        right: a.0.max(b.0) + 1.0,
        top: a.1.min(b.1) - 1.0,
        bottom: a.1.max(b.1) + 1.0,
    }
}

/// The boxes of a mark's two interval bars.
fn bars(mark: &Mark, x: &Axis<'_>, y: &Axis<'_>) -> [Area; 2] {
    let (mid_x, mid_y) = (x.scale.at(mark.x.0), y.scale.at(mark.y.0));
    let (left, right) = (x.scale.at(mark.x.1), x.scale.at(mark.x.2));
    let (a, b) = (y.scale.at(mark.y.1), y.scale.at(mark.y.2));
    [
        Area { left, right, top: mid_y - 1.0, bottom: mid_y + 1.0 },
        Area { left: mid_x - 1.0, right: mid_x + 1.0, top: a.min(b), bottom: a.max(b) },
    ]
}
