//! Folders of pictures as people have them.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::dataset::entries;
use crate::prepare::Plan;

/// A folder of pictures.
#[derive(Debug)]
pub(super) struct Class {
    /// The folder's name.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// Names of the pictures, sorted.
    pub(super) pictures: Vec<String>,
}

/// Names of folders that are no classes but splits.
const SPLITS: [&str; 6] = ["train", "val", "valid", "validation", "test", "testing"];

/// The class folders of `source`, sorted by name. What is no picture is counted in the plan.
///
/// # Errors
/// [`Error::Layout`] if there are less than two, one is empty, has a name that is no UTF-8, or they
/// are splits; [`Error::File`] for what cannot be read.
pub(super) fn classes(source: &Path, plan: &mut Plan) -> Result<Vec<Class>, Error> {
    let mut classes = Vec::new();
    for path in entries(source)? {
        if !path.is_dir() {
            plan.leave_out("files beside the class folders");
            continue;
        }
        classes.push(class(&path, plan)?);
    }
    let is_split = |class: &Class| SPLITS.contains(&class.name.to_lowercase().as_str());
    if classes.len() > 1 && classes.iter().all(is_split) {
        return Err(Error::Layout {
            path: source.into(),
            detail: "is split already; it needs no preparing if each of its folders holds one \
                     folder per class: look it over with `dvm prepare audit`"
                .into(),
        });
    }
    if let Some(empty) = classes.iter().find(|class| class.pictures.is_empty()) {
        return Err(Error::Layout {
            path: empty.folder.clone(),
            detail: format!(
                "holds no picture ({}); a class needs some: add them, or remove the folder",
                dvm_image::ENDINGS.join(", ")
            ),
        });
    }
    if classes.len() < 2 {
        return Err(Error::Layout {
            path: source.into(),
            detail: format!(
                "holds {} with pictures; it must hold one per class, at least two",
                match classes.len() {
                    0 => "no folder",
                    _ => "one folder",
                }
            ),
        });
    }
    Ok(classes)
}

/// One class folder. Folders in it are not entered.
///
/// # Errors
/// As [`classes`].
pub(super) fn class(folder: &Path, plan: &mut Plan) -> Result<Class, Error> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::Layout {
        path: folder.into(),
        detail: "has a name that is no UTF-8 and cannot name a class; rename it".into(),
    })?;
    let mut pictures = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            plan.leave_out("folders within class folders");
        } else if !dvm_image::is_named_as_picture(&path) {
            plan.leave_out("files that are no pictures by their names");
        } else if !path.is_file() {
            plan.leave_out("links that lead nowhere, and things that are no files");
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            pictures.push(name.to_owned());
        } else {
            plan.leave_out("files whose names are no UTF-8");
        }
    }
    Ok(Class {
        name: name.into(),
        folder: folder.into(),
        pictures,
    })
}
