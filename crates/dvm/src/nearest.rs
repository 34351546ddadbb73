//! Names that are similar to an unknown one.

use dvm_zoo::Architecture;
use strsim::damerau_levenshtein;

use crate::Error;

/// The maximum number of suggestions.
const MOST: usize = 3;

/// The known names that are most similar to `asked`, at most three, most similar first: names that differ in few
/// letters, or else names that contain it. Case and separators are ignored.
///
/// ```
/// let known = ["occlusion", "gradient", "guided-backprop"];
/// assert_eq!(dvm::nearest("oclusion", known), ["occlusion"]);
/// ```
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |name: &str| -> String {
        // No name is longer, and the time is the product of both lengths.
        let letters = name.chars().filter(|c| c.is_alphanumeric()).take(64);
        letters.flat_map(char::to_lowercase).collect()
    };
    let asked = plain(asked);
    // A third of the letters may differ, and two letters of a short name.
    let most = (asked.chars().count() / 3).clamp(1, 4);
    let known: Vec<(&str, String)> = known.into_iter().map(|name| (name, plain(name))).collect();
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|(name, plain)| (damerau_levenshtein(&asked, plain), *name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    if near.is_empty() && asked.chars().count() >= 3 {
        let containing = known.iter().filter(|(_, plain)| plain.contains(&asked));
        near = containing
            .map(|(name, plain)| (plain.chars().count(), *name))
            .collect();
    }
    near.sort();
    near.dedup();
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// The question "did you mean `a` or `b`?", or `None` if no name is similar.
pub(crate) fn did_you_mean<'a>(
    asked: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = nearest(asked, known);
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    let names = match &quoted[..] {
        [] => return None,
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    Some(format!("did you mean {names}?"))
}

/// The architecture of this name.
///
/// # Errors
/// [`Error::Usage`] with similar names.
pub(crate) fn architecture(model: &str) -> Result<&'static Architecture, Error> {
    dvm_zoo::find(model).ok_or_else(|| {
        let about = about_model(model);
        Error::Usage(format!("there is no model named `{model}`; {about}"))
    })
}

/// What to do about an unknown model name, as the end of a sentence.
pub fn about_model(asked: &str) -> String {
    let ours = dvm_zoo::all().map(|architecture| architecture.name);
    let timms = dvm_zoo::all().flat_map(|architecture| architecture.timm.iter().copied());
    did_you_mean(asked, ours.chain(timms)).unwrap_or_else(|| {
        "`dvm models list` shows all models; use any other classifier as an ONNX file, which PyTorch writes \
         with torch.onnx.export(model.eval(), torch.randn(1, 3, 224, 224), \"model.onnx\")"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_swapped_missing_or_doubled_letters_are_found() {
        for (asked, expected) in [
            ("resent18", "did you mean `resnet18`"),
            ("resnet_18", "did you mean `resnet18`"),
            ("ResNet18", "did you mean `resnet18`"),
            ("sqeezenet1_1", "did you mean `squeezenet1_1`"),
            ("effcientnet_lite0", "did you mean `efficientnet_lite0`"),
            ("mobilenet", "did you mean `mobilenet_v2`"),
        ] {
            let about = about_model(asked);
            assert!(about.starts_with(expected), "{asked}: {about}");
        }
    }

    #[test]
    fn a_name_without_similar_names_gets_the_next_step() {
        assert!(about_model("my_own_network").contains("torch.onnx.export"));
        assert!(nearest("x", ["occlusion"]).is_empty());
    }
}
