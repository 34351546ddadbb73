//! Numbers of DICOM elements: <https://dicom.nema.org/medical/dicom/current/output/html/part06.html>.

use dicom_core::Tag;

pub(super) const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
pub(super) const SAMPLES: Tag = Tag(0x0028, 0x0002);
pub(super) const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
pub(super) const PLANAR: Tag = Tag(0x0028, 0x0006);
pub(super) const FRAMES: Tag = Tag(0x0028, 0x0008);
pub(super) const ROWS: Tag = Tag(0x0028, 0x0010);
pub(super) const COLUMNS: Tag = Tag(0x0028, 0x0011);
pub(super) const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
pub(super) const BITS_STORED: Tag = Tag(0x0028, 0x0101);
pub(super) const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
pub(super) const REPRESENTATION: Tag = Tag(0x0028, 0x0103);
pub(super) const WINDOW_CENTRE: Tag = Tag(0x0028, 0x1050);
pub(super) const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
pub(super) const INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(super) const SLOPE: Tag = Tag(0x0028, 0x1053);
pub(super) const WINDOW_FUNCTION: Tag = Tag(0x0028, 0x1056);
pub(super) const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
pub(super) const PIXELS: Tag = Tag(0x7fe0, 0x0010);

/// Elements of the picture that are kept.
pub(super) const KEPT: &[Tag] = &[
    TRANSFER_SYNTAX,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    REPRESENTATION,
    WINDOW_CENTRE,
    WINDOW_WIDTH,
    INTERCEPT,
    SLOPE,
    WINDOW_FUNCTION,
    PIXELS,
];

pub(super) const CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
pub(super) const CLASS_UID: Tag = Tag(0x0008, 0x0016);
pub(super) const INSTANCE_UID: Tag = Tag(0x0008, 0x0018);
pub(super) const STUDY_UID: Tag = Tag(0x0020, 0x000d);
pub(super) const SERIES_UID: Tag = Tag(0x0020, 0x000e);

/// Elements of the patient, study and series, with their types, and whether a file must have them.
pub(super) const IDENTITY: &[(Tag, &[u8; 2], bool)] = &[
    (CHARACTER_SET, b"CS", false),
    (CLASS_UID, b"UI", false),
    (INSTANCE_UID, b"UI", false),
    // Study date, time, accession number.
    (Tag(0x0008, 0x0020), b"DA", true),
    (Tag(0x0008, 0x0030), b"TM", true),
    (Tag(0x0008, 0x0050), b"SH", true),
    // Referring physician, study description.
    (Tag(0x0008, 0x0090), b"PN", true),
    (Tag(0x0008, 0x1030), b"LO", false),
    // Patient's name, number, birth date, sex, age.
    (Tag(0x0010, 0x0010), b"PN", true),
    (Tag(0x0010, 0x0020), b"LO", true),
    (Tag(0x0010, 0x0030), b"DA", true),
    (Tag(0x0010, 0x0040), b"CS", true),
    (Tag(0x0010, 0x1010), b"AS", false),
    // Body part.
    (Tag(0x0018, 0x0015), b"CS", false),
    (STUDY_UID, b"UI", false),
    (SERIES_UID, b"UI", false),
    // Study number.
    (Tag(0x0020, 0x0010), b"SH", true),
    // No frame of reference: the overlay is in the coordinates of the crop, not of the patient.
];
