//! Drawings, compared with golden files. Each test draws an artificial map and compares it with
//! `tests/golden/<name>.png`. If it fails, the expected picture, the actual one and their
//! difference are written to the target folder. After an intended change, run the tests with
//! `DVM_BLESS=1`, which overwrites the golden files, and look at each of them before you commit.

mod comparing;

use std::fs;
use std::path::Path;
use std::sync::Once;

use comparing::{check, check_text};

use dvm_image::{Grid, HeatMap, Picture};
use dvm_render::{
    ColourMap, Diagram, DiagramBox, Dot, DotChart, DotKind, Heading, LabelledMatrix, LineChart,
    Neutral, Page, Panel, Region, ReliabilityBin, Scale, Series, add_font, confusion_matrix,
    contact_sheet, diagram, dot_charts, figure, font_warning, heat_picture, labelled_matrices,
    line_charts, overlay_colour, overlay_grey, reliability, with_bar, without_installed_fonts,
};

const SIDE: usize = 32;

/// Uses the small fonts beside these tests for other scripts, instead of installed fonts.
fn use_test_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        without_installed_fonts();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fonts");
        for name in ["cjk.otf", "devanagari.ttf", "thai.ttf", "emoji.ttf"] {
            add_font(fs::read(folder.join(name)).unwrap()).unwrap();
        }
    });
}

/// The word for cat in scripts with joined letters, stacked marks, right-to-left direction or no
/// letters.
const CATS: [&str; 8] = [
    "猫",
    "ねこ",
    "고양이",
    "बिल्ली",
    "قطة",
    "חתול",
    "แมว ที่",
    "🐈 cat",
];

#[test]
fn names_of_many_scripts_are_shaped_and_drawn() {
    use_test_fonts();
    assert_eq!(font_warning(CATS), None);
    let panels = CATS.map(|name| Panel::new(name, photograph(12, 12)));
    let origin = [("file", "猫 1.jpg"), ("true class", "חתול")];
    let heading = heading("قطة", "resnet18", &origin);
    check("scripts", &figure(Some(heading), &panels).picture());
}

#[test]
fn a_long_name_leaves_space_for_probability_and_network() {
    use_test_fonts();
    let file = "a file name that is rather long, like those of some cameras 2026-11-29.jpeg";
    let origin = [("file", file), ("true class", "daisy")];
    let heading = |title: &str| heading(title, "efficientnet_lite0", &origin);
    let one = [Panel::new("input", photograph(20, 20))];
    let words =
        "common garden flower with yellow petals, as photographed in the afternoon by a gardener";
    check("long_name", &figure(Some(heading(words)), &one).picture());
    let chinese = "花园的植物是一种很大的花".repeat(5);
    check(
        "long_chinese_name",
        &figure(Some(heading(&chinese)), &one).picture(),
    );
}

#[test]
fn ten_maps_follow_the_original_and_the_crop_in_rows() {
    let mut values = magnitudes();
    values.truncate(32 * 32);
    let scale = Scale::sequential(&values, ColourMap::Inferno, 99.8);
    let mut panels = vec![
        Panel {
            region: Some(Region {
                rows: (5.0, 35.0),
                columns: (15.0, 45.0),
            }),
            ..Panel::new("original, crop framed", photograph(40, 60))
        },
        Panel::new("input", photograph(SIDE, SIDE)),
    ];
    panels.extend((0..10).map(|i| heat_panel(&format!("map {i}"), &values, scale.clone())));
    let heading = heading("daisy", "resnet18", &[("file", "1.jpg")]);
    check("ten_maps", &figure(Some(heading), &panels).picture());
}

#[test]
fn a_figure_as_svg() {
    use_test_fonts();
    let values = [0.0, 0.1, 0.2, 0.4];
    let scale = Scale::sequential(&values, ColourMap::Inferno, 100.0);
    let panels = [Panel {
        bar: Some(scale.clone()),
        ..Panel::new("猫 < 🐈", heat_picture(&values, 2, 2, &scale))
    }];
    check_text("figure.svg", &figure(Some("daisy".into()), &panels).svg());
}

#[test]
fn a_sequential_map_with_its_bar_and_a_clipped_end() {
    let values = magnitudes();
    let scale = Scale::sequential(&values, ColourMap::Inferno, 99.0);
    let mut panel = heat_panel("guided backprop · daisy 0.97", &values, scale);
    panel.bar_label = Some("largest |gradient|".into());
    check("sequential", &with_bar(&panel).picture());
}

