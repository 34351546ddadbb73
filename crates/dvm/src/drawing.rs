//! From maps to pictures: which colours, which scale, which panels.

use dvm_attribution::{Attribution, Nature};
use dvm_image::Picture;
use dvm_render::{
    ColourMap, Neutral, Panel, Scale, figure as draw_figure, heat_picture, overlay_colour,
    overlay_grey, with_bar,
};

/// How a map is laid over the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlayStyle {
    /// The picture in grey, the map over it at 45 %.
    #[default]
    Grey,
    /// The picture in its colours, the map over it as far as it says something.
    Colour,
}

/// Opacity of the map over the grey picture, as in the original experiments.
const OPACITY: f32 = 0.45;

/// Share of the values within the colour scale where single pixels stick out: a few very large
/// gradients would leave all else black.
const CLIP: f32 = 99.8;

fn scale(attribution: &Attribution, colours: Option<ColourMap>) -> Scale {
    let values = &attribution.map;
    let diverging = attribution.nature == Nature::Signed;
    let usual = match attribution.nature {
        Nature::Magnitude => ColourMap::Inferno,
        Nature::Signed => ColourMap::RdBu,
        Nature::Level => ColourMap::YlGnBu,
    };
    let colours = colours
        .filter(|c| c.is_diverging() == diverging)
        .unwrap_or(usual);
    match attribution.nature {
        Nature::Magnitude => Scale::sequential(values, colours, CLIP),
        // Cells are few, and each was measured: none is clipped.
        Nature::Signed if attribution.smooth.is_some() => Scale::diverging(values, colours),
        Nature::Signed => Scale::diverging_clipped(values, colours, CLIP),
        Nature::Level => Scale::range(values, colours).with_neutral(Neutral::High),
    }
}

fn panel(attribution: &Attribution, picture: Picture, scale: Scale) -> Panel {
    Panel {
        title: attribution.title.clone(),
        note: None,
        picture,
        bar: Some(scale),
        bar_label: Some(attribution.quantity.clone()),
        pixel_axes: attribution.size,
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
    with_bar(&map_panel(attribution, colours))
}

fn overlay_panel(
    attribution: &Attribution,
    crop: &Picture,
    style: OverlayStyle,
    colours: Option<ColourMap>,
) -> Panel {
    let scale = scale(attribution, colours);
    let values = attribution.smooth.as_ref().unwrap_or(&attribution.map);
    let picture = match style {
        OverlayStyle::Grey => overlay_grey(crop, values, &scale, OPACITY),
        OverlayStyle::Colour => overlay_colour(crop, values, &scale),
    };
    panel(attribution, picture, scale)
}

/// The map over the picture, with its colour bar; a map of cells is drawn smooth.
pub(crate) fn overlay(
    attribution: &Attribution,
    crop: &Picture,
    style: OverlayStyle,
    colours: Option<ColourMap>,
) -> Picture {
    with_bar(&overlay_panel(attribution, crop, style, colours))
}

/// The crop and all maps side by side; over the crop, where an overlay's style is given.
pub(crate) fn figure(
    heading: &str,
    crop: &Picture,
    attributions: &[&Attribution],
    overlaid: Option<OverlayStyle>,
    colours: Option<ColourMap>,
) -> Picture {
    let input = Panel {
        title: "input".into(),
        note: None,
        picture: crop.clone(),
        bar: None,
        bar_label: None,
        pixel_axes: (crop.height(), crop.width()),
    };
    let maps = attributions.iter().map(|a| match overlaid {
        Some(style) => overlay_panel(a, crop, style, colours),
        None => map_panel(a, colours),
    });
    let panels: Vec<Panel> = std::iter::once(input).chain(maps).collect();
    draw_figure(Some(heading), &panels)
}
