//! Charts as static SVG. Colours come from the page's style sheet by class, so light, dark and print share them.

pub mod axis;
pub mod bars;
pub mod label;
pub mod lines;
pub mod scale;
pub mod scatter;

use std::fmt;

/// The size of a chart in CSS pixels at its natural scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Width, labels included.
    pub width: f64,
    /// Height, labels included.
    pub height: f64,
}

impl Frame {
    /// Whether the frame is made for a phone.
    fn is_narrow(self) -> bool {
        self.width < 440.0
    }
}

/// A rectangle in the chart's coordinates, `y` growing downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Area {
    /// The area common to both, in square pixels.
    fn overlap(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn encloses(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }
}

/// Text in which `&`, `<`, `>` and quotes are written as entities.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// Opens the chart: a figure that screen readers announce by `title`.
fn open(out: &mut String, frame: Frame, class: &str, title: &str) -> fmt::Result {
    use fmt::Write as _;
    write!(
        out,
        r#"<svg class="chart {class}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"><title>{}</title>"#,
        Escaped(title),
        w = frame.width,
        h = frame.height,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_closes_nothing() {
        let text = Escaped("a<b> & \"c\" 'd' é").to_string();
        assert_eq!(text, "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; é");
    }
}
