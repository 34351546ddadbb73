//! A network on a device: records, requests and the kept gradient check name it; those of the CPU do not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dvm::engine::{Arithmetic, Error as EngineError};
use dvm::{Classifier, Error, Explain, Explanation};
use dvm_testing::networks::striped;
use dvm_testing::small_device::SmallDevice;

/// The embedded network on small pictures.
fn small() -> Classifier {
    let classifier = Classifier::embedded().unwrap();
    let mut preprocess = classifier.preprocess().clone();
    preprocess.crop = (64, 64);
    classifier.with_preprocess(preprocess).unwrap()
}

fn on_device() -> (Classifier, Arc<SmallDevice>) {
    let device = Arc::new(SmallDevice::with_room(4));
    let classifier = small().with_device(Some(device.clone()));
    (classifier.unwrap(), device)
}

fn explained(classifier: &Classifier) -> Result<Explanation, Error> {
    let options = Explain::methods("gradient").unwrap();
    Ok(classifier.explain(striped(), &options)?.remove(0))
}

/// The content of the kept gradient check.
fn kept_check(cache: &Path) -> String {
    let mut files = fs::read_dir(cache.join("gradient-checks")).unwrap();
    fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap()
}

#[test]
fn records_requests_and_kept_checks_name_the_device() {
    let cache = tempfile::tempdir().unwrap();
    let classifier = on_device().0.keeping_gradient_checks_in(cache.path());
    assert_eq!(classifier.device(), Some(SmallDevice::NAME));
    let explanation = explained(&classifier).unwrap();
    assert_eq!(explanation.record()["model"]["device"], SmallDevice::NAME);
    assert_eq!(classifier.record()["device"], SmallDevice::NAME);
    let request = Explain::default().request(&classifier);
    assert_eq!(request["device"], SmallDevice::NAME);
    assert!(kept_check(cache.path()).contains(" on small device"));
}

#[test]
fn nothing_names_the_cpu() {
    let cache = tempfile::tempdir().unwrap();
    let classifier = small().keeping_gradient_checks_in(cache.path());
    assert_eq!(classifier.device(), None);
    let explanation = explained(&classifier).unwrap();
    assert!(explanation.record()["model"].get("device").is_none());
    assert!(classifier.record().get("device").is_none());
    let request = Explain::default().request(&classifier);
    assert!(request.get("device").is_none());
    assert!(!kept_check(cache.path()).contains(" on "));
    assert!(explanation.warnings().all(|(about, _)| about != "device"));
}

#[test]
fn one_warning_names_what_the_cpu_computed() {
    let explanation = explained(&on_device().0).unwrap();
    let of_device = explanation
        .warnings()
        .filter(|(about, _)| *about == "device");
    let warnings: Vec<String> = of_device.map(|(_, warning)| warning).collect();
    let expected = "small device cannot compute `conv2d`, `relu`; the CPU computed this part, which takes longer";
    assert_eq!(warnings, [expected]);
    let record = explanation.record();
    let recorded = record["warnings"].as_array().unwrap();
    assert!(recorded.iter().any(|warning| warning == expected));
}

#[test]
fn a_lost_device_is_an_error() {
    let (classifier, device) = on_device();
    device.lose();
    let error = explained(&classifier).err().unwrap();
    assert!(error.is_of_device() && error.is_of_lost_device(), "{error}");
    let words = error.to_string();
    assert!(words.contains("the CPU can do the same work"), "{words}");
    let input = classifier.prepare(striped()).unwrap();
    let error = classifier.classify(&input).unwrap_err();
    assert!(matches!(error, Error::Network(EngineError::Device { .. })));
}

#[test]
fn exact_arithmetic_is_only_on_the_cpu() {
    let device = Arc::new(SmallDevice::with_room(4));
    let exact = small().with_arithmetic(Arithmetic::Exact);
    let error = exact.with_device(Some(device)).err().unwrap();
    assert!(error.to_string().starts_with("exact arithmetic"), "{error}");
    let exact = on_device().0.with_arithmetic(Arithmetic::Exact);
    assert_eq!(exact.device(), None);
}
