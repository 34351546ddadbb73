//! The page of a survey, in Markdown.

use std::fmt::Write;
use std::path::Path;

use dvm_image::short_percent as percent;

use super::super::{ClassSurvey, ClusterSurvey, PARTS, Survey, SurveyedPicture};
use super::{TABLE, sheet_name};
use crate::training::report::{link, text};

/// The maximum number of pictures in a list.
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
                "\nThe network uses a shortcut if this place shows something that does not belong to the class, such \
                 as a tag, a ruler or a caption. Look at the pictures of the class.\n\n",
            ),
            Some(words) => {
                let _ = writeln!(page, "None: {}.\n", text(&words));
            }
        }
        let mut others = self.findings.iter().filter(|f| !f.is_confirmed).peekable();
        if others.peek().is_some() {
            let _ = writeln!(
                page,
                "Places where the maps of a class concentrate, without a warning: the tests do not show that covering or \
                 copying the place changes the probability by {:.0} percentage points more than places of \
                 the same shape elsewhere.\n",
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
            page.push_str("Pictures that could not be used:\n\n");
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
            "\nMiddle, borders and corners: shares of the relevance, averaged over the maps of the class. A uniform \
             map has 25 % in the middle, 50 % at the borders and 25 % in the corners. [{TABLE}]({TABLE}) has a line \
             for each picture.\n"
        );
    }

    fn class(&self, page: &mut String, class: &ClassSurvey, folder: &str, names: &[String]) {
        let _ = writeln!(page, "## {}\n", text(&class.name));
        if class.empty > 0 {
            let _ = writeln!(
                page,
                "The maps of {} of {} pictures have no positive relevance for the class; means leave them out.\n",
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
                page.push_str("There are too few maps to find clusters.\n\n")
            }
            1 => page.push_str("The maps form one cluster.\n\n"),
            more => {
                let _ = writeln!(page, "The maps form {more} clusters.\n");
            }
        }
        for (index, cluster) in clusters.iter().enumerate() {
            let [middle, borders, corners] = cluster.middle_borders_corners();
            let _ = writeln!(
                page,
                "Cluster {}: {} pictures. {} of the relevance is in the middle, {} at the borders, {} in the \
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
        let words = "Outliers: maps that differ from all others of the class";
        list(page, words, &outliers, |picture| {
            format!("score {:.1}", picture.outlier)
        });
        let mut wrong: Vec<&SurveyedPicture> = self.for_wrong_reason().filter(of_class).collect();
        let share = |picture: &SurveyedPicture| picture.at_finding.unwrap_or_default();
        wrong.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let words = "Right for the wrong reason: the class is right, but the network looks at the place of the warning";
        list(page, words, &wrong, |picture| {
            format!("{} there", percent(share(picture)))
        });
        let also = self.pictures.iter().filter(of_class);
        let also = also.filter(|p| p.at_finding.is_some() && !p.is_for_wrong_reason);
        let mut also: Vec<&SurveyedPicture> = also.collect();
        also.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let words = match self.labelled {
            true => {
                "Predicted as this class by mistake, while the network looks at the place of the warning"
            }
            false => "Pictures for which the network looks at the place of the warning",
        };
        list(page, words, &also, |picture| match picture.label {
            Some(label) => format!(
                "true class {}, {} there",
                names[label],
                percent(share(picture))
            ),
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
            "true" => "the true class of each picture".to_owned(),
            name => format!("the class {} for every picture", text(name)),
        };
        let _ = write!(
            page,
            "## How it was made\n\nMethod: {} ({}), explaining {about}. Only positive relevance counts, and every map is \
             divided by its sum, so that each picture counts the same. Means, clusters and places use maps of \
             {grid} × {grid} cells. [survey.json](survey.json) has all settings.\n\n",
            self.method,
            parameters.join(", "),
            grid = settings.grid,
        );
        page.push_str(
            "Clusters are found as in Lapuschkin et al. 2019 (arXiv 1902.10178): a graph connects each map with its \
             nearest ones, and the largest gap between the eigenvalues of its normalised Laplacian gives the number \
             of clusters.\n\n",
        );
        let _ = writeln!(
            page,
            "A warning needs two results. First, the maps of a class have at least {} times as much relevance in a place \
             as its share of the area, and as the maps of other classes (99 % interval of the difference above zero). \
             Second, covering the place, or copying it onto pictures of other classes, changes the probability of the \
             class by at least {:.0} percentage points more than places of the same shape elsewhere (99 % interval, up \
             to {} pictures), and neither test shows the opposite. The middle of the picture is never searched, \
             because the object is usually there.",
            settings.many_times,
            100.0 * settings.least_effect,
            settings.tested,
        );
    }
}

/// The sums of middle, borders and corners.
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
    /// As [`ClassSurvey::middle_borders_corners`], for the maps of the cluster.
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

    /// The part with the most relevance for its area, and the part that differs most from other classes.
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
            "The relevance is densest in the {}: {} of it in {} of the area.",
            name(dense),
            percent(self.energies[dense]),
            percent(PARTS[dense].1.area()),
        );
        if let Some(others) = &self.other_energies {
            let apart = most(&|part| self.energies[part] - others[part]);
            let _ = write!(
                words,
                " The largest difference from other classes is in the {}: {} of the relevance, {} in other classes.",
                name(apart),
                percent(self.energies[apart]),
                percent(others[apart]),
            );
        }
        words
    }
}

/// A list of the first pictures, each with a note.
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
