//! The pages of `docs/reference`, written from the registries.

use std::mem::take;

use dvm::OptionSpec;
use dvm::data::{audit, augment, corpora, regions};
use dvm::methods::{self, Family, Reference};
use dvm::metrics::registry as metrics;
use dvm::models::{self, FAMILIES};
use dvm_train::{optimisers, schedules};

/// Name and text of every page.
pub fn pages() -> [(&'static str, String); 4] {
    [
        ("methods.md", methods_page()),
        ("metrics.md", metrics_page()),
        ("networks.md", networks_page()),
        ("data-and-training.md", data_page()),
    ]
}

/// The first lines of a page.
fn head(title: &str, text: &str) -> String {
    format!("<!-- Written by `make reference-docs`. Do not edit. -->\n# {title}\n\n{text}\n")
}

fn methods_page() -> String {
    let mut page = head(
        "Methods",
        "All attribution methods. `dvm methods show NAME` prints the same. Set an option with `--NAME VALUE` for every \
         chosen method that has it, or with `--set METHOD.OPTION=VALUE` for one method.\n\n\
         | method | title | cost of a map |\n|---|---|---|",
    );
    for entry in methods::ALL {
        row(&mut page, &[&link(entry.name), entry.title, entry.cost]);
    }
    for family in Family::ALL {
        page += &format!("\n## {}\n", capital(family.name()));
        for entry in methods::ALL.iter().filter(|entry| entry.family == family) {
            let facts = format!("Networks: {}. Cost: {}.", entry.networks, entry.cost);
            let text = about(entry.summary, &facts, &entry.reference);
            section(&mut page, entry.name, &text, entry.options);
            for preset in entry.presets {
                let values = preset.options.iter();
                let values = values.map(|(name, value)| format!("{name} = {value}"));
                let values = values.collect::<Vec<_>>().join(", ");
                page += &format!(
                    "\nPreset `{}`: {} ({values}).\n",
                    preset.name, preset.summary
                );
            }
        }
    }
    page
}

fn metrics_page() -> String {
    let mut page = head(
        "Metrics",
        "All tests of maps. `dvm metrics show NAME` prints the same. Set an option with `--set METRIC.OPTION=VALUE`.\n\n\
         | metric | question | better |\n|---|---|---|",
    );
    for entry in metrics::ALL {
        let (question, better) = (entry.question.name(), entry.better.word());
        row(&mut page, &[&link(entry.name), question, better]);
    }
    for question in metrics::Question::ALL {
        let name = capital(question.name());
        page += &format!("\n## {name}\n\n{}\n", question.text());
        for entry in metrics::ALL.iter().filter(|e| e.question == question) {
            let needs = match entry.needs {
                metrics::Needs::Map => "the map",
                metrics::Needs::Method => "the method, to make more maps",
                metrics::Needs::Region => "boxes or masks of the object",
            };
            let (better, cost) = (entry.better.word(), entry.cost);
            let facts = format!("Needs {needs}. Better: {better}. Cost: {cost}.");
            let text = about(entry.summary, &facts, &entry.reference);
            section(&mut page, entry.name, &text, entry.options);
        }
    }
    page
}

fn networks_page() -> String {
    let mut page = head(
        "Networks",
        "All architectures and their published ImageNet weights. `dvm models show NAME` prints more: layers, receptive \
         fields, multiply-adds. `dvm models fetch NAME --weights TAG` downloads weights; embedded ones are part of the \
         program. The first row of a network is the default. Accuracy is top-1 on ImageNet, as published.\n\n\
         | network | timm's name | weights | crop | accuracy | licence | paper |\n|---|---|---|---|---|---|---|",
    );
    for architecture in FAMILIES.iter().copied().flatten() {
        let mut names = [
            format!("`{}`", architecture.name),
            architecture.timm.join(", "),
        ];
        let embedded = architecture.embedded.map(|_| {
            let own = architecture
                .embedded()
                .expect("embedded weights can be read");
            let licence = own.licence.expect("embedded weights name their licence");
            ("embedded", own.preprocess.crop, String::new(), licence)
        });
        let published = architecture.published.iter().map(|published| {
            (
                published.tag,
                published.preprocess.crop,
                format!("{:.2} %", published.top1),
                published.licence.to_owned(),
            )
        });
        let mut paper = paper(&architecture.paper);
        for (tag, (height, width), top1, licence) in embedded.into_iter().chain(published) {
            let columns = [
                &take(&mut names[0])[..],
                &take(&mut names[1]),
                tag,
                &format!("{height}×{width}"),
                &top1,
                &licence,
                &take(&mut paper),
            ];
            row(&mut page, &columns);
        }
    }
    page
}

fn data_page() -> String {
    let mut page = head(
        "Data and training",
        "Kinds of data sets, what the audit looks for, annotations, augmentations, optimisers and schedules.\n\n\
         ## Corpora\n\n`dvm prepare NAME SOURCE OUT` makes a data set of each of these.",
    );
    for corpus in corpora::ALL {
        let about = format!("{} {}", sentence(corpus.summary), text(corpus.rule));
        section(&mut page, corpus.name, &about, corpus.options);
    }
    page.push_str("\n## Findings of the audit\n\n`dvm prepare audit` looks for these.\n\n| finding | what it is |\n|---|---|\n");
    for kind in audit::KINDS {
        row(&mut page, &[&format!("`{}`", kind.name), kind.summary]);
    }
    page.push_str("\n## Boxes and masks\n\n`--regions` reads these formats.\n\n| format | what it looks like |\n|---|---|\n");
    for format in regions::ALL {
        row(&mut page, &[format.name, format.summary]);
    }
    page.push_str("\n## Augmentations\n\nIn the order in which they are applied. Set an option with `--set augment.NAME.OPTION=VALUE`.\n");
    for augmentation in augment::ALL {
        let arxiv = match augmentation.paper.starts_with(|c: char| c.is_ascii_digit()) {
            true => "arXiv ",
            false => "",
        };
        let summary = sentence(augmentation.summary);
        let about = format!("{summary} {arxiv}{}.", augmentation.paper);
        section(&mut page, augmentation.name, &about, augmentation.options);
    }
    page.push_str("\n## Optimisers\n\nSet an option with `--set optimiser.OPTION=VALUE`.\n");
    for entry in optimisers::ALL {
        let (summary, paper, rate) = (sentence(entry.summary), entry.paper, entry.learning_rate);
        let about = format!("{summary} {paper}. Default learning rate: {rate}.");
        section(&mut page, entry.name, &about, entry.options);
    }
    page.push_str("\n## Schedules of the learning rate\n\nSet an option with `--set schedule.OPTION=VALUE`.\n");
    for entry in schedules::ALL {
        section(
            &mut page,
            entry.name,
            &sentence(entry.summary),
            entry.options,
        );
    }
    page
}

/// What a method or a metric is, and its paper.
fn about(summary: &str, facts: &str, reference: &Reference) -> String {
    let Reference {
        authors,
        year,
        title,
        published,
    } = reference;
    let (summary, link) = (sentence(summary), published.link());
    format!("{summary}\n\n{facts}\n\n{authors} {year}. {title}. <{link}>")
}

/// An entry of a registry with its options.
fn section(page: &mut String, name: &str, text: &str, options: &[OptionSpec]) {
    *page += &format!("\n### `{name}`\n\n{text}\n");
    if options.is_empty() {
        return;
    }
    page.push_str("\n| option | value | default | meaning |\n|---|---|---|---|\n");
    for option in options {
        let default = match option.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let value = format!("`{}`", option.takes.form());
        let name = format!("`{}`", option.name);
        row(page, &[&name, &value, &default, option.help]);
    }
}

fn row(page: &mut String, columns: &[&str]) {
    let escaped = columns
        .iter()
        .map(|column| text(column).replace('|', "\\|"));
    *page += &format!("| {} |\n", escaped.collect::<Vec<_>>().join(" | "));
}

/// A text with `<split>_<modality>_` escaped outside of code, where Markdown would take it for HTML and emphasis.
fn text(plain: &str) -> String {
    let parts = plain.split('`').enumerate();
    let escaped: Vec<String> = parts
        .map(|(number, part)| match number % 2 {
            0 => part.replace('<', "\\<").replace(">_", ">\\_"),
            _ => part.to_owned(),
        })
        .collect();
    escaped.join("`")
}

/// A link to the section of a name on the same page.
fn link(name: &str) -> String {
    // The signs of `grad-cam++` do not appear in the heading's anchor.
    let anchor = match name {
        "grad-cam++" => "grad-cam-1",
        name => name,
    };
    format!("[`{name}`](#{anchor})")
}

fn paper(paper: &models::Paper) -> String {
    format!("[arXiv {0}](https://arxiv.org/abs/{0})", paper.arxiv)
}

fn sentence(summary: &str) -> String {
    let stop = if summary.ends_with('.') { "" } else { "." };
    format!("{}{stop}", capital(&text(summary)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
