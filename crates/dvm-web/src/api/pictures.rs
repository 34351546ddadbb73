//! Adding pictures.

#![expect(unused_qualifications, reason = "utoipa's macros write whole paths")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use dvm::data::formats::{Wanted, holds_frames};
use dvm::{Classifier, Picture, Reading, Source, is_recognised, system_words};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::session::SessionPicture;
use crate::server::{Lane, Problem, Server};

/// The name of the file.
#[derive(Deserialize, IntoParams)]
pub(super) struct FileName {
    /// The file's name, for display. Its extension distinguishes volumes from pictures.
    #[serde(default)]
    name: String,
}

/// A picture in the session.
#[derive(Serialize, ToSchema)]
pub(super) struct PictureInfo {
    /// Its id for other requests.
    id: String,
    name: String,
    /// Pixels of the whole picture.
    width: usize,
    height: usize,
    /// Warnings, such as that the file is truncated or that colours were dropped.
    notes: Vec<String>,
}

/// The maximum length of a file name, in characters.
const LONGEST: usize = 120;

/// Adds a picture file: PNG, JPEG, WebP, TIFF, BMP, GIF, DICOM, NIfTI (the middle slice) or .npy.
#[utoipa::path(
    post,
    path = "/api/pictures",
    params(FileName),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = PictureInfo),
        (status = 400, description = "The picture cannot be read"),
        (status = 413, description = "The file is too large")
    )
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    Query(FileName { name }): Query<FileName>,
    body: Bytes,
) -> Result<Json<PictureInfo>, Problem> {
    let name = plain_name(&name);
    let (place, kept) = (server.queue.enter(Lane::Short)?, server.clone());
    let source = Source::Bytes {
        name: name.clone(),
        bytes: body.to_vec().into(),
    };
    let (length, told) = (body.len(), source.clone());
    let picture = place
        .run(move |_| {
            let (_, classifier) = kept.models.iter().next().expect("a server has a network");
            read(&told, &kept, classifier)
        })
        .await??;
    let notes = picture.notes();
    Ok(Json(PictureInfo {
        id: server.session.put(name.clone(), length, source)?,
        name,
        width: picture.width(),
        height: picture.height(),
        notes,
    }))
}

/// The last part of a path, without control characters.
fn plain_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    match plain.trim() {
        "" => "picture".to_owned(),
        name => name.to_owned(),
    }
}

/// Reads the picture, within the limits of the server.
pub(super) fn read_given(
    given: &SessionPicture,
    server: &Server,
    classifier: &Classifier,
) -> Result<Picture, Problem> {
    read(&given.source, server, classifier)
}

fn read(source: &Source, server: &Server, classifier: &Classifier) -> Result<Picture, Problem> {
    let reading = server.models.reading(classifier);
    match source {
        Source::Bytes { name, bytes } if !is_recognised(bytes) => {
            match volume(name, bytes, &reading)? {
                Some(picture) => Ok(picture),
                None => Ok(source.read(&reading)?),
            }
        }
        source => Ok(source.read(&reading)?),
    }
}

/// The middle slice of a volume or the middle frame of a DICOM file. Their readers need a file, so a temporary one is
/// written. `None` for other files.
fn volume(name: &str, bytes: &[u8], reading: &Reading) -> Result<Option<Picture>, Problem> {
    let no_file = |error: std::io::Error| {
        Problem::internal(format!(
            "the server cannot write a temporary file: {}",
            system_words(&error)
        ))
    };
    let folder = tempfile::tempdir().map_err(no_file)?;
    let path = folder.path().join(file_name(name));
    let written = std::fs::File::create_new(&path).and_then(|mut file| file.write_all(bytes));
    written.map_err(no_file)?;
    if !holds_frames(&path) {
        return Ok(None);
    }
    let read = || -> Result<Option<Picture>, dvm::Error> {
        let sources = Source::of(&path, &Wanted::Middle)?;
        let first = sources.first();
        first.map(|source| source.read(reading)).transpose()
    };
    read().map_err(|error| {
        let problem = Problem::from(error);
        // Hides the path of the temporary file.
        let message = problem.message.replace(&path.display().to_string(), name);
        Problem::request(message)
    })
}

/// The name of the temporary file, with the client's extension if it is known.
fn file_name(name: &str) -> &'static str {
    let name = name.to_lowercase();
    let has = |ending: &&str| name.ends_with(*ending);
    let endings = [
        "picture.nii.gz",
        "picture.nii",
        "picture.npy",
        "picture.dcm",
    ];
    let found = endings
        .into_iter()
        .find(|own| has(&own.trim_start_matches("picture")));
    debug_assert!(found.is_none_or(|name| Path::new(name).is_relative()));
    found.unwrap_or("picture")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path_without_control_characters() {
        let names = [
            "../../etc/passwd",
            "C:\\x\\photo.jpg",
            "a\u{0}b\nc.png",
            "",
            "  ",
        ];
        let plain = names.map(plain_name);
        assert_eq!(
            plain,
            ["passwd", "photo.jpg", "abc.png", "picture", "picture"]
        );
        assert_eq!(plain_name(&"x".repeat(500)).len(), LONGEST);
    }

    #[test]
    fn a_temporary_file_has_only_a_known_extension_of_the_clients_name() {
        assert_eq!(file_name("../x.nii.gz"), "picture.nii.gz");
        assert_eq!(file_name("SCAN.DCM"), "picture.dcm");
        assert_eq!(file_name("x.sh"), "picture");
    }
}
