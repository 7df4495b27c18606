//! One handwritten image of a character.

use super::SIDE;
use super::strokes::{Character, Point, Stroke};
use crate::random::Stream;

/// Straight pieces between two points of a curve.
const PIECES: usize = 5;
/// Control points of the elastic distortion along each side of the character's box.
const LATTICE: usize = 5;

/// Draws one form of `character` into `image`, `SIDE · SIDE` bytes, with all that a hand, a pen and a
/// camera change about it.
pub(super) fn write(character: &Character, draw: &mut Stream, image: &mut [u8]) {
    let form = character.forms[draw.below(character.forms.len())];
    let hand = Hand::drawn(draw);
    let half_width = draw.uniform(0.6, 1.9);
    // How far the edge of a stroke fades, in pixels; 1 is a sharp image.
    let blur = draw.uniform(1.0, 2.6);
    let paper = draw.uniform(0.0, 0.15);
    let ink = draw.uniform(0.45, 1.0);
    let noise = draw.uniform(0.02, 0.12);

    let mut distances = [f32::INFINITY; SIDE * SIDE];
    let mut points = Vec::with_capacity(64);
    for stroke in form {
        trace(stroke, draw, &mut points);
        for point in &mut points {
            *point = hand.place(*point);
        }
        for ends in points.windows(2) {
            near_segment(ends[0], ends[1], half_width + blur, &mut distances);
        }
    }
    if draw.below(3) == 0 {
        let (from, to) = scratch(draw);
        near_segment(from, to, half_width + blur, &mut distances);
    }
    for (pixel, &squared) in image.iter_mut().zip(&distances) {
        let inside = ((half_width - squared.sqrt()) / blur + 0.5).clamp(0.0, 1.0);
        let covered = inside * inside * (3.0 - 2.0 * inside);
        let level = paper + (ink - paper) * covered + noise * normal(draw);
        *pixel = (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
}

/// A short stroke that belongs to no character, anywhere in the image.
fn scratch(draw: &mut Stream) -> (Point, Point) {
    let from = (draw.uniform(2.0, SIDE as f32 - 2.0), draw.uniform(2.0, SIDE as f32 - 2.0));
    (from, (from.0 + draw.uniform(-7.0, 7.0), from.1 + draw.uniform(-7.0, 7.0)))
}

/// Close to a normal draw of mean 0 and deviation 1: the sum of eight uniform bytes, whose mean is 1020
/// and whose variance is 8 · (256² − 1) / 12.
fn normal(draw: &mut Stream) -> f32 {
    let sum: u32 = draw.bits().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 1020.0) * (1.0 / 209.021)
}

/// The points of a stroke, each a little off its place, curves cut into straight pieces.
fn trace(stroke: &Stroke, draw: &mut Stream, points: &mut Vec<Point>) {
    let mut loose =
        |&(x, y): &Point| (x - 0.5 + draw.uniform(-0.085, 0.085), y - 0.5 + draw.uniform(-0.085, 0.085));
    points.clear();
    match stroke {
        Stroke::Line(corners) => points.extend(corners.iter().map(loose)),
        Stroke::Curve(knots) => {
            let knots: Vec<Point> = knots.iter().map(&mut loose).collect();
            let last = knots.len() - 1;
            spline(last, points, |knot| knots[knot.saturating_sub(1).min(last)]);
        }
        Stroke::Loop(knots) => {
            let knots: Vec<Point> = knots.iter().map(&mut loose).collect();
            spline(knots.len(), points, |knot| knots[(knot + knots.len() - 1) % knots.len()]);
        }
    }
}

/// Catmull–Rom spline over `spans` spans; `knot(i)` is the knot before the beginning of span `i`.
fn spline(spans: usize, points: &mut Vec<Point>, knot: impl Fn(usize) -> Point) {
    points.push(knot(1));
    for span in 0..spans {
        let [a, b, c, d] = [knot(span), knot(span + 1), knot(span + 2), knot(span + 3)];
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let at = |a: f32, b: f32, c: f32, d: f32| {
                let slope = c - a;
                let bend = 2.0 * a - 5.0 * b + 4.0 * c - d;
                let twist = 3.0 * (b - c) + d - a;
                b + 0.5 * t * (slope + t * (bend + t * twist))
            };
            points.push((at(a.0, b.0, c.0, d.0), at(a.1, b.1, c.1, d.1)));
        }
    }
}

