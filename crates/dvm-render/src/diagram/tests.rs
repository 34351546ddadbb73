//! In every diagram, boxes do not overlap, and arrows go around boxes.

use super::placement::{Bounds, Placement, Route};
use super::*;

/// Random numbers from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        // Knuth's MMIX generator; its high bits are the better ones.
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }
}

/// A diagram with chains, branches and long arrows, in bands.
fn random(seed: u64) -> Diagram {
    let mut draw = Draw(seed);
    let count = 2 + draw.below(60);
    let mut arrows = Vec::new();
    for to in 1..count {
        let near = 1 + draw.below(3.min(to));
        arrows.push((to - near, to));
        if draw.below(3) == 0 {
            arrows.push((draw.below(to), to));
        }
    }
    arrows.sort_unstable();
    arrows.dedup();
    let boxes = (0..count).map(|index| DiagramBox {
        title: "layer".repeat(1 + draw.below(6)),
        lines: vec!["64 × 112 × 112".into(); draw.below(4)],
        kind: draw.below(9),
        band: Some(index * 4 / count),
        ..DiagramBox::default()
    });
    Diagram {
        title: format!("seed {seed}"),
        boxes: boxes.collect(),
        kinds: vec!["kind".into(); 9],
        bands: ["one", "two", "three", "four"].map(String::from).to_vec(),
        arrows,
    }
}

/// A chain with a shortcut around every three boxes, and bands that end with shortcuts.
fn blocks(count: usize) -> Diagram {
    let boxes = (0..count).map(|index| DiagramBox {
        title: format!("layer {index}"),
        lines: vec!["conv 3×3".into()],
        band: Some(index.saturating_sub(1) / 12),
        ..DiagramBox::default()
    });
    let chain = (1..count).map(|index| (index - 1, index));
    let shortcuts = (3..count).step_by(3).map(|index| (index - 3, index));
    Diagram {
        boxes: boxes.collect(),
        bands: (0..count.div_ceil(12))
            .map(|band| format!("stage {band}"))
            .collect(),
        arrows: chain.chain(shortcuts).collect(),
        ..Diagram::default()
    }
}

impl Bounds {
    fn right(&self) -> f64 {
        self.left + self.width
    }
}

fn apart(a: &Bounds, b: &Bounds) -> bool {
    a.right() <= b.left || b.right() <= a.left || a.bottom() <= b.top || b.bottom() <= a.top
}

fn inside(placement: &Placement, place: &Bounds) -> bool {
    place.left >= 0.0
        && place.top >= 0.0
        && place.right() <= placement.width
        && place.bottom() <= placement.height
}

fn check(diagram: &Diagram) -> Placement {
    let placement = placed(diagram).unwrap();
    let about = &diagram.title;
    for (index, place) in placement.boxes.iter().enumerate() {
        assert!(
            inside(&placement, place),
            "{about}: box {index} at {place:?}"
        );
        for (other, beside) in placement.boxes.iter().enumerate().skip(index + 1) {
            assert!(apart(place, beside), "{about}: boxes {index} and {other}");
        }
    }
    for (&(from, to), route) in diagram.arrows.iter().zip(&placement.routes) {
        let (source, target) = (placement.boxes[from], placement.boxes[to]);
        let (first, last) = (route.points[0], *route.points.last().unwrap());
        assert_eq!(first, (source.left + source.width / 2.0, source.bottom()));
        assert_eq!(last, (target.left + target.width / 2.0, target.top));
        assert_eq!(route.straight.len() + 1, route.points.len());
        around(about, &placement, route);
    }
    let bands = &placement.bands;
    for (index, (_, _, band)) in bands.iter().enumerate() {
        assert!(inside(&placement, band), "{about}: band {index}");
        let mut others = bands[index + 1..].iter();
        assert!(
            others.all(|(_, _, other)| apart(band, other)),
            "{about}: band {index}"
        );
    }
    for (one, place) in diagram.boxes.iter().zip(&placement.boxes) {
        let holds = |band: &Bounds| {
            band.left <= place.left
                && band.top <= place.top
                && place.right() <= band.right()
                && place.bottom() <= band.bottom()
        };
        let mut own = bands.iter().filter(|(band, ..)| Some(*band) == one.band);
        assert!(
            bands.is_empty() || own.any(|(_, _, band)| holds(band)),
            "{about}"
        );
    }
    placement
}

