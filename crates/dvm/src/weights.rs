//! Weights on this machine: those that come with the program, and published ones that were fetched.
//!
//! Only [`fetch`] touches the network.

use std::path::Path;

use dvm_fetch::{Address, Cache, Cached, Checked, Event, FetchOutcome, Fetched, Fetcher};
use dvm_zoo::{Architecture, Pretrained, Published, Source};

use crate::Error;

/// Where published weights are to be fetched.
pub fn address(published: &Published) -> Address<'static> {
    match published.source {
        Source::Torchvision { file } => Address::Torchvision { file },
        Source::Timm { file } => Address::Timm { file },
        Source::HuggingFace { repository, file } => Address::HuggingFace { repository, file },
    }
}

/// The published weights of this tag, or else the usual ones.
///
/// # Errors
/// [`Error::Usage`] for a tag that there is not.
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
            "{} has no published weights `{tag}`; there are {}",
            architecture.name,
            tags.join(", ")
        ))
    })
}

/// Sees that published weights are in the cache. A file that nobody says the checksum of stays only if
/// the network can be made of it.
///
/// # Errors
/// [`Error::Fetch`] if they cannot be had, [`Error::Load`] if what came is something else.
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

/// The published weights that lie in the cache of this user: the usual ones, or else the first of the
/// others. Nothing of the file is read.
pub fn fetched(architecture: &'static Architecture) -> Option<(&'static Published, Cached)> {
    let cache = Cache::usual().ok()?;
    let mut all = architecture.published.iter();
    all.find_map(|published| Some((published, cache.find(&address(published))?)))
}

/// The fetched weights that a network gets if nobody says which; `None` if some come with the program.
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

/// The network with the weights that are at hand: those that come with the program, or else those
/// that were fetched.
pub(crate) fn at_hand(architecture: &'static Architecture) -> Result<Pretrained, Error> {
    match fetched_by_default(architecture)? {
        None => Ok(architecture.embedded()?),
        Some((published, cached)) => of_cache(architecture, published, &cached),
    }
}

/// The network with the weights of a file, of the part of it that is named if it holds several, or with
/// published ones that were fetched, by their tag.
pub(crate) fn read(
    architecture: &'static Architecture,
    file_or_tag: &Path,
    part: Option<&str>,
) -> Result<Pretrained, Error> {
    let tag = file_or_tag.to_str().filter(|_| !file_or_tag.exists());
    let Some(published) = tag.and_then(|tag| tagged(architecture, tag)) else {
        let read = Pretrained::read_part(file_or_tag, Some(architecture), None, part)?;
        return Ok(as_published(read));
    };
    let cached = Cache::usual()?.find(&address(published));
    let cached = cached.ok_or_else(|| {
        let (name, tag) = (architecture.name, published.tag);
        Error::Usage(format!(
            "the weights {tag} of {name} are not on this machine; `dvm models fetch {name} --weights \
             {tag}` brings them"
        ))
    })?;
    of_cache(architecture, published, &cached)
}

/// What published weights want, which a file of theirs does not say itself, if that is what was read:
/// torchvision's second weights are prepared for otherwise than its first.
pub(crate) fn as_published(mut pretrained: Pretrained) -> Pretrained {
    let Some(architecture) = pretrained.origin.architecture() else {
        return pretrained;
    };
    let mut all = architecture.published.iter();
    let published = all.find(|published| {
        let digits = address(published).digits();
        digits.is_some_and(|digits| pretrained.sha256.starts_with(digits))
    });
    if let Some(published) = published {
        tell(&mut pretrained, published);
    }
    pretrained
}

fn tagged(architecture: &'static Architecture, tag: &str) -> Option<&'static Published> {
    architecture.published.iter().find(|p| p.tag == tag)
}

/// The network with fetched weights, if they are still what they were.
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
            // What cannot be read at all may be damaged, too, and then that is what to say.
            let digest = cached.digest();
            let same = digest.and_then(|(sha256, _)| cached.check(&sha256));
            same.map_err(damaged)?;
            return Err(error.into());
        }
    };
    cached.check(&pretrained.sha256).map_err(damaged)?;
    tell(&mut pretrained, published);
    Ok(pretrained)
}

/// Adds the facts of the publication.
fn tell(pretrained: &mut Pretrained, published: &Published) {
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
    fn weights_are_asked_for_by_tag_and_unknown_tags_name_those_there_are() {
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
    fn every_published_file_of_torchvision_says_its_checksum() {
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
    fn a_file_that_was_published_is_prepared_for_as_its_publisher_says() {
        let mut read = resnet50().random();
        let usual = read.preprocess.clone();
        read.sha256 = "11ad3fa6".to_owned() + &"0".repeat(56);
        let read = as_published(read);
        let second = published(resnet50(), Some("IMAGENET1K_V2")).unwrap();
        assert_eq!(read.preprocess, second.preprocess);
        assert_ne!(read.preprocess, usual);
        assert_eq!(read.licence.as_deref(), Some(second.licence));
        let url = "https://download.pytorch.org/models/resnet50-11ad3fa6.pth";
        assert_eq!(read.source.as_deref(), Some(url));
    }

    #[test]
    fn a_file_of_ones_own_stays_as_it_says() {
        let mut own = resnet50().random();
        own.sha256 = "f".repeat(64);
        own.preprocess.crop = (96, 96);
        let own = as_published(own);
        assert_eq!(own.preprocess.crop, (96, 96));
        assert_eq!(own.source, None);
    }
}
