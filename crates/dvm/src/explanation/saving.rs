//! The files of an explanation.

use std::path::{Path, PathBuf};

use dvm_attribution::Array;
use dvm_data::formats::Description;
use dvm_image::{Picture, encode_npy, encode_png};
use serde_json::Value;

use super::{Explanation, percent};
use crate::files::{FileKind, encode_png16};
use crate::results::RECORD;
use crate::{Error, ResultFolder, drawing};

impl Explanation {
    /// Saves this explanation as `folder`: `input.png`; for each method `<method>.npy`, `<method>.raw.npy`,
    /// `<method>.png` and `<method>.overlay.png`; `figure.png`, or the formats in
    /// [`Explain::figures`](crate::Explain::figures); and the record `explanation.json`, which lists the files.
    /// [`Explain::files`](crate::Explain::files) selects the kinds. The folder appears complete or not at all, and
    /// replaces explanations that were there. Returns the paths of the files.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder contains other files, [`Error::Save`] with the file.
    pub fn save(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let results = ResultFolder::begin(folder)?;
        let files = self.write(&results, None, |_| {})?;
        results.publish()?;
        Ok(files)
    }

    /// The overlay of a method as a DICOM file, for a picture from a DICOM file.
    fn secondary_capture(&self, method: &str, overlay: &Picture) -> Option<Vec<u8>> {
        let (study, number) = self.study.as_ref()?;
        let class = self.class_name();
        let percent = percent(self.probability());
        let model = &self.explained.model_name;
        let of = Description {
            series: &format!("{model}: what the network looked at"),
            derivation: &format!(
                "Map of the method {method} for the class {class} ({percent}) laid over the part of \
                 the picture that the network {model} saw; made by Deep Vision Mask. Not for diagnosis."
            ),
            number: *number,
        };
        Some(study.secondary_capture(overlay, &of))
    }

    /// Whether all classes share this array while each has its own folder, and if so, whether it is already
    /// written.
    fn is_shared(
        &self,
        results: &ResultFolder,
        class: Option<&str>,
        (method, array): (&str, &Array),
    ) -> Option<bool> {
        let is_common = class.is_some() && array.is_of_all_classes;
        is_common
            .then(|| results.has_shared(&format!("{method}.{}", array.name), &array.values))
            .flatten()
    }

    /// Writes the files of [`Explanation::save`] into a folder of results, which can contain several classes,
    /// each in its own folder `class`. A raw array that all classes share is written once, beside these
    /// folders. `complete` can add to the record, such as the picture's file. Returns the final paths of the
    /// files.
    ///
    /// # Errors
    /// [`Error::Save`] with the file.
    pub fn write(
        &self,
        results: &ResultFolder,
        class: Option<&str>,
        complete: impl FnOnce(&mut Value),
    ) -> Result<Vec<PathBuf>, Error> {
        let own = Path::new(class.unwrap_or_default());
        let mut record = self.record();
        let mut files = Vec::new();
        // Relative to the folder of the record.
        let mut names = Vec::new();
        let mut write = |name: String, bytes: &[u8]| -> Result<(), Error> {
            files.push(results.write(&own.join(&name), bytes)?);
            names.push(name);
            Ok(())
        };
        let wants = |kind: FileKind| self.explained.files.contains(&kind);
        if wants(FileKind::Input) {
            write("input.png".into(), &encode_png(self.crop()))?;
        }
        let mut shared = Vec::new();
        for (index, map) in self.maps.iter().enumerate() {
            let (name, attribution) = (map.entry.name, &map.attribution);
            let (height, width) = attribution.size;
            if wants(FileKind::Npy) {
                let values = encode_npy(&[height, width], &attribution.map);
                write(format!("{name}.npy"), &values)?;
            }
            let raw = match wants(FileKind::Raw) {
                true => &attribution.arrays[..],
                false => &[],
            };
            for (place, array) in raw.iter().enumerate() {
                let file = format!("{name}.{}.npy", array.name);
                let named = match self.is_shared(results, class, (name, array)) {
                    None => {
                        write(file.clone(), &encode_npy(&array.shape, &array.values))?;
                        file
                    }
                    Some(is_there) => {
                        let path = match is_there {
                            true => results.path().join(&file),
                            false => {
                                let bytes = encode_npy(&array.shape, &array.values);
                                results.write(Path::new(&file), &bytes)?
                            }
                        };
                        let named = format!("../{file}");
                        shared.push((path, named.clone()));
                        named
                    }
                };
                record["methods"][index]["arrays"][place]["file"] = named.into();
            }
            let colours = self.explained.colours;
            if wants(FileKind::Png) {
                let picture = drawing::map(attribution, colours);
                write(format!("{name}.png"), &encode_png(&picture))?;
            }
            if wants(FileKind::Png16) {
                let bytes = encode_png16((height, width), &attribution.map);
                write(format!("{name}.16.png"), &bytes)?;
            }
            if !wants(FileKind::Overlay) {
                continue;
            }
            let overlay =
                drawing::overlay(attribution, self.crop(), self.explained.overlay, colours);
            write(format!("{name}.overlay.png"), &encode_png(&overlay))?;
            if let Some(capture) = self.secondary_capture(name, &overlay) {
                write(format!("{name}.overlay.dcm"), &capture)?;
            }
        }
        if wants(FileKind::Figure) {
            let page = self.page();
            for format in &self.explained.figures {
                write(format!("figure.{}", format.name()), &format.encode(&page))?;
            }
        }
        for (path, named) in shared {
            files.push(path);
            names.push(named);
        }
        names.push(RECORD.into());
        record["files"] = names.into();
        complete(&mut record);
        let mut text = serde_json::to_string_pretty(&record).expect("a record is plain data");
        text.push('\n');
        files.push(results.write(&own.join(RECORD), text.as_bytes())?);
        Ok(files)
    }
}