/// No piece of a route crosses a box; a curve is inside the rectangle of its ends.
fn around(about: &str, placement: &Placement, route: &Route) {
    for two in route.points.windows(2) {
        let (a, b) = (two[0], two[1]);
        let piece = Bounds {
            left: a.0.min(b.0),
            top: a.1.min(b.1),
            width: (a.0 - b.0).abs(),
            height: (a.1 - b.1).abs(),
        };
        for place in &placement.boxes {
            assert!(apart(&piece, place), "{about}: {two:?} through {place:?}");
        }
    }
}

#[test]
fn boxes_do_not_overlap_and_arrows_go_around_them() {
    for seed in 0..200 {
        check(&random(seed));
    }
}

#[test]
fn a_tall_diagram_is_split_into_columns() {
    let placement = check(&blocks(60));
    assert!(placement.bands.len() >= 5);
    let ratio = placement.width / placement.height;
    assert!((0.7..2.5).contains(&ratio), "{ratio}");
    // A single column would be as high as sixty boxes.
    assert!(placement.height < 2000.0, "{}", placement.height);
}

#[test]
fn overlapping_bands_are_not_drawn() {
    let mut diagram = blocks(24);
    diagram.boxes[20].band = Some(0);
    assert!(check(&diagram).bands.is_empty());
}

#[test]
fn a_trunk_is_straight_where_shortcuts_pass() {
    let placement = check(&blocks(31));
    let middle = |place: &Bounds| place.left + place.width / 2.0;
    let mut columns: Vec<f64> = Vec::new();
    for place in &placement.boxes {
        match columns.last() {
            // The next column starts at the top.
            Some(last) if middle(place) - last > 100.0 => columns.push(middle(place)),
            Some(last) => assert!((middle(place) - last).abs() < 3.0, "{place:?}"),
            None => columns.push(middle(place)),
        }
    }
}

#[test]
fn every_box_joined_to_every_later_one_is_drawn() {
    let mut diagram = blocks(40);
    diagram.arrows = (0..40)
        .flat_map(|from| (from + 1..40).map(move |to| (from, to)))
        .collect();
    check(&diagram);
}

#[test]
fn an_empty_diagram_and_a_single_box_are_drawn() {
    check(&Diagram::default());
    check(&blocks(1));
    assert!(diagram(&Diagram::default()).unwrap().ends_with("</svg>\n"));
}

#[test]
fn texts_are_escaped_and_shortened() {
    let mut hostile = blocks(2);
    hostile.title = "</svg><script>alert('1')</script>".into();
    hostile.boxes[0].title = "a & b < c > d \" e' \u{0} \u{ffff}".into();
    hostile.boxes[1].tip = "x".repeat(100_000);
    let svg = diagram(&hostile).unwrap();
    assert!(!svg.contains("<script>"), "{svg}");
    assert!(svg.contains("a &amp; b &lt; c &gt; d &quot; e'"), "{svg}");
    let forbidden = |c: char| c.is_control() && c != '\n' || c == '\u{ffff}';
    assert!(!svg.contains(forbidden));
    assert!(svg.len() < 20_000, "{}", svg.len());
}

#[test]
fn too_many_boxes_and_cycles_are_errors() {
    let large = diagram(&blocks(MOST_BOXES + 1)).unwrap_err();
    assert!(large.to_string().contains("401 boxes"), "{large}");
    for arrow in [(1, 0), (1, 1), (0, 9)] {
        let mut circular = blocks(2);
        circular.arrows.push(arrow);
        let (from, to) = arrow;
        assert_eq!(
            diagram(&circular),
            Err(DiagramError::Backwards { from, to })
        );
    }
}
