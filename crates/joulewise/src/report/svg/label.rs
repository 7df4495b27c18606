//! Where labels go: beside their mark if there is room, else a little away with a line to it.

use super::Area;

/// Height of a line of text, in pixels.
pub const LINE: f64 = 15.0;

/// Width that `text` is likely to take, in pixels: fonts differ, so a little generous.
pub fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii_uppercase() || c == 'm' || c == 'w' { 9.4 } else { 7.3 }).sum()
}

/// A mark that wants a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    /// Centre of the mark.
    pub x: f64,
    /// Centre of the mark.
    pub y: f64,
    /// Radius that must stay free of labels.
    pub radius: f64,
    /// The label.
    pub text: String,
}

/// The box of a label's text and whether it lies so far off that a line should lead to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// The box of the text.
    pub area: Area,
    /// Whether a line should lead from the mark to the label.
    pub led: bool,
}

/// Places a label for each of `anchors` inside `bounds` so that they cover neither each other, nor the marks, nor
/// the `obstacles`, as far as there is room.
pub fn place(anchors: &[Anchor], obstacles: &[Area], bounds: Area) -> Vec<Placed> {
    let marks: Vec<Area> = anchors.iter().map(mark).collect();
    let mut placed: Vec<Option<Placed>> = vec![None; anchors.len()];
    // The first round sees only the labels before it, so a few more let early ones give way.
    for _ in 0..6 {
        for (i, anchor) in anchors.iter().enumerate() {
            let cost = |option: &Placed, rank: usize| {
                let others = placed.iter().enumerate().filter(|(j, _)| *j != i).filter_map(|(_, p)| *p);
                let labels: f64 = others.map(|other| other.area.overlap(&option.area)).sum();
                let covered: f64 = marks.iter().map(|mark| mark.overlap(&option.area)).sum();
                let crossed: f64 = obstacles.iter().map(|area| area.overlap(&option.area)).sum();
                let outside = if bounds.encloses(&option.area) { 0.0 } else { 1e5 };
                outside + 20.0 * labels + 12.0 * covered + 8.0 * crossed + (rank * rank) as f64 / 8.0
            };
            let best = options(anchor)
                .enumerate()
                .min_by(|(a, left), (b, right)| cost(left, *a).total_cmp(&cost(right, *b)))
                .map(|(_, option)| option);
            placed[i] = best;
        }
    }
    placed.into_iter().flatten().collect()
}

fn mark(anchor: &Anchor) -> Area {
    let Anchor { x, y, radius, .. } = *anchor;
    Area { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius }
}

/// Boxes around the mark, the most readable first: beside, above and below, then farther out.
fn options(anchor: &Anchor) -> impl Iterator<Item = Placed> + use<'_> {
    let wide = width(&anchor.text);
    [4.0, 15.0, 30.0, 48.0, 70.0].into_iter().flat_map(move |gap| {
        let far = anchor.radius + gap;
        let (near, slant) = (anchor.radius + 4.0, far * 0.75);
        [
            (far, 0.0),
            (-far - wide, 0.0),
            (slant, -slant - 2.0),
            (slant, slant + 2.0),
            (-slant - wide, -slant - 2.0),
            (-slant - wide, slant + 2.0),
            (-wide / 2.0, -far - LINE / 2.0),
            (-wide / 2.0, far + LINE / 2.0),
            (-near, -far - LINE / 2.0),
            (-near, far + LINE / 2.0),
        ]
        .into_iter()
        .map(move |(dx, dy)| {
            let (left, middle) = (anchor.x + dx, anchor.y + dy);
            let area =
                Area { left, top: middle - LINE / 2.0, right: left + wide, bottom: middle + LINE / 2.0 };
            Placed { area, led: gap > 4.0 }
        })
    })
}

/// Moves the heights in `wanted` apart until neighbours are `LINE` apart, inside `top..bottom`, keeping their order.
pub fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let step = LINE.min((bottom - top) / wanted.len().max(2).saturating_sub(1) as f64);
    let mut placed = wanted.to_vec();
    let mut limit = top;
    for &i in &order {
        placed[i] = placed[i].max(limit);
        limit = placed[i] + step;
    }
    limit = bottom;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(limit);
        limit = placed[i] - step;
    }
    placed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_of_a_crowd_do_not_cover_each_other() {
        let crowd: Vec<Anchor> = (0..8)
            .map(|i| Anchor {
                x: 300.0 + 6.0 * f64::from(i),
                y: 200.0 + f64::from(i % 3),
                radius: 5.0,
                text: format!("candidate-{i}"),
            })
            .collect();
        let bounds = Area { left: 0.0, top: 0.0, right: 600.0, bottom: 400.0 };
        let placed = place(&crowd, &[], bounds);
        for (i, a) in placed.iter().enumerate() {
            assert!(bounds.encloses(&a.area));
            for b in &placed[..i] {
                assert!(a.area.overlap(&b.area) < 1.0, "{a:?} {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn spread_heights_keep_their_distance(wanted in prop::collection::vec(0.0f64..400.0, 1..12)) {
            let mut placed = spread(&wanted, 0.0, 400.0);
            placed.sort_by(f64::total_cmp);
            prop_assert!(placed[0] >= -1e-9 && placed[placed.len() - 1] <= 400.0 + 1e-9);
            prop_assert!(placed.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 1e-9));
        }
    }
}
