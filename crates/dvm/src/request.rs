//! The request: everything that the results of a picture depend on, besides the picture.

use serde_json::{Map, Value, json};

use crate::drawing::OverlayStyle;
use crate::explanation::arithmetic;
use crate::{ClassChoice, Classifier, Explain, FileKind};

impl Explain {
    /// Everything besides the picture that its results depend on: the network with its weights, classes and
    /// preprocessing, the methods and checks with all their settings, the targets, and the kinds of files. If two
    /// requests are equal, the same picture has the same results.
    pub fn request(&self, classifier: &Classifier) -> Value {
        let methods = self.methods.iter();
        let methods: Vec<Value> = methods
            .map(|(entry, method)| json!({ "name": entry.name, "parameters": method.parameters() }))
            .collect();
        let mut files: Vec<FileKind> = self.files.clone();
        files.sort();
        files.dedup();
        let figures = match files.contains(&FileKind::Figure) {
            true => self.figures.iter().map(|figure| figure.name()).collect(),
            false => Vec::new(),
        };
        let mut request = Map::new();
        let mut add = |name: &str, value: Value| request.insert(name.into(), value);
        add("dvm", env!("CARGO_PKG_VERSION").into());
        add("model", classifier.name().into());
        add("weights_sha256", classifier.weights_sha256().into());
        add("weights_part", json!(classifier.weights_part()));
        add("classes", json!(classifier.classes()));
        add("output", classifier.network().output().word().into());
        add("arithmetic", arithmetic(classifier).into());
        if let Some(device) = classifier.device() {
            add("device", device.into());
        }
        add("preprocess", json!(classifier.preprocess()));
        add("methods", methods.into());
        add("checks", self.checks.parameters().into());
        let explained = self.classes.iter().map(written);
        add("explained", explained.collect());
        add("against", json!(self.against.as_ref().map(written)));
        add("unit", json!(self.unit.as_ref().map(ToString::to_string)));
        add("incremental", self.incremental.into());
        let overlay = match self.overlay {
            OverlayStyle::Grey => "grey",
            OverlayStyle::Colour => "colour",
        };
        add("overlay", overlay.into());
        add("colours", json!(self.colours.map(|map| map.name())));
        add("files", files.iter().map(|kind| kind.name()).collect());
        add("figures", figures.into_iter().collect());
        request.into()
    }
}

/// The choice of a class.
fn written(choice: &ClassChoice) -> Value {
    match choice {
        ClassChoice::Top => "top".into(),
        ClassChoice::All => "all".into(),
        ClassChoice::Sum(count) => json!({ "sum": count }),
        ClassChoice::Index(index) => json!({ "index": index }),
        ClassChoice::Named(name) => json!({ "class": name }),
    }
}

#[cfg(test)]
mod tests {
    use dvm_attribution::Settings;

    use super::*;

    fn occlusion(window: usize) -> Explain {
        let settings = Settings::new().with("window", window);
        Explain::with_settings("occlusion", &settings).unwrap()
    }

    #[test]
    fn a_request_differs_if_results_differ() {
        let classifier = Classifier::random("squeezenet1_1").unwrap();
        let usual = Explain::methods("occlusion").unwrap();
        let request = usual.request(&classifier);
        assert_eq!(occlusion(20).request(&classifier), request);
        assert_ne!(occlusion(24).request(&classifier), request);
        let mut class = occlusion(20);
        class.classes = vec![ClassChoice::Named("3".into())];
        assert_ne!(class.request(&classifier), request);
        let mut preprocess = classifier.preprocess().clone();
        preprocess.mean = [0.5; 3];
        let other = Classifier::random("squeezenet1_1").unwrap();
        let other = other.with_preprocess(preprocess).unwrap();
        assert_ne!(occlusion(20).request(&other), request);
    }

    #[test]
    fn a_request_has_no_device_if_it_is_the_cpu() {
        let classifier = Classifier::random("squeezenet1_1").unwrap();
        let classifier = classifier.with_device(None).unwrap();
        let request = occlusion(20).request(&classifier);
        assert!(request.get("device").is_none() && request.get("arithmetic").is_some());
    }

    #[test]
    fn a_request_does_not_depend_on_the_order_of_files_or_the_memory() {
        let classifier = Classifier::random("squeezenet1_1").unwrap();
        let mut one = occlusion(20);
        one.files = vec![FileKind::Npy, FileKind::Raw];
        let mut other = occlusion(20);
        other.files = vec![FileKind::Raw, FileKind::Npy];
        other.memory = 1 << 20;
        assert_eq!(one.request(&classifier), other.request(&classifier));
        other.files.push(FileKind::Png16);
        assert_ne!(one.request(&classifier), other.request(&classifier));
    }
}
