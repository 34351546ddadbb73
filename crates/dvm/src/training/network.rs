//! The network at the start of a training.

use std::path::Path;

use dvm_data::Dataset;
use dvm_engine::{Graph, Initialisation, Initialiser, Parameter, Tensor};
use dvm_image::PreprocessField;
use dvm_train::{Config, Normalisation};
use dvm_zoo::Pretrained;

use crate::nearest::architecture;
use crate::{Error, weights};

/// Checks that the architecture is known and that there are at least two valid class names.
pub(super) fn check(config: &Config, data: &Dataset) -> Result<(), Error> {
    if !is_file(&config.model) {
        architecture(&config.model)?;
    }
    if let [only] = &data.classes[..] {
        return Err(Error::Usage(format!(
            "{}: the only class is `{only}`; training needs at least two classes, each a folder of pictures",
            data.folder.display()
        )));
    }
    dvm_zoo::check_class_names(&data.classes)
        .map_err(|detail| Error::Usage(format!("{}: {detail}", data.folder.display())))
}

/// The normalisation layers of a model: an architecture by name, or a file with a graph, whose input has `size` if it
/// is dynamic.
pub(super) fn normalisation(
    model: &str,
    size: Option<(usize, usize)>,
) -> Result<Normalisation, Error> {
    if is_file(model) {
        let read = Pretrained::read_for(Path::new(model), None, size)?;
        return Ok(Normalisation::of(read.network.whole()));
    }
    let classes = 2;
    let zeros = |p: &Parameter| Ok::<_, dvm_engine::Error>(Tensor::zeros(&p.shape));
    let graph = Graph::new((architecture(model)?.build)(classes), zeros)?;
    Ok(Normalisation::of(&graph))
}

/// The configuration with the preprocessing of its weights, if that is not the usual one. A resumed run then does
/// not change even if other weights were downloaded since.
///
/// # Errors
/// As [`of`], before anything is written.
pub(super) fn settled(config: Config) -> Result<Config, Error> {
    let mut config = with_preprocess_of_weights(config)?;
    if let Some(range) = config.range
        && (config.preprocess.is_some() || !range.is_file())
    {
        let usual = || match dvm_zoo::find(&config.model) {
            Some(architecture) => architecture.usual().preprocess.clone(),
            None => dvm_image::Preprocess::imagenet(),
        };
        let mut preprocess = config.preprocess.take().unwrap_or_else(usual);
        preprocess.range = range;
        config.preprocess = Some(preprocess);
    }
    Ok(config)
}

fn with_preprocess_of_weights(mut config: Config) -> Result<Config, Error> {
    if is_file(&config.model) {
        let size = config.preprocess.as_ref().map(|preprocess| preprocess.crop);
        let read = Pretrained::read_for(Path::new(&config.model), None, size)?;
        config.preprocess = config.preprocess.or(Some(read.preprocess));
        return Ok(config);
    }
    let architecture = architecture(&config.model)?;
    let wanted = match &config.weights[..] {
        "none" => None,
        "pretrained" => weights::fetched_by_default(architecture)?
            .map(|(published, _)| published.preprocess.clone()),
        file => Some(weights::read(architecture, Path::new(file), None)?.preprocess),
    };
    let usual = &architecture.usual().preprocess;
    let wanted = wanted.filter(|wanted| wanted != usual);
    config.preprocess = config.preprocess.or(wanted);
    Ok(config)
}

/// The network of the configuration for the classes of the data. If the run has `begun`, its weights are in the
/// checkpoint, and only the architecture is needed.
pub(super) fn of(config: &Config, data: &Dataset, begun: bool) -> Result<Pretrained, Error> {
    let mut pretrained = match is_file(&config.model) {
        true => of_file(config, data, begun)?,
        false => of_zoo(config, data, begun)?,
    };
    if let Some(preprocess) = &config.preprocess {
        pretrained.preprocess.range = preprocess.range;
        // Other assumptions about the preprocessing stay.
        if *preprocess != pretrained.preprocess {
            pretrained = pretrained.with_preprocess(preprocess.clone(), PreprocessField::ALL);
        }
    }
    Ok(pretrained)
}

/// Whether the model is a file with a graph and not the name of an architecture.
fn is_file(model: &str) -> bool {
    dvm_zoo::find(model).is_none() && Path::new(model).is_file()
}

/// The network of a file with a graph. Resuming reads the same file.
fn of_file(config: &Config, data: &Dataset, begun: bool) -> Result<Pretrained, Error> {
    let size = config.preprocess.as_ref().map(|preprocess| preprocess.crop);
    let pretrained = Pretrained::read_for(Path::new(&config.model), None, size)?;
    let classes = data.classes.clone();
    let initialisation = pretrained.origin.initialisation();
    let made = match config.weights.as_str() {
        _ if begun => pretrained.for_classes(classes, |p| Tensor::zeros(&p.shape)),
        "none" => {
            let initialisation = initialisation.with_head(Initialiser::XavierUniform);
            pretrained.forgotten(classes, |parameter, is_head| {
                dvm_train::fresh(parameter, &initialisation, is_head, config.seed)
            })
        }
        "pretrained" => {
            let initialisation = initialisation.with_head(Initialiser::UniformFanIn);
            pretrained.for_classes(classes, |parameter| {
                dvm_train::fresh(parameter, &initialisation, true, config.seed)
            })
        }
        other => {
            return Err(Error::Usage(format!(
                "both {} and {other} contain weights; give only the file to start from, as the model",
                config.model
            )));
        }
    };
    Ok(made?)
}

/// The network of an architecture.
fn of_zoo(config: &Config, data: &Dataset, begun: bool) -> Result<Pretrained, Error> {
    let architecture = architecture(&config.model)?;
    let classes = data.classes.clone();
    let untrained = architecture
        .initialisation
        .with_head(Initialiser::XavierUniform);
    let fine_tuned = architecture
        .initialisation
        .with_head(Initialiser::UniformFanIn);
    let fresh = |parameter: &Parameter, initialisation: &Initialisation, is_head: bool| {
        dvm_train::fresh(parameter, initialisation, is_head, config.seed)
    };
    let new_head = |parameter: &Parameter| fresh(parameter, &fine_tuned, true);
    Ok(match config.weights.as_str() {
        _ if begun => architecture.untrained(classes, |p, _| Tensor::zeros(&p.shape)),
        "none" => architecture.untrained(classes, |p, is_head| fresh(p, &untrained, is_head)),
        "pretrained" => weights::on_this_machine(architecture)?.for_classes(classes, new_head)?,
        file => {
            weights::read(architecture, Path::new(file), None)?.for_classes(classes, new_head)?
        }
    })
}
