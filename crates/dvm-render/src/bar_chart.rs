//! Bar charts in SVG.

use std::fmt::Write;

use crate::xml::escaped;

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The label on the left.
    pub name: String,
    /// The value, at least 0.
    pub amount: f64,
    /// The label at the end of the bar, such as `2.1 ms`.
    pub label: String,
}

/// Pixels from one bar to the next.
const PITCH: usize = 22;
/// The longest bar, in pixels.
const LONGEST: f64 = 480.0;
/// The space for one character, in pixels. Names are right-aligned, so a wider one would be cut
/// off.
const CHARACTER: usize = 8;
/// Pixels around the drawing.
const MARGIN: usize = 16;

/// A horizontal bar chart. The longest bar is as wide as the chart. The same bars give the same
/// bytes.
///
/// ```
/// let bar = dvm_render::Bar { name: "conv1".into(), amount: 3.0, label: "3 ms".into() };
/// assert!(dvm_render::bar_chart("forward & back", &[bar]).contains("forward &amp; back"));
/// ```
pub fn bar_chart(title: &str, bars: &[Bar]) -> String {
    let widest = |text: &dyn Fn(&Bar) -> usize| bars.iter().map(text).max().unwrap_or(0);
    let names = MARGIN + CHARACTER * widest(&|bar| bar.name.chars().count());
    let labels = MARGIN + CHARACTER * widest(&|bar| bar.label.chars().count());
    let width =
        (names + LONGEST as usize + labels).max(2 * MARGIN + CHARACTER * title.chars().count());
    let top = 3 * PITCH;
    let height = top + PITCH * bars.len() + MARGIN;
    let most = bars.iter().map(|bar| bar.amount).fold(0.0, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"DejaVu Sans, sans-serif\" font-size=\"12\" fill=\"#262626\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"{}\" font-size=\"15\">{}</text>\n",
        3 * PITCH / 2,
        escaped(title)
    );
    for (row, bar) in bars.iter().enumerate() {
        let y = top + PITCH * row;
        let length = if most > 0.0 {
            LONGEST * bar.amount.max(0.0) / most
        } else {
            0.0
        };
        let (from, baseline) = (names + 6, y + 13);
        writeln!(
            svg,
            "<text x=\"{names}\" y=\"{baseline}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{from}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"#4c72b0\"/>\
             <text x=\"{:.1}\" y=\"{baseline}\">{}</text>",
            escaped(&bar.name),
            PITCH - 4,
            from as f64 + length + 6.0,
            escaped(&bar.label)
        )
        .expect("writing to a string does not fail");
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, amount: f64) -> Bar {
        Bar {
            name: name.into(),
            amount,
            label: format!("{amount}"),
        }
    }

    /// Widths of the bars, without the background.
    fn widths(svg: &str) -> Vec<f64> {
        let rects = svg.split("<rect x=").skip(1);
        rects
            .map(|rect| {
                let (_, rest) = rect.split_once("width=\"").unwrap();
                rest.split_once('"').unwrap().0.parse().unwrap()
            })
            .collect()
    }

    #[test]
    fn bars_have_the_length_of_their_values_and_keep_their_order() {
        let svg = bar_chart("time", &[bar("a", 1.0), bar("b", 4.0), bar("c", 2.0)]);
        assert_eq!(widths(&svg), [120.0, 480.0, 240.0]);
        let at = |name: &str| svg.find(&format!(">{name}</text>")).unwrap();
        assert!(at("a") < at("b") && at("b") < at("c"));
    }

    #[test]
    fn bars_of_zero_have_no_length() {
        assert_eq!(widths(&bar_chart("nothing", &[bar("a", 0.0)])), [0.0]);
        assert!(bar_chart("empty", &[]).ends_with("</svg>\n"));
    }

    #[test]
    fn text_is_escaped() {
        let svg = bar_chart("a < b", &[bar("\"x\" & <script>\u{7}", 1.0)]);
        assert!(svg.contains(">a &lt; b<"));
        assert!(svg.contains(">&quot;x&quot; &amp; &lt;script&gt; <"));
    }
}
