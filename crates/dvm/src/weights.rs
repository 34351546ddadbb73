//! Weights on this machine: embedded ones, and downloaded published ones.
//!
//! Only [`fetch`] connects to other machines.

use std::path::Path;

use dvm_fetch::{Address, Cache, Cached, Checked, Event, FetchOutcome, Fetched, Fetcher};
use dvm_zoo::{Architecture, Pretrained, Published, Source};

use crate::Error;

/// The address of published weights.
pub fn address(published: &Published) -> Address<'static> {
    match published.source {
        Source::Torchvision { file } => Address::Torchvision { file },
        Source::Timm { file } => Address::Timm { file },
        Source::HuggingFace { repository, file } => Address::HuggingFace { repository, file },
    }
}

/// The published weights of this tag; without a tag, the default ones.
///
/// # Errors
/// [`Error::Usage`] for an unknown tag.
pub fn published(
    architecture: &'static Architecture,
    tag: Option<&str>,
) -> Result<&'static Published, Error> {
    let Some(tag) = tag else {
        return Ok(architecture.usual());
    };
    tagged(architecture, tag).ok_or_else(|| {
        let tags: Vec<&str> = architecture.published.iter().map(|p| p.tag).collect();
        Error::Usage(format!(
            "{} has no published weights `{tag}`; choose one of: {}",
            architecture.name,
            tags.join(", ")
        ))
    })
}

/// Downloads published weights into the cache, if they are not there. A file whose checksum is not known is kept
/// only if the network can be made from it.
///
/// # Errors
/// [`Error::Fetch`] if the download fails, [`Error::Load`] if the file does not contain the network.
pub fn fetch(
    architecture: &'static Architecture,
    published: &Published,
    fetcher: &Fetcher,
    watch: &mut dyn FnMut(Event),
) -> Result<Fetched, Error> {
    let address = address(published);
    let fetched = fetcher.fetch(&address, watch)?;
    let is_new = fetched.outcome != FetchOutcome::AlreadyThere;
    if is_new
        && fetched.checked == Checked::Nothing
        && let Err(error) = Pretrained::read(&fetched.path, Some(architecture))
    {
        if let Some(cached) = fetcher.cache.find(&address) {
            cached.remove()?;
        }
        return Err(error.into());
    }
    Ok(fetched)
}

/// The published weights in the user's cache: the default ones, or else the first of the others. Does not read
/// the file.
pub fn fetched(architecture: &'static Architecture) -> Option<(&'static Published, Cached)> {
    let cache = Cache::usual().ok()?;
    let mut all = architecture.published.iter();
    all.find_map(|published| Some((published, cache.find(&address(published))?)))
}

/// The downloaded weights that a network uses by default; `None` if it has embedded weights.
pub(crate) fn fetched_by_default(
    architecture: &'static Architecture,
) -> Result<Option<(&'static Published, Cached)>, Error> {
    if architecture.embedded.is_some() {
        return Ok(None);
    }
    fetched(architecture).map(Some).ok_or_else(|| {
        let embedded = dvm_zoo::all().filter(|a| a.embedded.is_some());
        let embedded: Vec<&str> = embedded.map(|a| a.name).collect();
        Error::NoWeights {
            architecture: architecture.name,
            published: architecture.usual().source.file(),
            embedded: embedded.join(", "),
        }
    })
}

/// The network with the weights on this machine: embedded ones, or else downloaded ones.
pub(crate) fn on_this_machine(architecture: &'static Architecture) -> Result<Pretrained, Error> {
    match fetched_by_default(architecture)? {
        None => Ok(architecture.embedded()?),
        Some((published, cached)) => of_cache(architecture, published, &cached),
    }
}

/// The network with the weights of a file, or of one part of a file with several networks, or with downloaded
/// weights by their tag.
pub(crate) fn read(
    architecture: &'static Architecture,
    file_or_tag: &Path,
    part: Option<&str>,
) -> Result<Pretrained, Error> {
    let tag = file_or_tag.to_str().filter(|_| !file_or_tag.exists());
    let Some(published) = tag.and_then(|tag| tagged(architecture, tag)) else {
        let read = Pretrained::read_part(file_or_tag, Some(architecture), None, part)?;
        return Ok(with_publication(read));
    };
    let cached = Cache::usual()?.find(&address(published));
    let cached = cached.ok_or(Error::NotDownloaded {
        architecture: architecture.name,
        tag: published.tag,
    })?;
    of_cache(architecture, published, &cached)
}

