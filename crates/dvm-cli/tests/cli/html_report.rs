//! `--report`: one HTML file with all results of a command.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{CHELSEA, COFFEE, FAST, NETWORK, dvm, explain, text, train, without_seconds};

/// The data of an element of a report.
fn element(report: &Path, id: &str) -> Value {
    let report = fs::read_to_string(report).unwrap();
    let (_, rest) = report.split_once(&format!(" id=\"{id}\">")).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn head(report: &Path) -> Value {
    element(report, "head")
}

/// The first section of this title; a text's title, a table's or a chart's.
fn section<'a>(head: &'a Value, title: &str) -> &'a Value {
    let sections = head["sections"].as_array().unwrap();
    let found = sections.iter().find(|section| section["title"] == title);
    found.unwrap_or_else(|| panic!("no section {title}"))
}

#[test]
fn a_report_has_every_class_of_every_picture_and_names_failed_ones() {
    let home = tempfile::tempdir().unwrap();
    let (out, report) = (home.path().join("out"), home.path().join("r.html"));
    let broken = home.path().join("broken.png");
    fs::write(&broken, "no picture").unwrap();
    let pictures = [COFFEE, text(&broken), CHELSEA, "--report", text(&report)];
    let more = ["--class espresso --class top --formats none", FAST];
    explain(&out, &[&pictures[..], &more].concat())
        .exits(1)
        .prints("report: ");
    assert!(!out.exists(), "only the report was wanted");
    let head = head(&report);
    assert_eq!(head["kind"], "explain");
    assert_eq!(head["title"], "2 pictures by squeezenet1_1");
    let entries = head["entries"].as_array().unwrap();
    let named: Vec<&str> = entries
        .iter()
        .map(|e| e["name"].as_str().unwrap())
        .collect();
    // The most probable class of the picture of coffee is espresso.
    assert_eq!(named, [COFFEE, CHELSEA, CHELSEA]);
    assert_eq!(head["failed"][0]["name"], text(&broken));
    assert!(
        head["failed"][0]["error"]
            .as_str()
            .unwrap()
            .contains("picture")
    );
    assert_eq!(head["small"], false);
    assert_eq!(head["parameters"]["methods"][0]["name"], "guided-backprop");
    assert_eq!(
        head["parameters"]["network"]["architecture"],
        "squeezenet1_1"
    );
    let command = head["command"].as_str().unwrap();
    let given = format!("dvm explain --out {} {COFFEE} ", text(&out));
    assert!(command.starts_with(&given), "{command}");
    for entry in entries {
        let picture = element(&report, &format!("picture-{}", entry["id"]));
        assert_eq!(picture["class"], entry["class"]);
        assert_eq!(picture["record"]["image"]["file"], entry["name"]);
        assert_eq!(picture["maps"][0]["values"]["bits"], 16);
    }
}

#[test]
fn many_explained_classes_are_written_smaller() {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("r.html");
    let more = "--formats none --class all --size 64 --resize 64x64 --method grad-cam";
    let arguments = [COFFEE, "--report", text(&report), more, NETWORK];
    explain(&home.path().join("out"), &arguments).exits(0);
    let head = head(&report);
    assert_eq!(head["small"], true);
    assert_eq!(head["entries"].as_array().unwrap().len(), 1000);
    let picture = element(&report, "picture-999");
    assert_eq!(picture["maps"][0]["values"]["bits"], 8);
}

#[test]
fn a_report_does_not_depend_on_threads_except_for_seconds() {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("r.html");
    let made = |threads: &str| {
        let pictures = [
            COFFEE,
            CHELSEA,
            "--report",
            text(&report),
            "--threads",
            threads,
        ];
        let more = ["--formats none --check sparseness", FAST];
        explain(&home.path().join("out"), &[&pictures[..], &more].concat()).exits(0);
        let parts = ["head", "picture-0", "picture-1"];
        let mut parts = parts.map(|part| element(&report, part));
        parts.iter_mut().for_each(without_seconds);
        parts[0]["command"].take();
        parts
    };
    assert!(made("1") == made("3"));
}