/// How one hand deforms and places a character.
struct Hand {
    /// Rows of the linear map from the box to pixels.
    matrix: [[f32; 2]; 2],
    /// Where the middle of the box comes to lie, in pixels.
    middle: Point,
    /// Displacements at the control points, in parts of the box.
    lattice: [[Point; LATTICE]; LATTICE],
}

impl Hand {
    fn drawn(draw: &mut Stream) -> Self {
        // Tangent of half the angle: rotations without sines.
        let half = draw.uniform(-0.12, 0.12);
        let (cos, sin) = ((1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half));
        let shear = draw.uniform(-0.22, 0.22);
        let (wide, high) = (draw.uniform(14.5, 19.5), draw.uniform(17.0, 21.0));
        let matrix = [[cos * wide, (cos * shear - sin) * high], [sin * wide, (sin * shear + cos) * high]];
        let centre = (SIDE as f32 - 1.0) / 2.0;
        let middle = (centre + draw.uniform(-1.0, 1.0), centre + draw.uniform(-1.0, 1.0));
        let mut lattice = [[(0.0, 0.0); LATTICE]; LATTICE];
        for point in lattice.as_flattened_mut() {
            *point = (draw.uniform(-0.27, 0.27), draw.uniform(-0.27, 0.27));
        }
        Self { matrix, middle, lattice }
    }

    /// From the box around (0, 0) to pixels.
    fn place(&self, (x, y): Point) -> Point {
        let (along, row) = weights(x);
        let (down, column) = weights(y);
        let (mut dx, mut dy) = (x, y);
        for (i, wy) in column.into_iter().enumerate() {
            for (j, wx) in row.into_iter().enumerate() {
                let (px, py) = self.lattice[down + i][along + j];
                dx += wx * wy * px;
                dy += wx * wy * py;
            }
        }
        let [[a, b], [c, d]] = self.matrix;
        (self.middle.0 + a * dx + b * dy, self.middle.1 + c * dx + d * dy)
    }
}

/// The first of the four control points that matter at `x` in −½…½, and their cubic B-spline weights.
fn weights(x: f32) -> (usize, [f32; 4]) {
    let cells = (LATTICE - 3) as f32;
    let place = ((x + 0.5) * cells).clamp(0.0, cells - 0.001);
    let cell = place as usize;
    let t = place - cell as f32;
    let u = 1.0 - t;
    let weights =
        [u * u * u, 3.0 * t * t * t - 6.0 * t * t + 4.0, 3.0 * u * u * u - 6.0 * u * u + 4.0, t * t * t];
    (cell, weights.map(|weight| weight / 6.0))
}

/// Lowers the squared distances of the pixels within `reach` of the segment from `a` to `b`.
fn near_segment(a: Point, b: Point, reach: f32, distances: &mut [f32; SIDE * SIDE]) {
    let span = |p: f32, q: f32| {
        let first = (p.min(q) - reach).ceil().clamp(0.0, SIDE as f32) as usize;
        let last = (p.max(q) + reach + 1.0).floor().clamp(0.0, SIDE as f32) as usize;
        first..last.max(first)
    };
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let inverse = 1.0 / (dx * dx + dy * dy).max(1e-6);
    let columns = span(a.0, b.0);
    for row in span(a.1, b.1) {
        let y = row as f32 - a.1;
        let pixels = &mut distances[row * SIDE..(row + 1) * SIDE][columns.clone()];
        for (pixel, column) in pixels.iter_mut().zip(columns.clone()) {
            let x = column as f32 - a.0;
            let along = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
            let (ex, ey) = (x - along * dx, y - along * dy);
            *pixel = pixel.min(ex * ex + ey * ey);
        }
    }
}
