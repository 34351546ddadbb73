//! URLs of published files.

use std::path::{Component, Path, PathBuf};

/// A published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// A file of torchvision.
    Torchvision {
        /// Its name, such as `resnet18-f37072fd.pth`.
        file: &'a str,
    },
    /// A file of timm on GitHub, older than the Hugging Face hub.
    Timm {
        /// Its name, such as `tf_efficientnet_lite0-0aa007d2.pth`.
        file: &'a str,
    },
    /// A file in a repository of the Hugging Face hub.
    HuggingFace {
        /// Owner and name, such as `timm/vit_small_patch16_224.augreg_in21k_ft_in1k`.
        repository: &'a str,
        /// The file's name there.
        file: &'a str,
    },
}

const TORCHVISION: &str = "https://download.pytorch.org/models";
const TIMM: &str =
    "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights";
const HUGGING_FACE: &str = "https://huggingface.co";

impl<'a> Address<'a> {
    /// The file's name.
    pub fn file(&self) -> &'a str {
        match *self {
            Self::Torchvision { file } | Self::Timm { file } | Self::HuggingFace { file, .. } => {
                file
            }
        }
    }

    /// The URL of the file at its publisher, or at a mirror with the URL `base`. A mirror has files of
    /// torchvision and timm as `BASE/FILE`, and files of the hub as `BASE/OWNER/NAME/resolve/main/FILE`.
    pub fn url(&self, base: Option<&str>) -> String {
        let usual = match self {
            Self::Torchvision { .. } => TORCHVISION,
            Self::Timm { .. } => TIMM,
            Self::HuggingFace { .. } => HUGGING_FACE,
        };
        let base = base.unwrap_or(usual).trim_end_matches('/');
        match self {
            Self::Torchvision { file } | Self::Timm { file } => format!("{base}/{file}"),
            Self::HuggingFace { repository, file } => {
                format!("{base}/{repository}/resolve/main/{file}")
            }
        }
    }

    /// The first digits of the file's SHA-256. torchvision and timm write them after the last dash of the
    /// file's name.
    pub fn digits(&self) -> Option<&'a str> {
        let (Self::Torchvision { file } | Self::Timm { file }) = *self else {
            return None;
        };
        let (stem, _) = file.rsplit_once('.')?;
        let (_, digits) = stem.rsplit_once('-')?;
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        ((8..=64).contains(&digits.len()) && digits.chars().all(is_digit)).then_some(digits)
    }

    /// The path in a cache. Each publisher has a folder, because two publishers may use the same name.
    pub(crate) fn place(&self) -> PathBuf {
        match self {
            Self::Torchvision { file } => Path::new("torchvision").join(file),
            Self::Timm { file } => Path::new("timm").join(file),
            Self::HuggingFace { repository, file } => {
                Path::new("huggingface").join(repository).join(file)
            }
        }
    }

    /// Whether the names can be used in a path and in a URL unchanged: no `..`, nothing to escape.
    pub(crate) fn is_plain(&self) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let names = match self {
            Self::HuggingFace { repository, file } => vec![*repository, *file],
            _ => vec![self.file()],
        };
        names.iter().all(|name| {
            let mut parts = Path::new(name).components();
            !name.is_empty()
                && name.chars().all(is_plain)
                && parts.all(|part| matches!(part, Component::Normal(_)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESNET: Address = Address::Torchvision {
        file: "resnet18-f37072fd.pth",
    };
    const LITE: Address = Address::Timm {
        file: "tf_efficientnet_lite0-0aa007d2.pth",
    };
    const VIT: Address = Address::HuggingFace {
        repository: "timm/vit_small_patch16_224.augreg_in21k_ft_in1k",
        file: "model.safetensors",
    };

    #[test]
    fn the_url_follows_the_publisher() {
        assert_eq!(
            RESNET.url(None),
            "https://download.pytorch.org/models/resnet18-f37072fd.pth"
        );
        assert_eq!(
            LITE.url(None),
            "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/\
             tf_efficientnet_lite0-0aa007d2.pth"
        );
        assert_eq!(
            VIT.url(None),
            "https://huggingface.co/timm/vit_small_patch16_224.augreg_in21k_ft_in1k/resolve/main/\
             model.safetensors"
        );
    }

    #[test]
    fn a_mirror_replaces_every_publisher() {
        let mirror = Some("http://127.0.0.1:8000/weights/");
        assert_eq!(
            RESNET.url(mirror),
            "http://127.0.0.1:8000/weights/resnet18-f37072fd.pth"
        );
        assert_eq!(
            VIT.url(mirror),
            "http://127.0.0.1:8000/weights/timm/vit_small_patch16_224.augreg_in21k_ft_in1k/resolve/\
             main/model.safetensors"
        );
    }

    #[test]
    fn digits_are_read_from_the_file_name() {
        assert_eq!(LITE.digits(), Some("0aa007d2"));
        assert_eq!(VIT.digits(), None);
        for file in [
            "resnet18.pth",
            "resnet18-5c106cde",
            "vit-base.pth",
            "a-.pth",
        ] {
            assert_eq!(Address::Torchvision { file }.digits(), None, "{file}");
        }
    }

    #[test]
    fn names_with_other_characters_or_folders_are_not_plain() {
        assert!(RESNET.is_plain() && VIT.is_plain());
        for file in ["", "../a.pth", "/a.pth", "a b.pth", "a?b", "a%2e", "a\\b"] {
            assert!(!Address::Timm { file }.is_plain(), "{file}");
        }
    }
}