#[test]
fn skipped_pictures_are_counted_in_the_report() {
    let home = tempfile::tempdir().unwrap();
    let (out, report) = (home.path().join("out"), home.path().join("r.html"));
    let skip = "--skip-existing --formats npy";
    explain(&out, &[skip, FAST, COFFEE]).exits(0);
    let arguments = [skip, FAST, COFFEE, CHELSEA, "--report", text(&report)];
    let run = explain(&out, &arguments).exits(0);
    run.says("1 of 2 pictures skipped: an earlier run explained them; they are not in the report");
    let head = head(&report);
    assert_eq!(head["entries"].as_array().unwrap().len(), 1);
    let words = head["sections"][0]["paragraphs"].to_string();
    assert!(words.contains("explained by an earlier run"), "{words}");
}

#[test]
fn a_report_replaces_no_other_file_and_is_not_in_a_replaced_folder() {
    let home = tempfile::tempdir().unwrap();
    let photo = home.path().join("photo.png");
    fs::write(&photo, "precious").unwrap();
    let arguments = [COFFEE, "--report", text(&photo), FAST];
    explain(&home.path().join("out"), &arguments)
        .exits(2)
        .says("photo.png");
    assert_eq!(fs::read(&photo).unwrap(), b"precious");
    let within = home.path().join("out/more/r.html");
    let out = home.path().join("out");
    let survey = [
        "survey",
        "assets/samples",
        "--out",
        text(&out),
        "--report",
        text(&within),
    ];
    dvm(&survey)
        .exits(2)
        .says("a folder that the command replaces");
    assert!(!out.exists());
}

/// The rows of a table by the word in their first cell.
fn row<'a>(table: &'a Value, name: &str) -> &'a Vec<Value> {
    let rows = table["rows"].as_array().unwrap().iter();
    let mut rows = rows.map(|row| row.as_array().unwrap());
    rows.find(|row| row[0] == name).unwrap()
}

#[test]
fn a_run_has_curves_and_an_evaluation_the_printed_values() {
    let home = tempfile::tempdir().unwrap();
    let set = train::colours(home.path());
    let (run, trained) = (home.path().join("run"), home.path().join("trained.html"));
    train::train_briefly(&set, &run, &["--report", text(&trained)]).exits(0);
    let head_of_run = head(&trained);
    assert_eq!(head_of_run["kind"], "train");
    assert_eq!(
        head_of_run["parameters"]["training"]["model"],
        "squeezenet1_1"
    );
    let curves = section(&head_of_run, "Loss, accuracy and learning rate");
    assert!(curves["svg"].as_str().unwrap().starts_with("<svg"));
    let epochs = curves["table"]["rows"].as_array().unwrap();
    for (row, record) in epochs.iter().zip(train::metrics(&run)) {
        assert_eq!(row[0].as_f64(), record["epoch"].as_f64());
        assert_eq!(row[1], record["train_loss"]);
        assert_eq!(row[4], record["val_accuracy"]);
    }
    assert_eq!(epochs.len(), 2);

    let weights = run.join("best.safetensors");
    let report = home.path().join("evaluated.html");
    let evaluate = [
        "evaluate",
        text(&weights),
        text(&set),
        "--json --report",
        text(&report),
    ];
    let found = dvm(&evaluate).exits(0);
    let (found, head) = (found.json(), head(&report));
    assert_eq!(head["kind"], "evaluate");
    for head in [&head, &head_of_run] {
        let figures = section(head, "Metrics");
        let accuracy = row(figures, "accuracy");
        assert_eq!(accuracy[1], found["accuracy"]);
        assert_eq!(accuracy[2], found["intervals"]["accuracy"]["low"]);
        assert_eq!(row(figures, "loss (cross-entropy, nats)")[1], found["loss"]);
        let class = row(section(head, "Classes"), "red");
        assert_eq!(class[2], found["classes"][1]["recall"]);
        let matrix = &section(head, "Confusion matrix")["table"];
        let counts = |class: usize| -> Vec<f64> {
            let counts = found["confusion"][class].as_array().unwrap().iter();
            counts.map(|count| count.as_f64().unwrap()).collect()
        };
        for (index, class) in ["blue", "red"].into_iter().enumerate() {
            let cells: Vec<f64> = row(matrix, class)[1..]
                .iter()
                .map(|c| c.as_f64().unwrap())
                .collect();
            assert_eq!(cells, counts(index));
        }
        // The report shows every wrongly classified picture.
        let wrong = 4 - (4.0 * found["accuracy"].as_f64().unwrap()).round() as usize;
        assert_eq!(head["entries"].as_array().unwrap().len(), wrong);
        for entry in head["entries"].as_array().unwrap() {
            assert_eq!(entry["right"], false);
            assert!(
                !row(
                    section(head, "Wrong predictions"),
                    entry["name"].as_str().unwrap()
                )
                .is_empty()
            );
        }
    }
}