/// Sets the preprocessing, source and licence of published weights, which their files do not contain. In
/// torchvision, the preprocessing differs between the versions of weights.
pub(crate) fn with_publication(mut pretrained: Pretrained) -> Pretrained {
    let Some(architecture) = pretrained.origin.architecture() else {
        return pretrained;
    };
    let mut all = architecture.published.iter();
    let published = all.find(|published| {
        let digits = address(published).digits();
        digits.is_some_and(|digits| pretrained.sha256.starts_with(digits))
    });
    if let Some(published) = published {
        set_publication(&mut pretrained, published);
    }
    pretrained
}

fn tagged(architecture: &'static Architecture, tag: &str) -> Option<&'static Published> {
    architecture.published.iter().find(|p| p.tag == tag)
}

/// The network with downloaded weights, if the file has not changed since.
fn of_cache(
    architecture: &'static Architecture,
    published: &Published,
    cached: &Cached,
) -> Result<Pretrained, Error> {
    let damaged = |source| Error::Damaged {
        architecture: architecture.name,
        source,
    };
    let mut pretrained = match Pretrained::read(&cached.path, Some(architecture)) {
        Ok(pretrained) => pretrained,
        Err(error) => {
            // If the file was damaged after the download, that is the error to report.
            let digest = cached.digest();
            let same = digest.and_then(|(sha256, _)| cached.check(&sha256));
            same.map_err(damaged)?;
            return Err(error.into());
        }
    };
    cached.check(&pretrained.sha256).map_err(damaged)?;
    set_publication(&mut pretrained, published);
    Ok(pretrained)
}

/// Sets preprocessing, source and licence as published.
fn set_publication(pretrained: &mut Pretrained, published: &Published) {
    pretrained.preprocess = published.preprocess.clone();
    let source = pretrained.source.take();
    pretrained.source = source.or_else(|| Some(address(published).url(None)));
    let licence = pretrained.licence.take();
    pretrained.licence = licence.or_else(|| Some(published.licence.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resnet50() -> &'static Architecture {
        dvm_zoo::find("resnet50").unwrap()
    }

    #[test]
    fn weights_are_found_by_tag_and_an_unknown_tag_is_an_error_with_the_known_ones() {
        let usual = published(resnet50(), None).unwrap();
        assert_eq!(usual.tag, resnet50().usual().tag);
        let second = published(resnet50(), Some("IMAGENET1K_V2")).unwrap();
        assert_eq!(second.source.file(), "resnet50-11ad3fa6.pth");
        let why = published(resnet50(), Some("V3")).err().unwrap().to_string();
        assert!(
            why.contains("`V3`") && why.contains("IMAGENET1K_V1"),
            "{why}"
        );
    }

    #[test]
    fn every_published_file_of_torchvision_has_a_checksum() {
        for architecture in dvm_zoo::all() {
            for published in architecture.published {
                let address = address(published);
                let is_named = matches!(address, Address::Torchvision { .. });
                assert!(
                    !is_named || address.digits().is_some(),
                    "{}",
                    address.file()
                );
            }
        }
    }

    #[test]
    fn a_published_file_gets_the_preprocessing_of_its_publisher() {
        let mut read = resnet50().random();
        let usual = read.preprocess.clone();
        read.sha256 = "11ad3fa6".to_owned() + &"0".repeat(56);
        let read = with_publication(read);
        let second = published(resnet50(), Some("IMAGENET1K_V2")).unwrap();
        assert_eq!(read.preprocess, second.preprocess);
        assert_ne!(read.preprocess, usual);
        assert_eq!(read.licence.as_deref(), Some(second.licence));
        let url = "https://download.pytorch.org/models/resnet50-11ad3fa6.pth";
        assert_eq!(read.source.as_deref(), Some(url));
    }

    #[test]
    fn a_file_that_was_not_published_keeps_its_preprocessing() {
        let mut own = resnet50().random();
        own.sha256 = "f".repeat(64);
        own.preprocess.crop = (96, 96);
        let own = with_publication(own);
        assert_eq!(own.preprocess.crop, (96, 96));
        assert_eq!(own.source, None);
    }
}
