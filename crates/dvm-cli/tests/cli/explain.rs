//! The files of `dvm explain`.

use std::fs;
use std::path::Path;

use crate::{
    CHELSEA, COARSE, COFFEE, FAST, NETWORK, explain, names, record, root, text, without_seconds,
};

/// The shape in the header of a `.npy` file.
fn shape(file: &Path) -> String {
    let bytes = fs::read(file).unwrap();
    let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
    assert!(header.contains("'<f4'"), "{header}");
    let (_, shape) = header.split_once("'shape': (").unwrap();
    shape.split_once(')').unwrap().0.to_owned()
}

#[test]
fn maps_do_not_depend_on_the_memory_limit() {
    let raw = |memory: &str| {
        let out = tempfile::tempdir().unwrap();
        let options = [
            "--method occlusion --window 64 --stride 64 --memory",
            memory,
        ];
        explain(out.path(), &[&[COFFEE], &options[..]].concat()).exits(0);
        fs::read(out.path().join("coffee/occlusion.raw.npy")).unwrap()
    };
    assert!(raw("1MB") == raw("1GB"));
}

#[test]
fn whole_covered_pictures_give_the_same_map_and_record() {
    let explained = |more: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        explain(out.path(), &[&[COFFEE, COARSE], more].concat()).exits(0);
        let folder = out.path().join("coffee");
        let bytes = fs::read(folder.join("occlusion.npy")).unwrap();
        let values = bytes[128..].as_chunks::<4>().0.iter();
        let map: Vec<f32> = values.map(|&b| f32::from_le_bytes(b)).collect();
        (map, record(&folder)["methods"][0]["parameters"].clone())
    };
    let (map, parameters) = explained(&[]);
    let (expected, expected_parameters) = explained(&["--no-incremental"]);
    assert_eq!(parameters, expected_parameters);
    assert!(parameters.is_object(), "{parameters}");
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(largest > 0.01, "{largest}");
    let off = map.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0, f32::max) / largest;
    assert!(off <= 1e-5, "off by {off}");
}

#[test]
fn a_picture_named_with_dots_only_stays_in_the_folder_of_results() {
    let pictures = tempfile::tempdir().unwrap();
    let picture = pictures.path().join("...png");
    let coffee = root(COFFEE);
    fs::copy(coffee, &picture).unwrap();
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &[picture.to_str().unwrap(), FAST]).exits(0);
    assert_eq!(names(out.path()), ["picture"]);
}

#[test]
fn the_record_has_exact_decimal_numbers() {
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &[COFFEE, FAST]);
    let record = record(&out.path().join("coffee"));
    let mean = &record["model"]["preprocess"]["mean"];
    assert_eq!(mean.to_string(), "[0.485,0.456,0.406]");
}

#[test]
fn the_record_names_the_source_of_the_weights() {
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &[COFFEE, FAST]);
    let model = &record(&out.path().join("coffee"))["model"];
    let file = "/../dvm-zoo/embedded/squeezenet1_1.safetensors";
    let file = format!("{}{file}", env!("CARGO_MANIFEST_DIR"));
    let classifier = dvm::Classifier::read(file.as_ref()).unwrap();
    assert!(classifier.weights_licence().is_some());
    assert_eq!(
        model["weights_licence"].as_str(),
        classifier.weights_licence()
    );
    assert_eq!(
        model["weights_source"].as_str(),
        classifier.weights_source()
    );
}

