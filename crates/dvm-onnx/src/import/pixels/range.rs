//! Which pixels a network expects, from what happens to them before its first layer.

use super::trace::{Channel, Trace};
use crate::{ChannelOrder, PixelRange, Pixels};

/// ImageNet's mean of red, green and blue, on the scale of 0 to 1; Caffe's differ by less than 0.01.
const IMAGENET: [f64; 3] = [0.485, 0.456, 0.406];

/// Which pixels become what networks are trained on; `None` if the trace does not show it.
pub(super) fn pixels_of(trace: &Trace, sources: usize) -> Option<Pixels> {
    // Each channel of the picture as the first layer gets it; its copies must be the same.
    let mut own: Vec<Option<Channel>> = vec![None; sources];
    for &channel in &trace.channels {
        match &own[channel.source] {
            Some(known) if *known != channel => return None,
            _ => own[channel.source] = Some(channel),
        }
    }
    let own: Vec<Channel> = own.into_iter().collect::<Option<_>>()?;
    let is_untouched = |c: &Channel| c.factor == 1.0 && c.shift == 0.0;
    let is_odd = |c: &Channel| !c.zero().is_finite() || c.factor == 0.0;
    if own.iter().all(is_untouched) || own.iter().any(is_odd) {
        return None;
    }
    let range = [
        PixelRange::Bytes,
        PixelRange::Unit,
        PixelRange::PlusMinusOne,
    ]
    .into_iter()
    .find(|range| own.iter().all(|&c| fits(c, *range, trace.is_learnt)))?;
    let (low, high) = range.bounds();
    let means: Vec<f64> = (own.iter())
        .map(|c| (c.zero() - low) / (high - low))
        .collect();
    let near = |known: [f64; 3]| {
        means.len() == 3 && means.iter().zip(known).all(|(m, k)| (m - k).abs() < 0.015)
    };
    let [red, green, blue] = IMAGENET;
    let channels = match () {
        () if near(IMAGENET) => Some(ChannelOrder::Rgb),
        () if near([blue, green, red]) => Some(ChannelOrder::Bgr),
        () => None,
    };
    Some(Pixels {
        range,
        channels,
        how: in_words(&own),
    })
}

/// Whether a channel becomes what networks are trained on, if its pixels have this range.
fn fits(channel: Channel, range: PixelRange, is_learnt: bool) -> bool {
    let (low, high) = range.bounds();
    let zero = (channel.zero() - low) / (high - low);
    // The width of the range afterwards: 1 after a division by 255, 255 if only means are subtracted, the inverse of a
    // standard deviation after a normalisation.
    let width = channel.factor.abs() * (high - low);
    let is_deviation = (2.5..12.0).contains(&width);
    if is_learnt {
        return is_deviation && (0.25..0.65).contains(&zero);
    }
    let is_kept = (0.95..1.05).contains(&width) || (250.0..260.0).contains(&width);
    if (channel.zero() - low).abs() < 1e-4 {
        return is_kept || is_deviation;
    }
    // Numbers around 0 that are only scaled can have any range.
    if range == PixelRange::PlusMinusOne {
        return false;
    }
    let is_doubled = (1.9..2.5).contains(&width);
    (0.2..0.7).contains(&zero) && (is_kept || is_doubled || is_deviation)
}

/// What the graph does to the pixels, as a predicate of "the graph".
fn in_words(own: &[Channel]) -> String {
    let zeros: Vec<f64> = own.iter().map(|c| c.zero()).collect();
    let factors: Vec<f64> = own.iter().map(|c| c.factor).collect();
    let divides = factors.iter().all(|f| f.abs() < 1.0);
    let factors: Vec<f64> = match divides {
        true => factors.iter().map(|f| 1.0 / f).collect(),
        false => factors,
    };
    let mut parts = Vec::new();
    if zeros.iter().any(|z| z.abs() > 1e-6) {
        let adds = zeros.iter().all(|&z| z <= 0.0);
        let shown: Vec<f64> = zeros.iter().map(|z| if adds { -z } else { *z }).collect();
        let verb = if adds { "adds" } else { "subtracts" };
        parts.push(format!("{verb} {}", numbers(&shown)));
    }
    if factors.iter().any(|f| (f - 1.0).abs() > 1e-6) {
        let verb = if divides {
            "divides by"
        } else {
            "multiplies by"
        };
        parts.push(format!("{verb} {}", numbers(&factors)));
    }
    parts.join(" and ")
}

