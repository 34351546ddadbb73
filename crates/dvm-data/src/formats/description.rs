//! The texts of a DICOM secondary capture.

/// The texts and the number of a DICOM secondary capture.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// Name of the series, such as that of the network.
    pub series: &'a str,
    /// How the picture was made.
    pub derivation: &'a str,
    /// Number of the picture in its series, from 1.
    pub number: usize,
}
