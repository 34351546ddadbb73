//! Writes a diagram as SVG.

use super::placement::{Bounds, MARGIN, Placement, Route};
use super::{Diagram, DiagramBox};
use crate::text;
use crate::xml::{decimal, escaped};

/// Text sizes: heading, names in boxes, other text.
const HEADING: f64 = 17.0;
const NAME: f64 = 12.0;
const TEXT: f64 = 11.0;
/// Pixels between baselines.
const LINE: f64 = 15.0;
/// Pixels around the texts of a box.
const PADDING: (f64, f64) = (11.0, 7.0);
/// Minimum and maximum width of the text of a box.
const WIDTHS: (f64, f64) = (70.0, 260.0);
/// The width of bold text relative to the embedded font.
const BOLD: f64 = 1.12;
/// Maximum lines below the name.
const MOST_LINES: usize = 4;

/// Fill and stroke of each kind of box, repeated.
const COLOURS: [(&str, &str); 9] = [
    ("#ffffff", "#5b6570"),
    ("#dbe9f7", "#4a7fb5"),
    ("#e7def4", "#7b5ea7"),
    ("#fadfe8", "#b84d77"),
    ("#dcf0de", "#4d9a5b"),
    ("#fdf2cf", "#b8932a"),
    ("#e9ecef", "#8a929a"),
    ("#fce5d4", "#c4763a"),
    ("#f3f3f3", "#999999"),
];

/// Fills of bands, alternating.
const SHADES: [&str; 2] = ["#f4f6f8", "#eaeef2"];

/// Width and height of a box.
pub fn size(one: &DiagramBox) -> (f64, f64) {
    let lines = one.lines.iter().take(MOST_LINES);
    let widest = lines.map(|line| length(line, TEXT));
    let widest = widest.fold(length(&one.title, NAME) * BOLD, f64::max);
    let width = widest.clamp(WIDTHS.0, WIDTHS.1).ceil() + 2.0 * PADDING.0;
    let lines = 1 + one.lines.len().min(MOST_LINES);
    // Even, so that the middle is a whole number.
    let width = (width / 2.0).ceil() * 2.0;
    (width, lines as f64 * LINE + 2.0 * PADDING.1)
}

/// The width of title and legend.
pub fn header_width(diagram: &Diagram) -> f64 {
    let title = length(&shortened(&diagram.title, HEADING, 900.0), HEADING) * BOLD;
    let legend: f64 = legend(diagram).iter().map(|(_, _, width)| width).sum();
    title.max(legend)
}

/// The minimum width of a band, for its name.
pub fn name_width(name: &str) -> f64 {
    (length(&shortened(name, TEXT, 400.0), TEXT) + 38.0).ceil()
}

/// The kinds that occur, with their widths.
fn legend(diagram: &Diagram) -> Vec<(usize, String, f64)> {
    let there = |kind: &usize| diagram.boxes.iter().any(|one| one.kind == *kind);
    let kinds = (0..diagram.kinds.len()).filter(there);
    kinds
        .map(|kind| {
            let name = shortened(&diagram.kinds[kind], TEXT, 200.0);
            let width = length(&name, TEXT) + 38.0;
            (kind, name, width)
        })
        .collect()
}

fn length(text: &str, size: f64) -> f64 {
    f64::from(text::length(text, size as f32))
}

fn shortened(text: &str, size: f64, room: f64) -> String {
    text::fitted(text, size as f32, room as f32)
}

/// The SVG file.
pub fn written(diagram: &Diagram, placement: &Placement) -> String {
    let (width, height) = (placement.width.ceil(), placement.height.ceil());
    let mut svg = String::new();
    let out = &mut svg;
    *out += &format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"{TEXT}\" \
         fill=\"#3c4650\">\n"
    );
    *out += "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0.5 L8 4 L0 7.5 Z\" fill=\"#66707a\"/>\
         </marker></defs>\n";
    *out += &format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n");
    header(out, diagram);
    for &(band, _, ref place) in &placement.bands {
        rectangle(out, place, (SHADES[band % 2], "none"), 8.0);
    }
    *out += "<g fill=\"none\" stroke=\"#66707a\" stroke-width=\"1.3\" stroke-linejoin=\"round\">\n";
    for route in &placement.routes {
        *out += &format!("<path d=\"{}\" marker-end=\"url(#tip)\"/>\n", path(route));
    }
    *out += "</g>\n";
    for &(band, first, ref place) in &placement.bands {
        named(out, &diagram.bands[band], band, first, place);
    }
    for (one, place) in diagram.boxes.iter().zip(&placement.boxes) {
        drawn(out, one, place);
    }
    svg.push_str("</svg>\n");
    svg
}

