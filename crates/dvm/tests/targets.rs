//! Targets other than a class.

use dvm::{ClassChoice, Classifier, Explain, Explanation, Unit};
use dvm_testing::networks::striped;

/// The explanation by the gradient, with changed options.
fn explained(change: impl Fn(&mut Explain)) -> Result<Explanation, dvm::Error> {
    let mut options = Explain::methods("gradient").unwrap();
    change(&mut options);
    let classifier = Classifier::embedded().unwrap();
    Ok(classifier.explain(striped(), &options)?.remove(0))
}

#[test]
fn a_channel_of_a_layer_is_explained_by_its_activation() {
    let unit = |text: &str| text.parse::<Unit>().unwrap();
    let explanation = explained(|options| options.unit = Some(unit("conv_stem:3"))).unwrap();
    let (_, map) = explanation.maps().next().unwrap();
    assert_eq!(map.score, "activation");
    assert_eq!(explanation.title(), "conv_stem, channel 3");
    let record = explanation.record();
    assert_eq!(record["target"]["layer"], "conv_stem");
    // The value at one position depends only on the pixels under its kernel.
    let place = explained(|options| options.unit = Some(unit("conv_stem:3:10,12"))).unwrap();
    let (_, map) = place.maps().next().unwrap();
    let moved = map.map.iter().filter(|&&value| value != 0.0).count();
    assert!((1..=9).contains(&moved), "{moved}");
}

#[test]
fn a_channel_or_layer_that_does_not_exist_is_an_error() {
    let refused = |text: &str| {
        let unit: Unit = text.parse().unwrap();
        let explained = explained(|options| options.unit = Some(unit.clone()));
        explained.err().unwrap().to_string()
    };
    assert!(refused("conv_stem:32").contains("it has 32 channels, 0 to 31"));
    assert!(refused("no_layer:0").contains("no_layer"));
}

#[test]
fn differences_and_sums_are_in_title_and_record() {
    let named = |name: &str| ClassChoice::Named(name.into());
    let against = explained(|options| {
        options.classes = vec![named("espresso")];
        options.against = Some(named("cup"));
    });
    let against = against.unwrap();
    assert_eq!(against.title(), "espresso against cup");
    assert_eq!(against.record()["target"]["against"], 968);
    let sum = explained(|options| options.classes = vec!["top:3".parse().unwrap()]).unwrap();
    assert_eq!(sum.record()["target"]["sum"].as_array().unwrap().len(), 3);
    let itself = explained(|options| {
        options.classes = vec![named("cup")];
        options.against = Some(named("cup"));
    });
    assert!(itself.err().unwrap().to_string().contains("against itself"));
}
