//! The page of a survey, in plain words.

use std::fmt::Write;
use std::path::Path;

use super::super::findings::percent;
use super::super::{ClassSurvey, ClusterSurvey, PARTS, Survey, SurveyedPicture};
use super::{TABLE, sheet_name};
use crate::training::report::{link, text};

/// Pictures that a list names at most.
const LISTED: usize = 10;

impl Survey {
    /// The page, in Markdown.
    pub(super) fn markdown(&self, title: &str, classes: &[String]) -> String {
        let mut page = format!("# {}\n\n", text(title));
        self.warnings_in_words(&mut page);
        self.table_of_classes(&mut page);
        for (class, folder) in self.classes.iter().zip(self.folders()) {
            self.class(&mut page, class, &folder, classes);
        }
        self.how(&mut page);
        page
    }

    fn warnings_in_words(&self, page: &mut String) {
        page.push_str("## Warnings\n\n");
        for finding in self.confirmed() {
            let _ = writeln!(page, "- **Warning**: {}.", text(&finding.sentence));
        }
        match self.no_warning() {
            None => page.push_str(
                "\nA place like this is a shortcut if what is there does not belong to the class, such as a tag, a \
                 ruler or a caption. Look at the pictures of the class.\n\n",
            ),
            Some(words) => {
                let _ = writeln!(page, "None: {}.\n", text(&words));
            }
        }
        let mut others = self.findings.iter().filter(|f| !f.is_confirmed).peekable();
        if others.peek().is_some() {
            let _ = writeln!(
                page,
                "Places where the maps of a class concentrate, but that are no warnings: it is not sure that covering or \
                 copying them changes its probability by {:.0} points more than places elsewhere.\n",
                100.0 * self.settings.least_effect
            );
            for finding in others {
                let _ = writeln!(page, "- {}.", text(&finding.sentence));
            }
            page.push('\n');
        }
        for warning in &self.warnings {
            let _ = writeln!(page, "- {}", text(warning));
        }
        if !self.warnings.is_empty() {
            page.push('\n');
        }
        if !self.failed.is_empty() {
            page.push_str("Pictures that could not be surveyed:\n\n");
            for (_, why) in &self.failed {
                let _ = writeln!(page, "- {}", text(why));
            }
            page.push('\n');
        }
    }

