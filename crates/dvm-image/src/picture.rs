//! A picture in memory.

use crate::Levels;

/// An 8-bit sRGB picture, rows top to bottom, pixels left to right, `R G B` per pixel (`[H, W, 3]`).
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    whole: bool,
    levels: Option<Levels>,
    notes: Vec<String>,
}

impl Picture {
    /// A picture of these bytes, `[height, width, 3]`.
    ///
    /// # Panics
    /// If a side is zero or `rgb.len() != height * width * 3`.
    pub fn new(height: usize, width: usize, rgb: Vec<u8>) -> Self {
        assert!(height > 0 && width > 0, "a picture has at least one pixel");
        assert_eq!(
            rgb.len(),
            height * width * 3,
            "an {height} × {width} picture has height × width × 3 bytes"
        );
        Self {
            width,
            height,
            rgb,
            whole: true,
            levels: None,
            notes: Vec::new(),
        }
    }

    /// A picture of one colour.
    pub fn filled(height: usize, width: usize, colour: [u8; 3]) -> Self {
        Self::new(height, width, colour.repeat(height * width))
    }

    /// Marks the picture as truncated.
    pub(crate) fn cut_off(self) -> Self {
        Self {
            whole: false,
            ..self
        }
    }

    /// Whether the file was complete; if not, missing pixels are grey.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Sets the original values.
    pub(crate) fn with_levels(self, levels: Levels) -> Self {
        Self {
            levels: Some(levels),
            ..self
        }
    }

    /// Adds a note for the user.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Changes the pixels and keeps the notes.
    pub(crate) fn map_image(self, change: impl FnOnce(image::RgbImage) -> image::RgbImage) -> Self {
        let (width, height) = (self.width as u32, self.height as u32);
        let image = image::RgbImage::from_raw(width, height, self.rgb);
        let image = change(image.expect("a picture has three bytes per pixel"));
        Self {
            width: image.width() as usize,
            height: image.height() as usize,
            rgb: image.into_raw(),
            ..self
        }
    }

    /// The original values, if they were not bytes.
    pub fn levels(&self) -> Option<&Levels> {
        self.levels.as_ref()
    }

    /// Notes for the user: a doubtful range of values, ignored pages.
    pub fn notes(&self) -> Vec<String> {
        let range = self.levels.as_ref().and_then(Levels::warning);
        range
            .into_iter()
            .chain(self.notes.iter().cloned())
            .collect()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, `[H, W, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, `[H, W, 3]`, mutable.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The colour at row `y`, column `x`.
    pub fn pixel(&self, y: usize, x: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Sets the colour at row `y`, column `x`.
    pub fn set_pixel(&mut self, y: usize, x: usize, colour: [u8; 3]) {
        let at = (y * self.width + x) * 3;
        self.rgb[at..at + 3].copy_from_slice(&colour);
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} rows × {} columns)", self.height, self.width)
    }
}