#[test]
fn a_diverging_map_of_cells_with_zero_in_white() {
    let grid = Grid {
        height: SIDE,
        width: SIDE,
        window: (8, 8),
        stride: (4, 4),
    };
    let cells = (0..grid.rows() * grid.columns())
        .map(|i| {
            let (row, column) = (i / grid.columns(), i % grid.columns());
            0.4 * bump(row, column, 2, 3) - 0.2 * bump(row, column, 6, 1)
        })
        .collect();
    let values = HeatMap::new(grid, cells).nearest();
    let scale = Scale::diverging(&values, ColourMap::RdBu);
    let mut panel = heat_panel("occlusion 8/4 · daisy 0.97", &values, scale);
    panel.bar_label = Some("drop in probability".into());
    check("diverging", &with_bar(&panel).picture());
}

#[test]
fn raw_probabilities_in_the_colours_of_the_seed() {
    let values: Vec<f32> = (0..SIDE * SIDE)
        .map(|i| 0.999_99 - 0.000_28 * bump(i / SIDE / 4, i % SIDE / 4, 5, 2))
        .collect();
    let scale = Scale::range(&values, ColourMap::YlGnBu).with_neutral(Neutral::High);
    let drawn = with_bar(&heat_panel("p(daisy)", &values, scale));
    check("probabilities", &drawn.picture());
}

#[test]
fn a_grey_and_a_colour_overlay_under_a_heading() {
    let values = magnitudes();
    let hot = Scale::sequential(&values, ColourMap::Hot, 99.0);
    let signed: Vec<f32> = values.iter().map(|v| v - 0.001).collect();
    let both = Scale::diverging(&signed, ColourMap::RdBu);
    let photograph = photograph(SIDE, SIDE);
    let panels = [
        Panel::new("crop", photograph.clone()),
        Panel {
            bar: Some(hot.clone()),
            ..Panel::new("grey, 45 %", overlay_grey(&photograph, &values, &hot, 0.45))
        },
        Panel {
            bar: Some(both.clone()),
            ..Panel::new("colour", overlay_colour(&photograph, &signed, &both))
        },
    ];
    check(
        "overlays",
        &figure(Some("daisy 0.97".into()), &panels).picture(),
    );
}

#[test]
fn an_all_zero_map_has_a_note() {
    let values = [0.0; SIDE * SIDE];
    let scale = Scale::sequential(&values, ColourMap::Inferno, 99.8);
    let mut panel = heat_panel("Grad-CAM · daisy 0.97", &values, scale);
    panel.note = Some("no feature map speaks for this class".into());
    check("all_zero", &with_bar(&panel).picture());
}

#[test]
fn values_that_are_not_finite_are_grey_and_counted() {
    let mut values = magnitudes();
    for i in 0..40 {
        values[SIDE * 20 + i * 3] = [f32::NAN, f32::INFINITY][i % 2];
    }
    let scale = Scale::sequential(&values, ColourMap::Viridis, 100.0);
    let drawn = with_bar(&heat_panel("gradient", &values, scale));
    check("not_finite", &drawn.picture());
}

#[test]
fn panels_that_are_not_square_wrap_into_rows() {
    use_test_fonts();
    let scale = Scale::between(-1.0, 1.0, &[], ColourMap::PuOr);
    let panels = [
        Panel::new("landscape", photograph(20, 30)),
        Panel::new("portrait, and a title too long for it", photograph(30, 12)),
        Panel::new("a strip", photograph(6, 90)),
        Panel {
            bar: Some(scale),
            ..Panel::new("with a bar", photograph(30, 30))
        },
        Panel::new("猫 Кошка γάτα \u{7}kot", photograph(30, 30)),
    ];
    check("not_square", &figure(None, &panels).picture());
}

#[test]
fn curves_of_a_training_with_a_gap_and_a_mark() {
    let series = |name: &str, value: &dyn Fn(f64) -> f64| Series {
        name: name.into(),
        points: (1..=12)
            .map(|epoch| (f64::from(epoch), value(f64::from(epoch))))
            .collect(),
    };
    let chart = |title: &str, y_name: &str, series| LineChart {
        title: title.into(),
        x_name: "epoch".into(),
        counts: true,
        y_name: y_name.into(),
        series,
        mark: Some((9.0, "best: epoch 9".into())),
    };
    let loss = vec![
        series("training", &|epoch| 1.6 / epoch + 0.05),
        series("validation", &|epoch| match epoch {
            4.0 => f64::NAN,
            epoch => 1.3 / epoch + 0.02 * epoch + 0.1,
        }),
    ];
    let accuracy = vec![
        series("training", &|epoch| 97.0 - 40.0 / epoch),
        series("validation", &|epoch| {
            94.0 - 20.0 / epoch + (epoch * 7.0 % 3.0)
        }),
    ];
    let charts = [
        chart("loss", "cross-entropy", loss),
        chart("accuracy", "right, in %", accuracy),
    ];
    check(
        "curves",
        &line_charts(Some("resnet18 on flower_5"), &charts).picture(),
    );
}

