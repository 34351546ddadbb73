//! Reports as files: one complete document with all data.

use std::fs;
use std::path::Path;

use dvm::{Caption, ClassChoice, Classifier, Explain, Explanation, Picture};
use dvm_web::report::{Head, Kind, Section, Writer, document};
use dvm_web::view::{Detail, ExplanationView, Warning};
use serde_json::{Map, Value, json};

/// A name that would end its HTML element without escaping.
const UNKIND: &str = "</script><b>";

/// Explanations of a small picture, for two classes.
fn explanations() -> Vec<Explanation> {
    let classifier = Classifier::random("squeezenet1_1").unwrap();
    let mut names = classifier.classes().to_vec();
    names[0] = UNKIND.into();
    let mut preprocess = classifier.preprocess().clone();
    preprocess.crop = (48, 48);
    preprocess.resize = dvm::Resize::Exact(48, 48);
    let classifier = classifier.with_classes(names).unwrap();
    let classifier = classifier.with_preprocess(preprocess).unwrap();
    let mut picture = Picture::filled(60, 60, [90, 160, 40]);
    for (index, value) in picture.rgb_mut().iter_mut().enumerate() {
        *value = value.wrapping_add((index * 37 % 91) as u8);
    }
    let mut options = Explain::methods("gradient,grad-cam").unwrap();
    options.classes = vec![ClassChoice::Index(0), ClassChoice::Index(7)];
    let caption = Caption::labelled(Path::new("a/b.png"), UNKIND);
    let all = classifier.explain(picture, &options).unwrap().into_iter();
    all.map(|one| one.with_caption(caption.clone())).collect()
}

fn head() -> Head {
    Head {
        kind: Kind::Explain,
        title: format!("pictures of {UNKIND}"),
        command: "dvm explain 'a & b.png'".into(),
        parameters: Map::from_iter([("limit".to_owned(), json!(0.1))]),
        warnings: vec![Warning {
            source: "network".into(),
            text: "<!-- assumed -->".into(),
        }],
        sections: vec![Section::text("Notes\u{2028}", vec![UNKIND.into()])],
    }
}

fn add(writer: &mut Writer, explanations: &[Explanation], name: &str) {
    for explanation in explanations {
        let entry = writer.explanation(explanation, name, explanation.record(), None);
        writer.list(&entry.unwrap()).unwrap();
    }
}

/// Writes a report of both explanations and of a picture that failed.
fn write(path: &Path, explanations: &[Explanation], detail: Detail) {
    let before = fs::read(path).ok();
    let mut writer = Writer::begin(path, detail).unwrap();
    add(&mut writer, explanations, "a/b.png");
    writer.failed("c.png", "cannot be read");
    assert!(fs::read(path).ok() == before, "it is not finished");
    let bytes = writer.finish(&head()).unwrap();
    assert_eq!(bytes, fs::metadata(path).unwrap().len());
}

/// The data of the element that starts like this.
fn element(report: &str, attributes: &str) -> Value {
    let begin = format!("<script type=\"application/json\" {attributes}>");
    assert_eq!(report.matches(&begin).count(), 1, "{attributes}");
    let (_, rest) = report.split_once(&begin).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn all_data_can_be_read_back() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.html");
    let explanations = explanations();
    for detail in [Detail::Full, Detail::Small] {
        write(&path, &explanations, detail);
        let report = fs::read_to_string(&path).unwrap();
        for (id, explanation) in explanations.iter().enumerate() {
            let view = ExplanationView::new(explanation, "a/b.png", explanation.record(), detail);
            let found = element(&report, &format!("class=\"picture\" id=\"picture-{id}\""));
            // 32-bit numbers are written shorter than 64-bit values.
            let view: Value = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
            assert_eq!(found, view);
        }
        let found = element(&report, "id=\"head\"");
        let of_head = serde_json::to_value(head()).unwrap();
        for (name, value) in of_head.as_object().unwrap() {
            assert_eq!(&found[name], value, "{name}");
        }
        assert_eq!(found["small"], detail == Detail::Small);
        assert_eq!(
            found["failed"],
            json!([{ "name": "c.png", "error": "cannot be read" }])
        );
        let entries = found["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        for (id, entry) in entries.iter().enumerate() {
            assert_eq!(entry["id"], id);
            assert_eq!(entry["name"], "a/b.png");
            assert_eq!(entry["trueClass"], UNKIND);
            let top = &explanations[0].prediction().top(1)[0];
            assert_eq!(entry["right"], top.name == UNKIND);
            assert_eq!(entry["methods"], json!(["gradient", "grad-cam"]));
            let thumbnail = entry["thumbnail"].as_str().unwrap();
            assert!(thumbnail.starts_with("data:image/jpeg;base64,"));
        }
        assert_eq!(entries[0]["class"]["name"], UNKIND);
    }
}

