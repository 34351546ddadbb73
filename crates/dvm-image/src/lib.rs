//! Reading, preprocessing and writing of pictures. From a file to a network: [`read`] or [`decode`]
//! gives a [`Picture`], 8-bit RGB. [`Preprocess::apply`] resizes it as Pillow does, crops the
//! centre and normalises. The result is an [`Input`] with the original, the crop, the values `[C,
//! H, W]` and the [`Placement`], which converts points between crop and original. From a map to
//! files: a [`HeatMap`] is a grid of values with a [`Grid`] that gives the pixels of each cell.
//! [`encode_npy`] and [`encode_png`] give the bytes of files. [`write_atomic`] writes a file
//! atomically, [`StagedFolder`] a folder, and [`StagedFile`] a file that is written piece by piece.

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
mod percent;
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
pub use input::{Input, PixelRanges, Placement};
pub use jpeg::encode_jpeg;
pub use limits::Limits;
pub use npy::{NpyFile, encode_npy, parse_npy};
pub use percent::{fixed_percent, percent, short_percent};
pub use picture::Picture;
pub use png::{encode_grey_png, encode_png};
pub use preprocess::{Preprocess, PreprocessError, PreprocessField, Resize};
pub use range::Range;
pub use raster::{Levels, NotFinite, Raster, Samples, Whole};
pub use resize::{Interpolation, resize, resize_crop, resize_region};
pub use staged_file::StagedFile;
