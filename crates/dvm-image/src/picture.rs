//! A picture in memory.

/// An 8-bit sRGB picture, rows top to bottom, pixels left to right, `R G B` per pixel (`[H, W, 3]`).
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    whole: bool,
}

impl Picture {
    /// Wraps `rgb`, the bytes of an `[height, width, 3]` array.
    ///
    /// # Panics
    /// If a side is zero or `rgb.len() != height * width * 3`: both are mistakes of the caller.
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
        }
    }

    /// A picture of one colour.
    pub fn filled(height: usize, width: usize, colour: [u8; 3]) -> Self {
        Self::new(height, width, colour.repeat(height * width))
    }

    /// The same, known to be what is left of a file that was cut off.
    pub(crate) fn cut_off(self) -> Self {
        Self {
            whole: false,
            ..self
        }
    }

    /// Whether the file had the whole picture; if not, what was missing is grey.
    pub fn is_whole(&self) -> bool {
        self.whole
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

    /// The bytes, `[H, W, 3]`, to be changed in place.
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