#[test]
fn a_comparison_of_methods_with_their_intervals_and_their_agreement() {
    let names = ["gradient", "integrated gradients", "grad-cam", "random"];
    let chart = |title: &str, axis: &str, values: [f64; 4], best: usize, logarithmic| DotChart {
        title: title.into(),
        axis: axis.into(),
        dots: (0..4)
            .map(|i| Dot {
                name: names[i].into(),
                value: values[i],
                interval: (i != 1).then(|| (values[i] * 0.8, values[i] * 1.15)),
                kind: match i {
                    3 => DotKind::Control,
                    i if i == best => DotKind::Best,
                    _ => DotKind::Plain,
                },
            })
            .collect(),
        logarithmic,
    };
    let better = ["higher is better", "lower is better", "seconds"];
    let charts = [
        chart("gain", better[0], [0.08, 0.13, 0.31, -0.01], 2, false),
        chart("deletion", better[1], [0.2, 0.11, 0.16, 0.4], 1, false),
        chart("seconds a map", better[2], [0.03, 1.4, 0.04, 2e-4], 3, true),
    ];
    let alike = [
        [1.0, 0.62, -0.31, 0.004],
        [0.62, 1.0, 0.12, -0.004],
        [-0.31, 0.12, 1.0, 0.0],
        [0.004, -0.004, 0.0, 1.0],
    ];
    let matrix = |title: &str, is_known: bool| LabelledMatrix {
        title: title.into(),
        quantity: "mean over pictures".into(),
        names: names.map(String::from).into(),
        values: alike
            .iter()
            .map(|row| row.map(|v| (is_known || v != 0.0).then_some(v)).into())
            .collect(),
        range: (-1.0, 1.0),
        colours: ColourMap::RdBu,
    };
    let matrices = [
        matrix("rank correlation", true),
        matrix("structural similarity", false),
    ];
    let page = Page::stacked(vec![
        dot_charts(Some("resnet18 on 20 pictures"), &charts),
        labelled_matrices(&matrices),
    ]);
    check("comparison", &page.picture());
}

#[test]
fn a_confusion_matrix_of_five_classes() {
    let classes = [
        "daisy",
        "dandelion",
        "rose",
        "sunflower",
        "a tulip with a name far too long",
    ];
    let counts = [
        [121, 3, 1, 0, 2],
        [2, 170, 0, 5, 1],
        [0, 0, 98, 1, 27],
        [1, 6, 0, 133, 0],
        [0, 0, 14, 1, 1104],
    ];
    check(
        "confusion",
        &confusion_matrix(
            "96.2 % of 1690 pictures right",
            &classes.map(String::from),
            &counts.map(Vec::from),
        )
        .picture(),
    );
}

#[test]
fn a_confusion_matrix_of_forty_classes() {
    let classes: Vec<_> = (0..40).map(|i| format!("species {i}")).collect();
    let counts: Vec<Vec<u64>> = (0..40)
        .map(|i| {
            let wrong = |j: usize| (i * 31 + j * 17).is_multiple_of(23) || i.abs_diff(j) == 1;
            (0..40)
                .map(|j| match j {
                    j if j == i => 80 + i as u64,
                    j if wrong(j) => 1 + (i as u64 + j as u64) % 9,
                    _ => 0,
                })
                .collect()
        })
        .collect();
    check(
        "confusion_40",
        &confusion_matrix("forty species", &classes, &counts).picture(),
    );
}

#[test]
fn the_reliability_of_an_overconfident_classifier() {
    let bins: Vec<_> = (0..10)
        .map(|i| {
            let low = f64::from(i) / 10.0;
            ReliabilityBin {
                bounds: (low, low + 0.1),
                confidence: low + 0.06,
                accuracy: 0.85 * low,
                count: [0, 0, 2, 9, 20, 31, 40, 60, 150, 900][i as usize],
            }
        })
        .collect();
    check(
        "reliability",
        &reliability("a classifier that is too sure of itself", &bins).picture(),
    );
}

