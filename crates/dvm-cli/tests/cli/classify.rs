//! The output of `dvm classify`.

use crate::{CHELSEA, COFFEE, dvm};

#[test]
fn the_default_network_knows_coffee_and_cats() {
    let run = dvm(&["classify", COFFEE, CHELSEA, "--json"]).exits(0);
    let answers = run.json();
    assert_eq!(answers.as_array().unwrap().len(), 2);
    assert_eq!(answers[0]["image"], COFFEE);
    assert_eq!(answers[0]["top"][0]["name"], "espresso");
    assert_eq!(answers[0]["top"][0]["index"], 967);
    let cat = answers[1]["top"][0]["name"].as_str().unwrap();
    assert!(
        ["tabby", "tiger_cat", "Egyptian_cat"].contains(&cat),
        "{cat}"
    );
    for answer in answers.as_array().unwrap() {
        let probabilities: Vec<f64> = answer["top"]
            .as_array()
            .unwrap()
            .iter()
            .map(|class| class["probability"].as_f64().unwrap())
            .collect();
        assert_eq!(probabilities.len(), 5);
        assert!(probabilities.is_sorted_by(|a, b| a >= b));
        assert!(probabilities.iter().sum::<f64>() <= 1.0);
    }
}

#[test]
fn the_logits_of_all_classes_stand_beside_the_most_probable_ones() {
    let run = dvm(&["classify", COFFEE, "--json --top 2"]).exits(0);
    let answer = &run.json()[0];
    let logits: Vec<f64> = answer["logits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|logit| logit.as_f64().unwrap())
        .collect();
    assert_eq!(logits.len(), 1000);
    let class = |rank: usize| answer["top"][rank]["index"].as_u64().unwrap() as usize;
    let probability = |rank: usize| answer["top"][rank]["probability"].as_f64().unwrap();
    let ratio = (logits[class(0)] - logits[class(1)]).exp();
    assert!((ratio / (probability(0) / probability(1)) - 1.0).abs() < 1e-4);
}

#[test]
fn people_get_a_small_table() {
    let run = dvm(&["classify", COFFEE, "--top 2 --model squeezenet1_1"]).exits(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.stdout);
    assert_eq!(lines[0], "coffee.png");
    assert!(lines[1].contains(" %  espresso"), "{}", lines[1]);
    assert_eq!(lines[1].chars().count(), lines[2].chars().count());
}

#[test]
fn a_picture_that_fails_does_not_stop_the_others() {
    let given = ["missing.png", "Cargo.toml", COFFEE];
    let arguments = [&["classify", "--json"], &given[..]].concat();
    let run = dvm(&arguments).exits(1);
    let answers = run.json();
    for (answer, image) in answers.as_array().unwrap().iter().zip(given) {
        assert_eq!(answer["image"], image);
        assert_eq!(answer["error"].is_string(), image != COFFEE);
        assert_eq!(answer["top"].is_array(), image == COFFEE);
    }
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
}

#[test]
fn exact_kernels_see_the_same_classes() {
    let seen = |more: &[&str]| {
        let first = ["classify", COFFEE, "--json --model squeezenet1_1"];
        let run = dvm(&[&first[..], more].concat()).exits(0);
        run.json()[0]["top"][0].clone()
    };
    let (fast, exact) = (seen(&[]), seen(&["--exact"]));
    assert_eq!(fast["name"], exact["name"]);
    let probability = |class: &serde_json::Value| class["probability"].as_f64().unwrap();
    assert!((probability(&fast) - probability(&exact)).abs() < 1e-4);
}
