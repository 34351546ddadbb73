//! Inputs made from normalised values instead of pixels.

use crate::{Channels, Input, Picture, Placement, Preprocess};

impl Preprocess {
    /// The input with other normalised values, `[C, H, W]`. Its crop becomes the nearest picture to
    /// these values.
    ///
    /// # Panics
    /// If the number of values differs.
    pub fn changed(&self, input: &Input, values: Vec<f32>) -> Input {
        assert_eq!(values.len(), input.values.len(), "a value for each");
        let mut crop = input.crop.clone();
        let pixels = crop.rgb_mut().as_chunks_mut::<3>().0;
        for (channel, values) in values.chunks_exact(pixels.len()).enumerate() {
            for (pixel, &value) in pixels.iter_mut().zip(values) {
                let shown = (value * self.std[channel] + self.mean[channel]) * 255.0;
                let shown = shown.round().clamp(0.0, 255.0) as u8;
                match self.channels {
                    Channels::Grey => *pixel = [shown; 3],
                    Channels::Rgb | Channels::Bgr => {
                        pixel[self.channels.sources()[channel]] = shown;
                    }
                }
            }
        }
        Input {
            original: input.original.clone(),
            crop,
            values,
            placement: input.placement,
        }
    }

    /// An input with these normalised values, `[C, height, width]`, channels in the network's
    /// order. Its crop and original are the nearest picture to these values.
    ///
    /// # Panics
    /// If the number of values does not fit.
    pub fn input_of(&self, values: Vec<f32>, height: usize, width: usize) -> Input {
        assert_eq!(
            values.len(),
            self.channels.count() * height * width,
            "a value for each channel of each pixel"
        );
        let size = (height, width);
        let blank = Picture::filled(height, width, [0; 3]);
        let input = Input {
            original: blank.clone(),
            crop: blank,
            values: values.clone(),
            placement: Placement {
                original: size,
                resized: size,
                crop: size,
                origin: (0, 0),
            },
        };
        let input = self.changed(&input, values);
        Input {
            original: input.crop.clone(),
            ..input
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_made_of_values_shows_the_nearest_picture() {
        let preprocess = Preprocess {
            channels: Channels::Bgr,
            ..Preprocess::imagenet()
        };
        let picture = Picture::new(1, 2, vec![0, 10, 255, 100, 30, 7]);
        let values = preprocess.normalise(&picture);
        let input = preprocess.input_of(values.clone(), 1, 2);
        assert_eq!(input.crop(), &picture);
        assert_eq!(input.original(), &picture);
        assert_eq!(input.values(), values);
        assert_eq!(input.placement().shown_share(), 1.0);
    }
}
