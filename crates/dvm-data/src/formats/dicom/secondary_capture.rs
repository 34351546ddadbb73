//! Writes a picture as a DICOM secondary capture (PS3.3, A.8.1), which every viewer shows.

use std::collections::BTreeMap;

use dicom_core::Tag;
use dvm_image::Picture;
use sha2::{Digest, Sha256};

use super::super::Description;
use super::super::array::ReadError;
use super::elements::Elements;
use super::tags;

/// The SOP class of the files.
const CLASS: &str = "1.2.840.10008.5.1.4.1.1.7";

/// The transfer syntax: explicit little endian.
const SYNTAX: &str = "1.2.840.10008.1.2.1";

/// The patient, study and series of a DICOM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Study {
    /// Stored values of [`tags::IDENTITY`].
    values: Vec<(Tag, Vec<u8>)>,
}

impl Study {
    pub(super) fn of(elements: &Elements) -> Result<Self, ReadError> {
        let known = tags::IDENTITY.iter();
        let values = known.filter_map(|(tag, ..)| Some((*tag, elements.value(*tag)?.to_vec())));
        Ok(Self {
            values: values.collect(),
        })
    }

    fn value(&self, tag: Tag) -> &[u8] {
        let found = self.values.iter().find(|(known, _)| *known == tag);
        found.map_or(&[], |(_, value)| value)
    }

    fn uid(&self, tag: Tag) -> &[u8] {
        let value = self.value(tag);
        // A zero or a space pads the length to an even number.
        let end = value.iter().rposition(|byte| !matches!(byte, 0 | b' '));
        &value[..end.map_or(0, |end| end + 1)]
    }

    /// The bytes of a DICOM file of the same patient and study that shows `picture`, derived from the source.
    /// Its identifiers are a hash of its contents and the source: the same picture gets the same ones.
    pub fn secondary_capture(&self, picture: &Picture, of: &Description) -> Vec<u8> {
        let source = self.uid(tags::INSTANCE_UID);
        let series = uid(&[
            b"series",
            self.uid(tags::SERIES_UID),
            source,
            of.series.as_bytes(),
        ]);
        let size = [picture.height(), picture.width()].map(|side| (side as u64).to_le_bytes());
        let instance = uid(&[
            b"instance",
            series.as_bytes(),
            of.derivation.as_bytes(),
            &(of.number as u64).to_le_bytes(),
            &size.concat(),
            picture.rgb(),
        ]);
        let study = match self.uid(tags::STUDY_UID) {
            [] => uid(&[b"study", source, self.value(Tag(0x0010, 0x0020))]),
            known => String::from_utf8_lossy(known).into_owned(),
        };
        let mut elements = BTreeMap::new();
        // Patient and study. The standard requires some of these elements, even if empty (type 2).
        for &(tag, vr, is_required) in tags::IDENTITY {
            let value = self.value(tag);
            if is_required || !value.is_empty() {
                elements.insert(tag, (vr, value.to_vec()));
            }
        }
        let short = |number: usize| (number as u16).to_le_bytes();
        let description = ascii(of.series, 64);
        let derivation = ascii(of.derivation, 1024);
        let number = of.number.to_string();
        let own: [(Tag, &[u8; 2], &[u8]); 24] = [
            // Image type.
            (Tag(0x0008, 0x0008), b"CS", b"DERIVED\\SECONDARY"),
            (tags::CLASS_UID, b"UI", CLASS.as_bytes()),
            (tags::INSTANCE_UID, b"UI", instance.as_bytes()),
            // Modality; conversion: made at a workstation.
            (Tag(0x0008, 0x0060), b"CS", b"OT"),
            (Tag(0x0008, 0x0064), b"CS", b"WSD"),
            // Descriptions of the series and of the derivation.
            (Tag(0x0008, 0x103e), b"LO", description.as_bytes()),
            (Tag(0x0008, 0x2111), b"ST", derivation.as_bytes()),
            // Device and its version.
            (Tag(0x0018, 0x1018), b"LO", b"Deep Vision Mask"),
            (
                Tag(0x0018, 0x1019),
                b"LO",
                env!("CARGO_PKG_VERSION").as_bytes(),
            ),
            (tags::STUDY_UID, b"UI", study.as_bytes()),
            (tags::SERIES_UID, b"UI", series.as_bytes()),
            // Numbers of the series, which must be there but may be empty, and of the instance.
            (Tag(0x0020, 0x0011), b"IS", b""),
            (Tag(0x0020, 0x0013), b"IS", number.as_bytes()),
            (tags::SAMPLES, b"US", &short(3)),
            (tags::PHOTOMETRIC, b"CS", b"RGB"),
            (tags::PLANAR, b"US", &short(0)),
            (tags::ROWS, b"US", &short(picture.height())),
            (tags::COLUMNS, b"US", &short(picture.width())),
            (tags::BITS_ALLOCATED, b"US", &short(8)),
            (tags::BITS_STORED, b"US", &short(8)),
            (tags::HIGH_BIT, b"US", &short(7)),
            (tags::REPRESENTATION, b"US", &short(0)),
            // No annotation is burned in.
            (Tag(0x0028, 0x0301), b"CS", b"NO"),
            (tags::PIXELS, b"OB", picture.rgb()),
        ];
        for (tag, vr, value) in own {
            elements.insert(tag, (vr, value.to_vec()));
        }
        // The source picture.
        let class = self.uid(tags::CLASS_UID);
        if !source.is_empty() && !class.is_empty() {
            let mut item = DataSet::default();
            item.add(Tag(0x0008, 0x1150), b"UI", class);
            item.add(Tag(0x0008, 0x1155), b"UI", source);
            elements.insert(Tag(0x0008, 0x2112), (b"SQ", item.as_item()));
        }
        let mut data = DataSet::default();
        for (tag, (vr, value)) in elements {
            data.add(tag, vr, &value);
        }
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(meta(&instance));
        file.extend(data.bytes);
        file
    }
}

