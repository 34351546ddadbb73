//! Pictures in, pictures out.
//!
//! The way from a file to a network: [`read`] (or [`decode`]) gives a [`Picture`], 8-bit RGB, the
//! right way up, whatever the format was; [`Preprocess::apply`] resizes it as Pillow does, cuts out
//! the centre and normalises, and gives an [`Input`], which keeps the original, the crop, the
//! `[C, H, W]` numbers and the [`Placement`] that leads from a point of one to the other.
//!
//! The way back: a [`HeatMap`] is a grid of numbers with the [`Grid`] that ties each cell to pixels
//! of the crop; [`encode_npy`] and [`encode_png`] give the bytes of the files, and [`write_atomic`]
//! puts them on disk whole or not at all, as a [`StagedFolder`] does with a whole folder and a [`StagedFile`]
//! with a file that grows for a long time.

mod channels;
mod decode;
mod deep;
mod endings;
mod file;
mod folder;
mod heatmap;
mod input;
mod input_values;
mod jpeg;
mod limits;
mod npy;
mod picture;
mod png;
mod preprocess;
mod range;
mod raster;
mod resize;
mod staged_file;

pub use channels::{Channels, luma};
pub use decode::{
    DecodeError, Error, Reading, bytes_of, decode, decode_as, is_recognised, read, read_as,
};
pub use deep::may_be_deep;
pub use endings::{ENDINGS, is_named_as_picture};
pub use file::write_atomic;
pub use folder::{StagedFolder, clear_unfinished, discard_unfinished};
pub use heatmap::{Grid, HeatMap};
pub use input::{Input, Placement, Rectangle};
pub use jpeg::encode_jpeg;
pub use limits::Limits;
pub use npy::{NpyFile, encode_npy, parse_npy};
pub use picture::Picture;
pub use png::{encode_grey_png, encode_png};
pub use preprocess::{Preprocess, PreprocessError, PreprocessField, Resize};
pub use range::Range;
pub use raster::{Levels, NotFinite, Raster, Samples, Whole};
pub use resize::{Interpolation, resize, resize_crop, resize_region};
pub use staged_file::StagedFile;