#[test]
fn a_comparison_has_the_scores_of_its_summary() {
    let home = tempfile::tempdir().unwrap();
    let (out, report) = (home.path().join("compared"), home.path().join("r.html"));
    let mut arguments = vec!["compare", "--out", text(&out), "--model squeezenet1_1"];
    arguments.extend(["--method gradient,grad-cam --metrics sparseness"]);
    arguments.extend(["--size 64 --resize 64x64 --json"]);
    arguments.extend([COFFEE, CHELSEA, "missing.png", "--report", text(&report)]);
    let run = dvm(&arguments).exits(1);
    let (found, head) = (run.json(), head(&report));
    assert_eq!(head["kind"], "compare");
    assert_eq!(head["failed"][0]["name"], "missing.png");
    let metric = &found["metrics"][0];
    let chart = section(&head, metric["title"].as_str().unwrap());
    for score in metric["scores"].as_array().unwrap() {
        let method = score["method"].as_str().unwrap();
        let name = match method {
            "random" | "edges" => format!("{method} (control)"),
            method => method.to_owned(),
        };
        let cells = row(&chart["table"], &name);
        assert_eq!(cells[1], score["mean"]);
        assert_eq!(cells[2], score["interval"]["low"]);
        assert_eq!(cells[5], score["mean_rank"]);
        assert_eq!(
            section(&head, "Methods and metrics")["rows"]
                .as_array()
                .unwrap()
                .len(),
            4
        );
    }
    let agreement = &section(&head, "Agreement of ranks")["table"];
    let first = &found["agreement"]["rank_correlation"][0];
    assert_eq!(
        row(agreement, "gradient")[1..],
        first.as_array().unwrap()[..]
    );
}

#[test]
fn a_survey_has_the_shares_of_its_classes_and_their_mean_maps() {
    let home = tempfile::tempdir().unwrap();
    let (out, report) = (home.path().join("out"), home.path().join("r.html"));
    let mut arguments = vec!["survey", "assets/samples", "--out", text(&out), "--json"];
    arguments.extend(["--model squeezenet1_1 --report", text(&report)]);
    let run = dvm(&arguments).exits(0);
    let (found, head) = (run.json(), head(&report));
    assert_eq!(head["kind"], "survey");
    let classes = found["classes"].as_array().unwrap();
    let table = section(&head, "Classes");
    for class in classes {
        let name = class["name"].as_str().unwrap();
        assert_eq!(row(table, name)[1].as_f64(), class["pictures"].as_f64());
        let chart = section(&head, &format!("Mean map: {name}"));
        assert!(chart["svg"].as_str().unwrap().contains("data:image/png"));
    }
    let outliers = found["pictures"].as_array().unwrap().iter();
    let outliers = outliers
        .filter(|picture| picture["is_outlier"] == true)
        .count();
    assert_eq!(head["entries"].as_array().unwrap().len(), outliers);
}

#[cfg(unix)]
#[test]
fn an_interrupted_report_leaves_no_file() {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("reports/r.html");
    let more = "--stride 1 --formats none --method occlusion";
    let explain = ["explain", COFFEE, "--report", text(&report), more, NETWORK];
    let mut command = crate::program(&explain);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let folder = report.parent().unwrap();
    let files = || fs::read_dir(folder).map_or(0, Iterator::count);
    crate::wait_until(&mut child, || files() > 0);
    crate::send("-INT", &child);
    assert!(!child.wait().unwrap().success());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}
