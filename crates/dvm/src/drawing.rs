//! Drawing maps: colours, scales and panels.

use dvm_attribution::{Array, Attribution, ValueKind};
use dvm_image::{Input, Interpolation, Picture, encode_png, resize};
use dvm_render::{
    ColourMap, Heading, LineChart, Neutral, Page, Panel, Region, Scale, Series,
    figure as draw_figure, heat_picture, line_charts, overlay_colour, overlay_grey, with_bar,
};

use crate::checks::Checked;

/// How a map is drawn over the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlayStyle {
    /// The picture in grey, the map over it with an opacity of 45 %.
    #[default]
    Grey,
    /// The picture in colour; the opacity of the map follows its values.
    Colour,
}

/// The file formats of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FigureFormat {
    /// Pixels.
    #[default]
    Png,
    /// Vector graphics for browsers and drawing programs.
    Svg,
    /// Vector graphics for papers; the text can be searched and copied.
    Pdf,
}

impl FigureFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Png, Self::Svg, Self::Pdf];

    /// The name, which is also the file extension.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Pdf => "pdf",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Encodes `page` as a file. The same page gives the same bytes.
    pub fn encode(self, page: &Page) -> Vec<u8> {
        match self {
            Self::Png => encode_png(&page.picture()),
            Self::Svg => page.svg().into_bytes(),
            Self::Pdf => page.pdf(),
        }
    }
}

/// Opacity of the map over the grey picture, as in the original experiments.
const OPACITY: f32 = 0.45;

/// Percentile of the values that the colour scale ends at, for maps of single pixels: without it, a few very
/// large gradients would make everything else black.
const CLIP: f32 = 99.8;

/// The scale and colours of a map.
pub(crate) fn scale(attribution: &Attribution, colours: Option<ColourMap>) -> Scale {
    let values = &attribution.map;
    let diverging = attribution.value_kind == ValueKind::Signed;
    let usual = match attribution.value_kind {
        ValueKind::Positive | ValueKind::ScoreIfShown => ColourMap::Inferno,
        ValueKind::Signed => ColourMap::RdBu,
        ValueKind::ScoreIfHidden => ColourMap::YlGnBu,
    };
    let colours = colours
        .filter(|c| c.is_diverging() == diverging)
        .unwrap_or(usual);
    match attribution.value_kind {
        ValueKind::Positive => Scale::sequential(values, colours, CLIP),
        // Maps of cells have few values; none is clipped.
        ValueKind::Signed if attribution.smooth.is_some() => Scale::diverging(values, colours),
        ValueKind::Signed => Scale::diverging_clipped(values, colours, CLIP),
        ValueKind::ScoreIfHidden => Scale::range(values, colours).with_neutral(Neutral::High),
        ValueKind::ScoreIfShown => Scale::range(values, colours).with_neutral(Neutral::Low),
    }
}

fn panel(attribution: &Attribution, picture: Picture, scale: Scale) -> Panel {
    Panel {
        bar: Some(scale),
        bar_label: Some(attribution.quantity.clone()),
        pixel_axes: attribution.size,
        ..Panel::new(&attribution.title, picture)
    }
}

fn map_panel(attribution: &Attribution, colours: Option<ColourMap>) -> Panel {
    let scale = scale(attribution, colours);
    let (height, width) = attribution.size;
    let picture = heat_picture(&attribution.map, height, width, &scale);
    panel(attribution, picture, scale)
}

/// The map with its colour bar.
pub(crate) fn map(attribution: &Attribution, colours: Option<ColourMap>) -> Picture {
    with_bar(&map_panel(attribution, colours)).picture()
}

fn overlay_panel(
    attribution: &Attribution,
    crop: &Picture,
    style: OverlayStyle,
    colours: Option<ColourMap>,
) -> Panel {
    let picture = overlaid(attribution, crop, style, colours);
    panel(attribution, picture, scale(attribution, colours))
}

/// The map over the picture, with the borders of segments; a map of cells is drawn smooth.
pub(crate) fn overlaid(
    attribution: &Attribution,
    crop: &Picture,
    style: OverlayStyle,
    colours: Option<ColourMap>,
) -> Picture {
    let scale = scale(attribution, colours);
    let values = attribution.smooth.as_ref().unwrap_or(&attribution.map);
    let mut picture = match style {
        OverlayStyle::Grey => overlay_grey(crop, values, &scale, OPACITY),
        OverlayStyle::Colour => overlay_colour(crop, values, &scale),
    };
    if let Some(segments) = attribution.array(Array::SEGMENTS) {
        draw_borders(&mut picture, &segments.values);
    }
    picture
}

/// Colour of the borders between segments.
const BORDER: [u8; 3] = [255, 255, 255];

/// Draws a line between pixels of different segments; `segments` is `[H, W]`.
fn draw_borders(picture: &mut Picture, segments: &[f32]) {
    let (height, width) = (picture.height(), picture.width());
    if segments.len() != height * width {
        return;
    }
    for y in 0..height {
        for x in 0..width {
            let own = segments[y * width + x];
            let differs = |other: Option<&f32>| other.is_some_and(|&other| other != own);
            let right = (x + 1 < width).then(|| &segments[y * width + x + 1]);
            if differs(right) || differs(segments.get((y + 1) * width + x)) {
                picture.set_pixel(y, x, BORDER);
            }
        }
    }
}

/// The map over the picture, with its colour bar; a map of cells is drawn smooth.
pub(crate) fn overlay(
    attribution: &Attribution,
    crop: &Picture,
    style: OverlayStyle,
    colours: Option<ColourMap>,
) -> Picture {
    with_bar(&overlay_panel(attribution, crop, style, colours)).picture()
}

