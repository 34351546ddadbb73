//! Source folders with one folder per class.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dvm_image::{Range, Reading, encode_png};

use crate::corpora::volumes::Volumes;
use crate::dataset::entries;
use crate::formats::volume_name;
use crate::prepare::{Content, Plan, Planned};
use crate::{Error, Split};

/// A folder of pictures.
#[derive(Debug)]
pub(super) struct Class {
    /// The folder's name.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// Names of the pictures, sorted.
    pub(super) pictures: Vec<String>,
}

impl Class {
    /// Puts its pictures into these splits.
    pub(super) fn plan(self, splits: impl IntoIterator<Item = Split>, plan: &mut Plan) {
        for (name, split) in self.pictures.into_iter().zip(splits) {
            plan.pictures.push(Planned {
                split,
                class: self.name.clone(),
                content: Content::File(self.folder.join(&name)),
                name,
            });
        }
    }

    /// As [`Class::plan`], for a class that may contain volumes. All slices of a volume go into its split.
    /// With a `range`, pictures become 8-bit PNG files.
    ///
    /// # Errors
    /// As [`Volumes::pictures`].
    pub(super) fn plan_slices(
        self,
        splits: impl IntoIterator<Item = Split>,
        volumes: &Arc<Volumes>,
        range: Option<Range>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        for (name, split) in self.pictures.into_iter().zip(splits) {
            let path = self.folder.join(&name);
            let pictures = if volume_name(&path).is_some() {
                volumes.pictures(&path)?
            } else if let Some(range) = range {
                vec![in_eight_bits(path, range)]
            } else {
                vec![(name, Content::File(path))]
            };
            for (name, content) in pictures {
                plan.pictures.push(Planned {
                    split,
                    class: self.name.clone(),
                    name,
                    content,
                });
            }
        }
        Ok(())
    }
}

/// Folders that archives and file managers leave behind; they are never a class.
const NO_CLASSES: [&str; 5] = [
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
    "lost+found",
    "System Volume Information",
];

/// A picture as an 8-bit PNG file, with this range of values.
fn in_eight_bits(path: PathBuf, range: Range) -> (String, Content) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}.png");
    let make = move || -> Result<Vec<u8>, Error> {
        let reading = Reading {
            range,
            ..Reading::default()
        };
        Ok(encode_png(&dvm_image::read_as(&path, &reading)?))
    };
    (name, Content::Made(Box::new(make)))
}

/// The class folders of `source`, sorted by name, with their pictures and volumes. Other files are counted
/// in the plan.
///
/// # Errors
/// [`Error::Layout`] if there are fewer than two, one is empty or has a name that is not UTF-8, or they are
/// splits; [`Error::File`] for a folder that cannot be read.
pub(super) fn classes(source: &Path, plan: &mut Plan) -> Result<Vec<Class>, Error> {
    let mut classes = Vec::new();
    for path in entries(source)? {
        if !path.is_dir() {
            plan.leave_out("files beside the class folders");
            continue;
        }
        if NO_CLASSES.iter().any(|name| path.ends_with(name)) {
            plan.leave_out("folders of archive programs or the system");
            continue;
        }
        classes.push(class(&path, true, plan)?);
    }
    let is_split = |class: &Class| Split::of_folder(&class.name).is_some();
    if classes.len() > 1 && classes.iter().all(is_split) {
        return Err(Error::Layout {
            path: source.into(),
            detail: "is already split into train, val or test, so there is nothing to prepare; check it with \
                     `dvm prepare audit`"
                .into(),
        });
    }
    refuse_empty(&classes)?;
    if classes.len() < 2 {
        return Err(Error::Layout {
            path: source.into(),
            detail: format!(
                "contains {} with pictures; it must contain at least two, one per class",
                match classes.len() {
                    0 => "no folder",
                    _ => "one folder",
                }
            ),
        });
    }
    Ok(classes)
}

/// The given folders of `source`, each with its class. Other folders and files are counted in the plan.
///
/// # Errors
/// [`Error::Layout`] if one is missing or empty; [`Error::File`] for a folder that cannot be read.
pub(super) fn named(
    source: &Path,
    folders: &[(&str, &str)],
    plan: &mut Plan,
) -> Result<Vec<Class>, Error> {
    for path in entries(source)? {
        let name = path.file_name().unwrap_or_default();
        if !path.is_dir() {
            plan.leave_out("files beside the class folders");
        } else if folders.iter().all(|(folder, _)| name != *folder) {
            plan.leave_out("folders that are not classes of this corpus");
        }
    }
    let absent = |(folder, _): &&(&str, &str)| !source.join(folder).is_dir();
    let missing: Vec<&str> = folders.iter().filter(absent).map(|(f, _)| *f).collect();
    if !missing.is_empty() {
        let all: Vec<&str> = folders.iter().map(|(folder, _)| *folder).collect();
        return Err(Error::Layout {
            path: source.into(),
            detail: format!(
                "lacks the class folder {}; it must contain {}",
                missing.join(", "),
                all.join(", ")
            ),
        });
    }
    let class = |(folder, name): &(&str, &str)| {
        let class = class(&source.join(folder), false, plan)?;
        Ok(Class {
            name: (*name).into(),
            ..class
        })
    };
    let classes: Vec<Class> = folders.iter().map(class).collect::<Result<_, Error>>()?;
    refuse_empty(&classes)?;
    Ok(classes)
}

fn refuse_empty(classes: &[Class]) -> Result<(), Error> {
    match classes.iter().find(|class| class.pictures.is_empty()) {
        None => Ok(()),
        Some(empty) => Err(Error::Layout {
            path: empty.folder.clone(),
            detail: format!(
                "contains no picture ({}); add some, or remove the folder",
                dvm_image::ENDINGS.join(", ")
            ),
        }),
    }
}

/// One class folder with its pictures and, if `volumes`, its volumes. Subfolders are ignored.
///
/// # Errors
/// As [`classes`].
fn class(folder: &Path, volumes: bool, plan: &mut Plan) -> Result<Class, Error> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::Layout {
        path: folder.into(),
        detail: "has a name that is not UTF-8, so it cannot be a class; rename it".into(),
    })?;
    let mut pictures = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            plan.leave_out("folders within class folders");
        } else if !(dvm_image::is_named_as_picture(&path)
            || volumes && volume_name(&path).is_some())
        {
            plan.leave_out("files without the extension of a picture");
        } else if !path.is_file() {
            plan.leave_out("broken links, and pipes or devices");
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            pictures.push(name.to_owned());
        } else {
            plan.leave_out("files with names that are not UTF-8");
        }
    }
    Ok(Class {
        name: name.into(),
        folder: folder.into(),
        pictures,
    })
}