fn header(out: &mut String, diagram: &Diagram) {
    let title = escaped(&shortened(&diagram.title, HEADING, 900.0));
    *out += &format!(
        "<text x=\"{MARGIN}\" y=\"{}\" font-size=\"{HEADING}\" font-weight=\"bold\" \
         fill=\"#20262c\">{title}</text>\n",
        MARGIN + HEADING
    );
    let mut left = MARGIN;
    let top = MARGIN + 28.0;
    for (kind, name, width) in legend(diagram) {
        let square = Bounds {
            left,
            top,
            width: 13.0,
            height: 13.0,
        };
        rectangle(out, &square, COLOURS[kind % COLOURS.len()], 3.0);
        *out += &format!(
            "<text x=\"{}\" y=\"{}\">{}</text>\n",
            number(left + 19.0),
            number(top + 10.5),
            escaped(&name)
        );
        left += width;
    }
}

/// The name of a band, above its incoming arrows.
fn named(out: &mut String, name: &str, band: usize, first: bool, place: &Bounds) {
    let more = if first { "" } else { " …" };
    let name = shortened(&format!("{name}{more}"), TEXT, place.width - 16.0);
    let ground = Bounds {
        left: place.left + 6.0,
        top: place.top + 4.0,
        width: length(&name, TEXT) + 8.0,
        height: 15.0,
    };
    rectangle(out, &ground, (SHADES[band % 2], "none"), 0.0);
    let (x, y) = (place.left + 10.0, place.top + 16.0);
    *out += &format!(
        "<text x=\"{}\" y=\"{}\" fill=\"#7a848e\">{}</text>\n",
        number(x),
        number(y),
        escaped(&name)
    );
}

fn rectangle(out: &mut String, place: &Bounds, (fill, stroke): (&str, &str), round: f64) {
    let Bounds {
        left,
        top,
        width,
        height,
    } = *place;
    let [left, top, width, height] = [left, top, width, height].map(number);
    *out += &format!(
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\" \
         fill=\"{fill}\" stroke=\"{stroke}\"/>\n"
    );
}

fn drawn(out: &mut String, one: &DiagramBox, place: &Bounds) {
    *out += &format!(
        "<g><title>{}</title>\n",
        escaped(&shortened(&one.tip, TEXT, 4000.0))
    );
    rectangle(out, place, COLOURS[one.kind % COLOURS.len()], 6.0);
    let middle = number(place.left + place.width / 2.0);
    let room = place.width - 2.0 * PADDING.0 + 4.0;
    let mut baseline = place.top + PADDING.1 + LINE - 4.0;
    *out += &format!(
        "<text x=\"{middle}\" y=\"{}\" font-size=\"{NAME}\" font-weight=\"bold\" fill=\"#20262c\" \
         text-anchor=\"middle\">{}</text>\n",
        number(baseline),
        escaped(&shortened(&one.title, NAME, room / BOLD))
    );
    for text in one.lines.iter().take(MOST_LINES) {
        baseline += LINE;
        *out += &format!(
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            number(baseline),
            escaped(&shortened(text, TEXT, room))
        );
    }
    *out += "</g>\n";
}

/// The commands of a path: lines, and curves that start and end vertically.
fn path(route: &Route) -> String {
    let point = |(x, y): (f64, f64)| format!("{} {}", number(x), number(y));
    let mut path = format!("M{}", point(route.points[0]));
    for (two, &straight) in route.points.windows(2).zip(&route.straight) {
        let (from, to) = (two[0], two[1]);
        if straight || number(from.0) == number(to.0) {
            path += &format!(" L{}", point(to));
        } else {
            let bend = (to.1 - from.1) / 2.0;
            let (one, two) = (point((from.0, from.1 + bend)), point((to.0, to.1 - bend)));
            path += &format!(" C{one} {two} {}", point(to));
        }
    }
    path
}

/// A coordinate, rounded to 0.1 pixels.
fn number(value: f64) -> String {
    decimal(value, 1)
}