#[test]
fn one_picture_gives_maps_figure_and_record() {
    let out = tempfile::tempdir().unwrap();
    let run = explain(out.path(), &[COFFEE, FAST]).exits(0);
    assert_eq!(names(out.path()), ["coffee"]);
    let folder = out.path().join("coffee");
    assert_eq!(
        names(&folder),
        [
            "explanation.json",
            "figure.png",
            "guided-backprop.npy",
            "guided-backprop.overlay.png",
            "guided-backprop.png",
            "guided-backprop.raw.npy",
            "input.png",
        ]
    );
    assert_eq!(shape(&folder.join("guided-backprop.npy")), "224, 224");
    assert_eq!(
        shape(&folder.join("guided-backprop.raw.npy")),
        "3, 224, 224"
    );
    let crop = dvm::read(folder.join("input.png")).unwrap();
    assert_eq!((crop.height(), crop.width()), (224, 224));

    let record = record(&folder);
    assert_eq!(record["image"]["file"], COFFEE);
    assert_eq!(record["image"]["width"], 600);
    assert_eq!(record["model"]["architecture"], "squeezenet1_1");
    assert_eq!(record["model"]["arithmetic"], "fast");
    assert_eq!(record["class"]["name"], "espresso");
    assert_eq!(record["class"]["index"], 967);
    assert_eq!(record["top"].as_array().unwrap().len(), 5);
    assert_eq!(record["methods"][0]["parameters"]["channels"], "max-abs");
    let figure = folder.join("figure.png");
    let line = format!("→ {}\n", figure.display());
    assert!(
        run.stdout.starts_with("coffee.png: espresso "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with(&line), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1);
}

#[test]
fn a_figure_can_be_svg_and_pdf_and_names_the_picture() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("Espresso");
    fs::create_dir(&folder).unwrap();
    let photo = folder.join("cup & saucer.png");
    let coffee = root(COFFEE);
    fs::copy(coffee, &photo).unwrap();
    let arguments = [photo.to_str().unwrap(), "--figure svg,pdf,svg"];
    let run = explain(out.path(), &[&arguments[..], &[FAST]].concat()).exits(0);
    let results = out.path().join("cup & saucer");
    assert!(!results.join("figure.png").exists());
    let svg = fs::read_to_string(results.join("figure.svg")).unwrap();
    let origin = "file: cup &amp; saucer.png  ·  true class (name of its folder): espresso";
    assert!(svg.contains(origin), "{}", &svg[svg.len() - 3000..]);
    assert!(svg.contains("aria-label=\"original, crop framed\""));
    let pdf = fs::read(results.join("figure.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let record = record(&results);
    assert_eq!(record["image"]["true_class"], "espresso");
    assert_eq!(record["image"]["true_class_by_folder"], true);
    let line = format!("→ {}\n", results.join("figure.svg").display());
    assert!(run.stdout.ends_with(&line), "{}", run.stdout);
}

#[test]
fn the_true_class_can_be_given_and_must_exist() {
    let out = tempfile::tempdir().unwrap();
    let arguments = [COFFEE, "--true-class cup"];
    explain(out.path(), &[&arguments[..], &[FAST]].concat()).exits(0);
    let record = record(&out.path().join("coffee"));
    assert_eq!(record["image"]["true_class"], "cup");
    assert_eq!(record["image"]["true_class_by_folder"], false);
    for wrong in ["all", "no such class"] {
        let arguments = [COFFEE, "--true-class", wrong];
        explain(out.path(), &[&arguments[..], &[FAST]].concat()).exits(2);
    }
}

#[test]
fn occlusion_keeps_every_class_of_every_window() {
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &[COFFEE, COARSE]).exits(0);
    let folder = out.path().join("coffee");
    assert_eq!(shape(&folder.join("occlusion.raw.npy")), "1000, 4, 4");
    assert_eq!(shape(&folder.join("occlusion.npy")), "224, 224");
    let record = record(&folder);
    assert_eq!(
        record["methods"][0]["parameters"]["window"],
        serde_json::json!([64, 64])
    );
}

#[test]
fn several_methods_share_one_figure() {
    let out = tempfile::tempdir().unwrap();
    let methods = "--method gradient,occlusion --window 64 --stride 64";
    explain(out.path(), &[COFFEE, NETWORK, methods]).exits(0);
    let methods = record(&out.path().join("coffee"))["methods"].clone();
    assert_eq!(methods[0]["name"], "gradient");
    assert_eq!(methods[1]["name"], "occlusion");
    let alone = tempfile::tempdir().unwrap();
    explain(alone.path(), &[COFFEE, COARSE]);
    let width = |folder: &Path| {
        let figure = dvm::read(folder.join("coffee/figure.png")).unwrap();
        figure.width()
    };
    assert!(width(out.path()) > width(alone.path()));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let folders = ["1", "2"].map(|threads| {
        let out = tempfile::tempdir().unwrap();
        let methods = "--method guided-backprop,occlusion --window 64 --stride 64";
        explain(
            out.path(),
            &[CHELSEA, "--threads", threads, NETWORK, methods],
        )
        .exits(0);
        out
    });
    let [one, two] = folders.each_ref().map(|out| out.path().join("chelsea"));
    assert_eq!(names(&one), names(&two));
    for name in names(&one).iter().filter(|n| *n != "explanation.json") {
        let same = fs::read(one.join(name)).unwrap() == fs::read(two.join(name)).unwrap();
        assert!(same, "{name}");
    }
    let [mut one, mut two] = [record(&one), record(&two)];
    without_seconds(&mut one);
    without_seconds(&mut two);
    assert_eq!(one, two);
}

#[test]
fn each_of_several_classes_gets_a_folder() {
    let out = tempfile::tempdir().unwrap();
    let classes = "--class espresso --class 968";
    let run = explain(out.path(), &[COFFEE, classes, FAST]).exits(0);
    let folder = out.path().join("coffee");
    assert_eq!(names(&folder), ["967-espresso", "968-cup"]);
    let maps = ["967-espresso", "968-cup"]
        .map(|class| fs::read(folder.join(class).join("guided-backprop.npy")).unwrap());
    assert!(maps[0] != maps[1]);
    assert_eq!(run.stdout.lines().count(), 2);
}

#[test]
fn pictures_with_the_same_stem_get_different_folders_and_a_note() {
    let out = tempfile::tempdir().unwrap();
    let run = explain(out.path(), &[COFFEE, COFFEE, FAST]).exits(0);
    assert_eq!(names(out.path()), ["coffee", "coffee-2"]);
    let note = format!("note: {COFFEE}: another picture has the same name");
    run.says(&note);
    let first = fs::read(out.path().join("coffee/figure.png")).unwrap();
    assert!(first == fs::read(out.path().join("coffee-2/figure.png")).unwrap());
}

#[test]
fn json_is_one_array_of_results_and_errors() {
    let out = tempfile::tempdir().unwrap();
    let run = explain(out.path(), &[COFFEE, "missing.png", "--json", FAST]).exits(1);
    let results = run.json();
    assert_eq!(results.as_array().unwrap().len(), 2);
    assert_eq!(results[0]["image"], COFFEE);
    assert_eq!(results[0]["class"]["name"], "espresso");
    assert_eq!(results[0]["top"][0], results[0]["class"]);
    assert!(results[0]["class"]["probability"].as_f64().unwrap() > 0.5);
    let folder = Path::new(results[0]["folder"].as_str().unwrap());
    assert_eq!(folder, out.path().join("coffee"));
    let mut files: Vec<String> = serde_json::from_value(results[0]["files"].clone()).unwrap();
    files.sort();
    assert_eq!(files, names(folder));
    assert_eq!(results[1]["image"], "missing.png");
    let error = results[1]["error"].as_str().unwrap();
    assert!(error.starts_with("cannot be read"), "{error}");
}

#[test]
fn quiet_prints_errors_only() {
    let out = tempfile::tempdir().unwrap();
    let run = explain(
        out.path(),
        &[COFFEE, COFFEE, "missing.png", "--quiet", FAST],
    );
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: missing.png: "));
}

#[test]
fn the_colour_map_changes_pictures_but_not_arrays() {
    let out = tempfile::tempdir().unwrap();
    let (usual, other) = (out.path().join("usual"), out.path().join("other"));
    explain(&usual, &[COFFEE, FAST]);
    let styled = "--colour-map viridis --overlay colour";
    explain(&other, &[COFFEE, styled, FAST]).exits(0);
    let same = |name: &str| {
        let [usual, other] = [&usual, &other].map(|f| fs::read(f.join("coffee").join(name)));
        usual.unwrap() == other.unwrap()
    };
    assert!(same("guided-backprop.npy"));
    assert!(!same("guided-backprop.png"));
    assert!(!same("guided-backprop.overlay.png"));
}

#[test]
fn class_names_and_preprocessing_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let classes = folder.path().join("classes.txt");
    let list: Vec<String> = (0..1000).map(|i| format!("Klasse {i}")).collect();
    fs::write(&classes, list.join("\n")).unwrap();
    let preprocess = folder.path().join("preprocess.json");
    let json = r#"{"resize": {"exact": [160, 192]}, "interpolation": "bilinear",
        "crop": [160, 192], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}"#;
    fs::write(&preprocess, json).unwrap();
    let files = [
        "--classes",
        text(&classes),
        "--preprocess",
        text(&preprocess),
    ];
    let out = folder.path().join("out");
    explain(&out, &[&[COFFEE, FAST], &files[..]].concat())
        .exits(0)
        .prints("Klasse 967");
    let map = out.join("coffee/guided-backprop.npy");
    assert_eq!(shape(&map), "160, 192");
}

#[test]
fn exact_kernels_are_recorded_and_give_the_same_bytes_in_every_batch() {
    let raw = |memory: &str| {
        let out = tempfile::tempdir().unwrap();
        explain(out.path(), &[COFFEE, COARSE, "--exact --memory", memory]).exits(0);
        let folder = out.path().join("coffee");
        assert_eq!(record(&folder)["model"]["arithmetic"], "exact");
        fs::read(folder.join("occlusion.raw.npy")).unwrap()
    };
    assert!(raw("65kB") == raw("1GiB"));
}