/// Elements in explicit little endian.
#[derive(Default)]
struct DataSet {
    bytes: Vec<u8>,
}

impl DataSet {
    /// Adds an element. Its value is padded to an even length.
    fn add(&mut self, Tag(group, element): Tag, vr: &[u8; 2], value: &[u8]) {
        let padding = match vr {
            b"UI" | b"OB" | b"SQ" => 0,
            _ => b' ',
        };
        let length = value.len() + value.len() % 2;
        self.bytes.extend(group.to_le_bytes());
        self.bytes.extend(element.to_le_bytes());
        self.bytes.extend(vr);
        if matches!(vr, b"OB" | b"SQ") {
            self.bytes.extend([0, 0]);
            self.bytes.extend((length as u32).to_le_bytes());
        } else {
            self.bytes.extend((length as u16).to_le_bytes());
        }
        self.bytes.extend(value);
        if value.len() % 2 == 1 {
            self.bytes.push(padding);
        }
    }

    fn text(&mut self, tag: Tag, vr: &[u8; 2], text: &str) {
        self.add(tag, vr, text.as_bytes());
    }

    /// As the only item of a sequence.
    fn as_item(&self) -> Vec<u8> {
        let head = [0xfffe_u16.to_le_bytes(), 0xe000_u16.to_le_bytes()].concat();
        let length = (self.bytes.len() as u32).to_le_bytes();
        [&head, &length[..], &self.bytes].concat()
    }
}

/// The file meta information.
fn meta(instance: &str) -> Vec<u8> {
    let mut group = DataSet::default();
    group.add(Tag(0x0002, 0x0001), b"OB", &[0, 1]);
    group.text(Tag(0x0002, 0x0002), b"UI", CLASS);
    group.text(Tag(0x0002, 0x0003), b"UI", instance);
    group.text(tags::TRANSFER_SYNTAX, b"UI", SYNTAX);
    group.text(Tag(0x0002, 0x0012), b"UI", &uid(&[b"Deep Vision Mask"]));
    group.text(Tag(0x0002, 0x0013), b"SH", "DVM");
    let mut meta = DataSet::default();
    let length = (group.bytes.len() as u32).to_le_bytes();
    meta.add(Tag(0x0002, 0x0000), b"UL", &length);
    meta.bytes.extend(group.bytes);
    meta.bytes
}

/// An identifier from a hash of `parts`: a number of 128 bits below 2.25 (PS3.5, B.2).
fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let number = digest
        .first_chunk()
        .map_or(0, |first| u128::from_be_bytes(*first));
    format!("2.25.{number}")
}

/// A text in printable ASCII, at most `most` characters long.
fn ascii(text: &str, most: usize) -> String {
    let plain = |c: char| match c {
        ' '..='~' if c != '\\' => c,
        _ => '?',
    };
    text.chars().take(most).map(plain).collect()
}
