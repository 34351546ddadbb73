//! Names that come near to one that does not exist.

use strsim::damerau_levenshtein;

/// Most names that are proposed.
const MOST: usize = 3;

/// The known names that come nearest to `asked`, nearest first, at most three: those that differ in few
/// letters, and if there are none, those that contain it. Case, and what stands between words, do not
/// matter.
///
/// ```
/// let known = ["occlusion", "gradient", "guided-backprop"];
/// assert_eq!(dvm::nearest("oclusion", known), ["occlusion"]);
/// ```
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |name: &str| -> String {
        // Nobody's name is longer, and the distance takes the product of both lengths.
        let letters = name.chars().filter(|c| c.is_alphanumeric()).take(64);
        letters.flat_map(char::to_lowercase).collect()
    };
    let asked = plain(asked);
    // A third of the letters may be wrong, and two letters of a short name.
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

/// `; did you mean `a` or `b`?`, or nothing if no name comes near.
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

/// What to do about the name of a network that there is not, as the end of a sentence.
pub fn about_model(asked: &str) -> String {
    let ours = dvm_zoo::all().map(|architecture| architecture.name);
    let timms = dvm_zoo::all().flat_map(|architecture| architecture.timm.iter().copied());
    did_you_mean(asked, ours.chain(timms)).unwrap_or_else(|| {
        "`dvm models list` names all models; any other classifier can be used as an ONNX file, which \
         PyTorch writes with torch.onnx.export(model.eval(), torch.randn(1, 3, 224, 224), \"model.onnx\")"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_missing_and_doubled_letters_are_forgiven() {
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
    fn a_name_of_nothing_near_gets_the_next_step() {
        assert!(about_model("my_own_network").contains("torch.onnx.export"));
        assert!(nearest("x", ["occlusion"]).is_empty());
    }
}
