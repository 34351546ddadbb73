//! Pictures that are put in.

#![expect(unused_qualifications, reason = "utoipa's macros write whole paths")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use dvm::data::formats::{Wanted, holds_frames};
use dvm::{Classifier, Picture, Reading, Source, is_recognised};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::session::Given;
use crate::server::{Lane, Problem, Server};

/// How the file is called.
#[derive(Deserialize, IntoParams)]
pub(super) struct Named {
    /// The file's name; only shown, and its ending tells volumes apart.
    #[serde(default)]
    name: String,
}

/// A picture that is known now.
#[derive(Serialize, ToSchema)]
pub(super) struct PictureInfo {
    /// What to ask for it by.
    id: String,
    name: String,
    /// Pixels of the whole picture.
    width: usize,
    height: usize,
    /// What is to be known of it: that its file is cut off, that its colours were dropped.
    notes: Vec<String>,
}

/// Longest name of a file, in letters.
const LONGEST: usize = 120;

/// Puts in a picture file: PNG, JPEG, WebP, TIFF, BMP, GIF, DICOM, NIfTI (the middle slice) or .npy.
#[utoipa::path(
    post,
    path = "/api/pictures",
    params(Named),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = PictureInfo),
        (status = 400, description = "The picture cannot be read"),
        (status = 413, description = "The file is too large")
    )
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    Query(Named { name }): Query<Named>,
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

/// The end of a path, without what would confuse a reader.
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

/// The picture, within the limits of the server.
pub(super) fn read_given(
    given: &Given,
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

/// The middle slice of a volume, the middle frame of a DICOM file. Their readers want a file, so for that time there
/// is one. None if it is no such thing.
fn volume(name: &str, bytes: &[u8], reading: &Reading) -> Result<Option<Picture>, Problem> {
    let no_file = |error: std::io::Error| Problem::internal(format!("no room for a file: {error}"));
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
        // Where the file was for that time is not the client's business.
        let message = problem.message.replace(&path.display().to_string(), name);
        Problem::request(message)
    })
}

/// A name for a file of our own, of which only the ending is the client's.
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
    fn a_name_is_the_end_of_a_path_without_control_letters() {
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
    fn of_a_clients_name_only_a_known_ending_reaches_the_disk() {
        assert_eq!(file_name("../x.nii.gz"), "picture.nii.gz");
        assert_eq!(file_name("SCAN.DCM"), "picture.dcm");
        assert_eq!(file_name("x.sh"), "picture");
    }
}
