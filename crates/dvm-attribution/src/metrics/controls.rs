//! Controls: maps that do not use the network. If the maps of a method do not test better than
//! these, the method explains nothing.

use serde_json::{Map, Value, json};

use crate::random::Stream;
use crate::{Array, Attribution, Error, Method, Observation, Subject, Target};

/// A control and how it is made. Controls are not methods: users cannot select one.
pub struct Control {
    /// Its name, which no method has.
    pub name: &'static str,
    /// The name above its figures.
    pub title: &'static str,
    /// What it is, in one sentence.
    pub summary: &'static str,
    /// Makes it for one picture; use another seed for each picture.
    pub build: fn(u64) -> Box<dyn Method>,
}

/// All controls.
pub static CONTROLS: &[Control] = &[
    Control {
        name: "random",
        title: "random",
        summary: "a random value for every pixel: the result of a map without information",
        build: |seed| Box::new(Random { seed }),
    },
    Control {
        name: "edges",
        title: "edges",
        summary: "the strength of edges in the picture (Sobel): the result of a map that only repeats the picture",
        build: |_| Box::new(Edges),
    },
];

/// Noise, uniform in `[0, 1)`.
struct Random {
    seed: u64,
}

impl Method for Random {
    fn parameters(&self) -> Map<String, Value> {
        parameters(&json!({ "distribution": "uniform", "seed": self.seed }))
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let (height, width) = subject.size();
        let map = Stream::new("random map", self.seed).uniform(height * width);
        Ok(control(subject, "random", "noise", map))
    }
}

/// The magnitude of the Sobel filter.
struct Edges;

impl Method for Edges {
    fn parameters(&self) -> Map<String, Value> {
        parameters(&json!({ "filter": "sobel", "grey": "0.299 R + 0.587 G + 0.114 B" }))
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let crop = subject.input().crop();
        let grey: Vec<f64> = crop.rgb().chunks_exact(3).map(luma).collect();
        let map = sobel(&grey, (crop.height(), crop.width()));
        Ok(control(subject, "edges", "gradient of the picture", map))
    }
}

fn parameters(all: &Value) -> Map<String, Value> {
    all.as_object().cloned().unwrap_or_default()
}

/// The same map for every target.
fn control<'a>(
    subject: &Subject,
    title: &'static str,
    quantity: &'static str,
    map: Vec<f32>,
) -> Observation<'a> {
    let size = subject.size();
    Box::new(move |target| {
        Ok(Attribution {
            title: title.into(),
            quantity: quantity.into(),
            score: "logit",
            arrays: vec![Array::new(Array::RAW, &[size.0, size.1], map.clone())],
            ..Attribution::new(target, size, map.clone())
        })
    })
}

/// How light a pixel is, 0 … 1 (ITU-R BT.601).
fn luma(pixel: &[u8]) -> f64 {
    let [red, green, blue] = [0, 1, 2].map(|c| f64::from(pixel[c]));
    (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0
}

/// The magnitude of the Sobel filter of a picture `[H, W]`. Pixels at the border are repeated outside.
fn sobel(grey: &[f64], (height, width): (usize, usize)) -> Vec<f32> {
    let at = |y: usize, x: usize, dy: isize, dx: isize| {
        let inside = |value: usize, step: isize, count: usize| {
            value.saturating_add_signed(step).min(count - 1)
        };
        grey[inside(y, dy, height) * width + inside(x, dx, width)]
    };
    let smooth = [(-1, 1.0), (0, 2.0), (1, 1.0)];
    let mut map = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            let down = smooth.map(|(k, weight)| weight * (at(y, x, 1, k) - at(y, x, -1, k)));
            let right = smooth.map(|(k, weight)| weight * (at(y, x, k, 1) - at(y, x, k, -1)));
            let [down, right] = [down, right].map(|parts| parts.iter().sum::<f64>());
            map.push(down.hypot(right) as f32);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn no_control_has_the_name_of_a_method() {
        for control in CONTROLS {
            assert!(registry::find(control.name).is_none(), "{}", control.name);
        }
    }

    #[test]
    fn a_step_has_an_edge_on_both_of_its_sides_and_none_elsewhere() {
        let row = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let map = sobel(&row.repeat(3), (3, 6));
        assert_eq!(map, [0.0, 0.0, 4.0, 4.0, 0.0, 0.0].repeat(3));
        assert_eq!(sobel(&[0.7], (1, 1)), [0.0]);
    }
}