/// The rows and columns of the original that the crop shows.
fn crop_on_original(input: &Input) -> dvm_image::PixelRanges {
    let (height, width) = input.placement().crop_size();
    let placement = input.placement();
    placement.original_rectangle(0.0..height as f64, 0.0..width as f64)
}

/// The longer side of the overview of a picture, in pixels.
const OVERVIEW: usize = 640;

/// The original with a frame around the crop, unless the crop is the whole picture.
fn overview(input: &Input) -> Option<Panel> {
    let original = input.original();
    let (height, width) = (original.height(), original.width());
    let (rows, columns) = crop_on_original(input);
    // A difference below half a pixel is rounding.
    let whole = |part: &std::ops::Range<f64>, count: usize| {
        part.start <= 0.5 && part.end >= count as f64 - 0.5
    };
    if whole(&rows, height) && whole(&columns, width) {
        return None;
    }
    let factor = (OVERVIEW as f64 / height.max(width) as f64).min(1.0);
    let side = |length: usize| ((length as f64 * factor).round() as usize).max(1);
    let picture = resize(original, side(height), side(width), Interpolation::Bilinear);
    Some(Panel {
        pixel_axes: (height, width),
        region: Some(Region {
            rows: (rows.start, rows.end),
            columns: (columns.start, columns.end),
        }),
        ..Panel::new("original, crop framed", picture)
    })
}

/// A figure: the original if the crop is only a part of it, the crop, and all maps, drawn over the crop if
/// `overlaid` has a style. The results of the checks are below each map.
pub(crate) fn figure(
    heading: Heading,
    input: &Input,
    (attributions, checked): (&[&Attribution], &[&[Checked]]),
    overlaid: Option<OverlayStyle>,
    colours: Option<ColourMap>,
) -> Page {
    let crop = input.crop();
    let seen = Panel::new("input", crop.clone());
    let maps = attributions.iter().zip(checked).map(|(a, checked)| Panel {
        note: note(checked),
        ..match overlaid {
            Some(style) => overlay_panel(a, crop, style, colours),
            None => map_panel(a, colours),
        }
    });
    let panels: Vec<Panel> = overview(input)
        .into_iter()
        .chain(std::iter::once(seen))
        .chain(maps)
        .collect();
    let page = draw_figure(Some(heading), &panels);
    let titles: Vec<&str> = attributions.iter().map(|a| a.title.as_str()).collect();
    let charts = check_charts(&titles, checked);
    if charts.is_empty() {
        return page;
    }
    Page::stacked(vec![page, line_charts(None, &charts)])
}

/// The results of a map's checks, as the text below it.
fn note(checked: &[Checked]) -> Option<String> {
    let lines: Vec<String> = checked.iter().map(Checked::line).collect();
    (!lines.is_empty()).then(|| lines.join(" · "))
}

/// Charts of the checks' curves: one for each kind of curve, with a curve for each method. With only one method,
/// one chart for each metric with all its curves.
fn check_charts(titles: &[&str], checked: &[&[Checked]]) -> Vec<LineChart> {
    let mut charts: Vec<LineChart> = Vec::new();
    for (title, checked) in titles.iter().zip(checked) {
        for one in *checked {
            let Ok(found) = &one.found else { continue };
            for curve in &found.curves {
                let (title, name) = match titles.len() {
                    1 => (one.line(), curve.name.to_owned()),
                    _ => (
                        format!("{}: {}", one.entry.title, curve.name),
                        (*title).to_owned(),
                    ),
                };
                let series = Series {
                    name,
                    points: curve.points.clone(),
                };
                match charts.iter_mut().find(|chart| chart.title == title) {
                    Some(chart) => chart.series.push(series),
                    None => charts.push(LineChart {
                        title,
                        x_name: curve.across.into(),
                        counts: false,
                        y_name: curve.up.into(),
                        series: vec![series],
                        mark: None,
                    }),
                }
            }
        }
    }
    charts
}

#[cfg(test)]
mod tests {
    use dvm_image::Preprocess;

    use super::*;

    fn overview_of(height: usize, width: usize) -> Option<Region> {
        let picture = Picture::filled(height, width, [90; 3]);
        let input = Preprocess::imagenet().apply(picture).unwrap();
        overview(&input).map(|panel| panel.region.unwrap())
    }

    #[test]
    fn borders_are_drawn_between_segments() {
        let mut picture = Picture::filled(2, 3, [0; 3]);
        draw_borders(&mut picture, &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        let is_drawn: Vec<bool> = picture.rgb().chunks(3).map(|p| p == BORDER).collect();
        assert_eq!(is_drawn, [false, true, false, false, true, false]);
    }

    #[test]
    fn the_frame_is_where_torchvision_crops() {
        // The short side becomes 256, then the middle 224 × 224: 400 × 600 becomes 256 × 384, from
        // (16, 80); one pixel of it is 1.5625 of the original.
        let region = overview_of(400, 600).unwrap();
        assert_eq!(region.rows, (25.0, 375.0));
        assert_eq!(region.columns, (125.0, 475.0));
    }

    #[test]
    fn a_crop_of_the_whole_picture_gets_no_overview() {
        let mut preprocess = Preprocess::imagenet();
        preprocess.resize = dvm_image::Resize::Exact(224, 224);
        let input = preprocess
            .apply(Picture::filled(300, 500, [90; 3]))
            .unwrap();
        assert!(overview(&input).is_none());
    }
}