#[test]
fn a_report_is_one_document_without_external_resources() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.html");
    write(&path, &explanations(), Detail::Full);
    let report = fs::read_to_string(&path).unwrap();
    assert!(report.starts_with("<!doctype html>"));
    assert!(report.trim_end().ends_with("</html>"));
    assert!(!report.contains("<!--data-->"));
    assert!(
        report.contains("default-src 'none'"),
        "nothing may be loaded"
    );
    // Text outside scripts and styles is markup; it must not contain names.
    let mut markup = String::new();
    let mut rest = report.as_str();
    while let Some(at) = rest
        .find("<script")
        .into_iter()
        .chain(rest.find("<style"))
        .min()
    {
        let end = match rest[at..].starts_with("<script") {
            true => "</script>",
            false => "</style>",
        };
        markup += &rest[..at];
        rest = rest[at..].split_once(end).unwrap().1;
    }
    markup += rest;
    for part in [
        "http:", "https:", " src=", " href=", "<b>", "@import", "url(",
    ] {
        assert!(!markup.contains(part), "{part} in {markup}");
    }
    assert_eq!(report.matches("<html").count(), 1);
}

#[test]
fn the_document_in_memory_is_the_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.html");
    let explanations = explanations();
    let mut writer = Writer::begin(&path, Detail::Full).unwrap();
    add(&mut writer, &explanations, "b.png");
    writer.finish(&head()).unwrap();
    let all: Vec<_> = explanations
        .iter()
        .map(|explanation| (explanation, "b.png", explanation.record()))
        .collect();
    assert!(fs::read(&path).unwrap() == document(&all, &head()));
}

#[test]
fn explanations_that_are_not_listed_are_not_in_the_list() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.html");
    let explanations = explanations();
    let mut writer = Writer::begin(&path, Detail::Full).unwrap();
    let [first, second] = [0, 1].map(|index: usize| {
        let one = &explanations[index];
        writer
            .explanation(one, "b.png", one.record(), Some("group"))
            .unwrap()
    });
    drop(first);
    writer.list(&second).unwrap();
    writer.finish(&head()).unwrap();
    let head = element(&fs::read_to_string(&path).unwrap(), "id=\"head\"");
    assert_eq!(head["entries"].as_array().unwrap().len(), 1);
    assert_eq!(head["entries"][0]["id"], 1);
    assert_eq!(head["entries"][0]["group"], "group");
}

#[test]
fn a_cancelled_or_failed_report_keeps_the_earlier_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.html");
    let explanations = explanations();
    write(&path, &explanations, Detail::Small);
    let earlier = fs::read(&path).unwrap();
    let mut writer = Writer::begin(&path, Detail::Full).unwrap();
    let one = &explanations[0];
    writer
        .explanation(one, "b.png", one.record(), None)
        .unwrap();
    drop(writer);
    assert!(fs::read(&path).unwrap() == earlier);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);

    let place = home.path().join("taken.html");
    let writer = Writer::begin(&place, Detail::Full).unwrap();
    fs::create_dir_all(place.join("folder")).unwrap();
    let error = writer.finish(&head()).unwrap_err().to_string();
    assert!(error.contains("taken.html"), "{error}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
}

#[test]
fn only_a_report_or_an_empty_file_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let photo = home.path().join("photo.jpg");
    fs::write(&photo, "precious").unwrap();
    let refused = Writer::begin(&photo, Detail::Full)
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("photo.jpg") && refused.contains("not a report"),
        "{refused}"
    );
    assert_eq!(fs::read(&photo).unwrap(), b"precious");
    let empty = home.path().join("empty");
    fs::write(&empty, "").unwrap();
    write(&empty, &[], Detail::Full);
    write(&empty, &[], Detail::Full);
    assert!(fs::read_to_string(&empty).unwrap().contains("dvm report"));
}