/// Numbers with four digits; only one if all are equal.
fn numbers(all: &[f64]) -> String {
    let shown = |value: &f64| {
        let digits = 3 - value.abs().max(1e-9).log10().floor() as i32;
        let text = format!("{value:.*}", digits.clamp(0, 8) as usize);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    };
    let mut all: Vec<String> = all.iter().map(shown).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        all.truncate(1);
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(channels: [(f64, f64); 3], is_learnt: bool) -> Option<Pixels> {
        let channels = channels.iter().enumerate();
        let channels = channels.map(|(source, &(factor, shift))| Channel {
            source,
            factor,
            shift,
        });
        let trace = Trace {
            axis: 1,
            channels: channels.collect(),
            is_learnt,
        };
        pixels_of(&trace, 3)
    }

    fn ranges(factor: f64, zeros: [f64; 3]) -> Option<(PixelRange, Option<ChannelOrder>)> {
        let pixels = found(zeros.map(|zero| (factor, -zero * factor)), false)?;
        Some((pixels.range, pixels.channels))
    }

    #[test]
    fn normalisation_in_the_graph_shows_the_pixel_range() {
        use ChannelOrder::{Bgr, Rgb};
        use PixelRange::{Bytes, PlusMinusOne, Unit};
        let cases = [
            (1.0, [123.68, 116.779, 103.939], Bytes, Some(Rgb)),
            (1.0, [103.939, 116.779, 123.68], Bytes, Some(Bgr)),
            (0.017, [103.94, 116.78, 123.68], Bytes, Some(Bgr)),
            (1.0 / 255.0, [0.0; 3], Bytes, None),
            (1.0 / 127.5, [127.5; 3], Bytes, None),
            (1.0 / 128.0, [127.0; 3], Bytes, None),
            (2.0, [0.5; 3], Unit, None),
            (4.4, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (255.0, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (1.0, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (255.0, [0.0; 3], Unit, None),
            (127.5, [-1.0; 3], PlusMinusOne, None),
            (0.5, [-1.0; 3], PlusMinusOne, None),
        ];
        for (factor, zeros, range, channels) in cases {
            assert_eq!(
                ranges(factor, zeros),
                Some((range, channels)),
                "{factor} · (x − {zeros:?})"
            );
        }
    }

    #[test]
    fn a_graph_without_a_clear_normalisation_gives_no_range() {
        assert_eq!(ranges(1.0, [0.0; 3]), None);
        assert_eq!(ranges(0.5, [0.0; 3]), None);
        // Torchvision's Inception converts ImageNet's normalisation to its own.
        let inception = [(0.458, -0.030), (0.448, -0.088), (0.45, -0.188)];
        assert_eq!(found(inception, false), None);
        // A trained normalisation of pictures that were normalised before.
        assert_eq!(found([(1.02, 0.01), (0.97, -0.02), (1.1, 0.0)], true), None);
        // A trained normalisation of raw pixels.
        let raw = [123.0, 116.0, 103.0].map(|mean| (1.0 / 57.0, -mean / 57.0));
        assert_eq!(found(raw, true).unwrap().range, PixelRange::Bytes);
    }

    #[test]
    fn the_normalisation_is_described_in_words() {
        let caffe = found([(1.0, -123.68), (1.0, -116.779), (1.0, -103.939)], false);
        assert_eq!(caffe.unwrap().how, "subtracts 123.7, 116.8, 103.9");
        let halves = found([(1.0 / 127.5, -1.0); 3], false);
        assert_eq!(halves.unwrap().how, "subtracts 127.5 and divides by 127.5");
        let scaled = found([(1.0 / 255.0, 0.0); 3], false);
        assert_eq!(scaled.unwrap().how, "divides by 255");
    }
}
