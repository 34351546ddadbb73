//! Five kinds of flowers, photos from Flickr.

use std::path::Path;

use crate::Error;
use crate::corpora::settings::SEED;
use crate::corpora::source::named;
use crate::corpora::{Corpus, Settings};
use crate::prepare::Plan;
use crate::splitting::{Shares, by_picture};

/// The five kinds of flowers.
pub(super) const FLOWER_5: Corpus = Corpus {
    name: "flower_5",
    summary: "Photos of five kinds of flowers",
    rule: "SOURCE contains the folders daisy, dandelion, roses, sunflowers and tulips; other folders are left \
           out. Each class is shuffled; the first 80 % are for training, the others for validation.",
    options: &[SEED],
    sets: None,
    plan,
};

const CLASSES: [&str; 5] = ["daisy", "dandelion", "roses", "sunflowers", "tulips"];

fn plan(source: &Path, settings: &Settings) -> Result<Plan, Error> {
    let shares = Shares::new(0.2, 0.0).expect("a part is left for training");
    let seed = SEED.of(settings)?;
    let mut plan = Plan::new(FLOWER_5.name, source);
    let folders = CLASSES.map(|name| (name, name));
    for class in named(source, &folders, &mut plan)? {
        let splits = by_picture(&class.name, class.pictures.len(), shares, seed);
        class.plan(splits, &mut plan);
    }
    Ok(plan)
}