    fn table_of_classes(&self, page: &mut String) {
        page.push_str("## Classes\n\n");
        page.push_str(match self.labelled {
            true => "| class | pictures | recognised |",
            false => "| class | pictures | |",
        });
        page.push_str(" middle | borders | corners | clusters | outliers |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
        for class in &self.classes {
            let [middle, borders, corners] = class.middle_borders_corners();
            let right = class
                .right
                .map_or_else(String::new, |right| right.to_string());
            let _ = writeln!(
                page,
                "| {} | {} | {right} | {} | {} | {} | {} | {} |",
                text(&class.name),
                class.pictures,
                percent(middle),
                percent(borders),
                percent(corners),
                class.clusters.len(),
                class.outliers,
            );
        }
        let _ = writeln!(
            page,
            "\nShares of the relevance in the mean of all maps of the class. A map that is the same everywhere has 25 \
             % in the middle, 50 % at the borders and 25 % in the corners. Every picture is a line of \
             [{TABLE}]({TABLE}).\n"
        );
    }

    fn class(&self, page: &mut String, class: &ClassSurvey, folder: &str, names: &[String]) {
        let _ = writeln!(page, "## {}\n", text(&class.name));
        if class.empty > 0 {
            let _ = writeln!(
                page,
                "In {} of {} pictures nothing speaks for the class; they count in no mean.\n",
                class.empty, class.pictures
            );
        }
        if class.mean.is_none() {
            return;
        }
        let file = |name: &str| link(&Path::new(folder).join(name));
        let _ = writeln!(page, "![The mean map]({})\n", file("mean.png"));
        let _ = writeln!(page, "{}\n", class.in_words());
        let clusters = &class.clusters;
        match clusters.len() {
            1 if class.eigenvalues.is_empty() => {
                page.push_str("Too few maps to look for clusters.\n\n")
            }
            1 => page.push_str("The maps are one cluster.\n\n"),
            more => {
                let _ = writeln!(page, "The maps are {more} clusters.\n");
            }
        }
        for (index, cluster) in clusters.iter().enumerate() {
            let [middle, borders, corners] = cluster.middle_borders_corners();
            let _ = writeln!(
                page,
                "Cluster {}: {} pictures; {} of the relevance is in the middle, {} at the borders, {} in the \
                 corners.\n\n![Pictures of the cluster]({})\n",
                index + 1,
                cluster.pictures,
                percent(middle),
                percent(borders),
                percent(corners),
                file(&sheet_name(index)),
            );
        }
        let of_class = |picture: &&SurveyedPicture| picture.counts_for == class.class;
        let mut outliers: Vec<&SurveyedPicture> = self
            .pictures
            .iter()
            .filter(of_class)
            .filter(|p| p.is_outlier)
            .collect();
        outliers.sort_by(|a, b| b.outlier.total_cmp(&a.outlier));
        let words = "Maps that are far from all others of the class";
        list(page, words, &outliers, |picture| {
            format!("score {:.1}", picture.outlier)
        });
        let mut wrong: Vec<&SurveyedPicture> = self.for_wrong_reason().filter(of_class).collect();
        let share = |picture: &SurveyedPicture| picture.at_finding.unwrap_or_default();
        wrong.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let words = "Right for the wrong reason: recognised, but the network looks at the place of the warning";
        list(page, words, &wrong, |picture| {
            format!("{} there", percent(share(picture)))
        });
        let also = self.pictures.iter().filter(of_class);
        let also = also.filter(|p| p.at_finding.is_some() && !p.is_for_wrong_reason);
        let mut also: Vec<&SurveyedPicture> = also.collect();
        also.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let words = match self.labelled {
            true => {
                "Taken for the class wrongly, and the network looks at the place of the warning"
            }
            false => "The network looks at the place of the warning",
        };
        list(page, words, &also, |picture| match picture.label {
            Some(label) => format!("is {}, {} there", names[label], percent(share(picture))),
            None => format!("{} there", percent(share(picture))),
        });
    }

    fn how(&self, page: &mut String) {
        let settings = &self.settings;
        let parameters = self.parameters.iter();
        let parameters: Vec<String> = parameters
            .map(|(name, value)| format!("{} {}", text(name), text(&value.to_string())))
            .collect();
        let about = match &settings.about[..] {
            "predicted" => "the predicted class of each picture".to_owned(),
            "true" => "the class that each picture is of".to_owned(),
            name => format!("the class {} for every picture", text(name)),
        };
        let _ = write!(
            page,
            "## How it was made\n\nMethod: {} ({}), explaining {about}. Only what speaks for the class counts, and every \
             map is divided by its sum, so that each picture counts the same. Means, clusters and places are of maps \
             of {grid}×{grid} cells. All settings are in [survey.json](survey.json).\n\n",
            self.method,
            parameters.join(", "),
            grid = settings.grid,
        );
        page.push_str(
            "Clusters are found as by Lapuschkin et al. 2019 (arXiv 1902.10178): a graph joins each map with its \
             nearest ones, and the largest gap between the eigenvalues of its normalised Laplacian says how many \
             clusters there are.\n\n",
        );
        let _ = writeln!(
            page,
            "A warning needs both of this. The maps of a class have at least {} times as much relevance in a place as \
             its area and as the maps of other classes have (99 % interval of the difference above zero). And covering \
             the place, or copying it onto pictures of other classes, changes the probability of the class by at least \
             {:.0} points more than places like it elsewhere (99 % interval, up to {} pictures), and neither of the two says the \
             opposite. The middle of the \
             picture is never a place of a warning: what is to be recognised is usually there.",
            settings.many_times,
            100.0 * settings.least_effect,
            settings.tested,
        );
    }
}

/// Middle, borders and corners.
fn sums(energies: &[f64; 9]) -> [f64; 3] {
    let of = |word: &str| {
        let parts = PARTS
            .iter()
            .zip(energies)
            .filter(|((name, _), _)| name.ends_with(word));
        parts.map(|(_, share)| share).sum()
    };
    ["middle", "border", "corner"].map(of)
}

impl ClusterSurvey {
    /// As [`ClassSurvey::middle_borders_corners`], of the maps of the cluster.
    pub fn middle_borders_corners(&self) -> [f64; 3] {
        sums(&self.energies)
    }
}

impl ClassSurvey {
    /// Shares of the relevance in the middle (25 % of the area), at the borders (50 %) and in the corners (25
    /// %), 0 … 1.
    pub fn middle_borders_corners(&self) -> [f64; 3] {
        sums(&self.energies)
    }

    /// The part that has most relevance for its area, and the one that stands out most from other classes.
    pub fn in_words(&self) -> String {
        let most = |value: &dyn Fn(usize) -> f64| {
            (0..PARTS.len()).fold(0, |best, part| {
                if value(part) > value(best) {
                    part
                } else {
                    best
                }
            })
        };
        let dense = most(&|part| self.energies[part] / PARTS[part].1.area());
        let name = |part: usize| PARTS[part].0;
        let mut words = format!(
            "Most relevance for its area is in the {}: {} of it in {} of the picture.",
            name(dense),
            percent(self.energies[dense]),
            percent(PARTS[dense].1.area()),
        );
        if let Some(others) = &self.other_energies {
            let apart = most(&|part| self.energies[part] - others[part]);
            let _ = write!(
                words,
                " It stands out most from other classes in the {}: {} of the relevance, in theirs {}.",
                name(apart),
                percent(self.energies[apart]),
                percent(others[apart]),
            );
        }
        words
    }
}

/// The first of some pictures with a word on each.
fn list(
    page: &mut String,
    title: &str,
    pictures: &[&SurveyedPicture],
    about: impl Fn(&SurveyedPicture) -> String,
) {
    if pictures.is_empty() {
        return;
    }
    let first = match pictures.len() {
        count if count > LISTED => format!(" ({count}, the first {LISTED})"),
        count => format!(" ({count})"),
    };
    let _ = writeln!(page, "{title}{first}:\n");
    for picture in pictures.iter().take(LISTED) {
        let path = picture.path.display().to_string();
        let _ = writeln!(page, "- {}: {}", text(&path), text(&about(picture)));
    }
    page.push('\n');
}