#[test]
fn a_contact_sheet_of_pictures_of_several_sizes() {
    let pictures = [
        (photograph(96, 96), "tulips · epoch 0".to_owned()),
        (photograph(96, 60), "roses · epoch 0".to_owned()),
        (photograph(40, 96), "a caption that is too long".to_owned()),
        (photograph(96, 96), String::new()),
        (photograph(70, 96), "daisy".to_owned()),
    ];
    check("contact_sheet", &contact_sheet(&pictures, 3));
}

#[test]
fn a_diagram_of_a_small_network() {
    let layers = [
        ("input", "3 × 32 × 32", 0, 0, &[][..]),
        ("conv1", "16 × 16 × 16", 1, 0, &[0]),
        ("block.a", "16 × 8 × 8", 1, 1, &[1]),
        ("block.b", "16 × 8 × 8", 1, 1, &[2]),
        ("block.shortcut", "16 × 8 × 8", 1, 1, &[1]),
        ("block.add", "16 × 8 × 8", 2, 1, &[3, 4]),
        ("left < right & \"both\"", "8 × 8 × 8", 1, 1, &[5]),
        ("wide", "8 × 8 × 8", 1, 1, &[5]),
        ("concat", "32 × 8 × 8", 2, 1, &[5, 6, 7]),
        ("avgpool", "32 × 1 × 1", 3, 2, &[8]),
        ("head", "10", 4, 2, &[9]),
    ];
    let boxes = layers.map(|(title, size, kind, band, _)| DiagramBox {
        title: title.into(),
        lines: vec![size.into()],
        tip: format!("{title}: {size}"),
        kind,
        band: Some(band),
    });
    let arrows = layers.iter().enumerate();
    let arrows = arrows.flat_map(|(to, layer)| layer.4.iter().map(move |&from| (from, to)));
    let drawing = Diagram {
        title: "a small network".into(),
        kinds: ["input", "convolution", "meeting", "pool", "linear"]
            .map(String::from)
            .to_vec(),
        bands: ["stage 1 · stride 2", "stage 2 · stride 4", "head"]
            .map(String::from)
            .to_vec(),
        boxes: boxes.to_vec(),
        arrows: arrows.collect(),
    };
    check_text("diagram.svg", &diagram(&drawing).unwrap());
}

fn heading(title: &str, network: &str, origin: &[(&str, &str)]) -> Heading {
    let origin = origin.iter();
    Heading {
        title: title.into(),
        facts: vec!["95.1 %".into(), network.into()],
        origin: origin
            .map(|&(name, value)| (name.into(), value.into()))
            .collect(),
    }
}

/// A bump: 1 at `(y0, x0)`, decreasing around it.
fn bump(y: usize, x: usize, y0: usize, x0: usize) -> f32 {
    let square = y.abs_diff(y0).pow(2) + x.abs_diff(x0).pow(2);
    1.0 / (1.0 + square as f32 / 2.0)
}

/// A ring of speckles, `[SIDE, SIDE]`, up to about 0.004.
fn magnitudes() -> Vec<f32> {
    (0..SIDE * SIDE)
        .map(|i| {
            let (y, x) = (i / SIDE, i % SIDE);
            let square = y.abs_diff(14).pow(2) + x.abs_diff(17).pow(2);
            let ring = 1.0 / (1.0 + (square as f32 - 80.0).powi(2) / 900.0);
            let speckle = (i * 7919 % 101) as f32 / 100.0;
            0.004 * ring * speckle
        })
        .collect()
}

fn photograph(height: usize, width: usize) -> Picture {
    let rgb = (0..height * width)
        .flat_map(|i| {
            let (y, x) = (i / width, i % width);
            let petal = (y * 8 / height + x * 8 / width).is_multiple_of(2);
            let shade = (120 * y / height) as u8;
            if petal {
                [235 - shade, 225 - shade, 205 - shade]
            } else {
                [30, 130 - shade, 40 + shade]
            }
        })
        .collect();
    Picture::new(height, width, rgb)
}

fn heat_panel(title: &str, values: &[f32], scale: Scale) -> Panel {
    let picture = heat_picture(values, SIDE, SIDE, &scale);
    Panel {
        bar: Some(scale),
        ..Panel::new(title, picture)
    }
}
