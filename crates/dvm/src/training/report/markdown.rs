//! The page of a report, in Markdown.

use std::fmt::Write;
use std::path::{Path, absolute};

use dvm_train::metrics::Interval;

use super::{Report, percent};

impl Report<'_> {
    /// The page, in Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n", text(self.title));
        self.headline(&mut page);
        self.training(&mut page);
        self.classes(&mut page);
        page += "## Calibration\n\nA network is calibrated if 80 % of its predictions with a probability of 80 % \
                 are right.\n\n![Probability against accuracy](calibration.png)\n";
        self.survey(&mut page);
        self.wrong(&mut page);
        page
    }

    fn headline(&self, page: &mut String) {
        let evaluation = self.evaluation;
        let intervals = evaluation.intervals.as_ref();
        let between = |interval: Option<Interval>| {
            interval.map_or_else(String::new, |i| {
                format!("{} to {}", percent(i.low), percent(i.high))
            })
        };
        let level = intervals.map_or_else(String::new, |intervals| {
            format!("{:.0} % of resamples", 100.0 * intervals.level)
        });
        *page += &format!("| {} pictures | | {level} |\n", evaluation.pictures);
        *page += "|---|---:|---|\n";
        let rows = [
            (
                "accuracy",
                Some(evaluation.accuracy),
                intervals.map(|i| i.accuracy),
            ),
            (
                "balanced accuracy",
                evaluation.balanced_accuracy,
                intervals.map(|i| i.balanced_accuracy),
            ),
            (
                "mean F1",
                evaluation.macro_f1,
                intervals.map(|i| i.macro_f1),
            ),
        ];
        for (name, value, interval) in rows {
            *page += &format!(
                "| {name} | **{}** | {} |\n",
                value.map_or("–".into(), percent),
                between(interval.filter(|_| value.is_some()))
            );
        }
        for (k, share) in evaluation.top_k.iter().filter(|(k, _)| **k > 1) {
            *page += &format!("| top-{k} accuracy | {} | |\n", percent(*share));
        }
        *page += &format!("| loss | {:.4} | |\n", evaluation.loss);
        let error = percent(evaluation.calibration.error);
        *page += &format!("| calibration error | {error} | |\n\n");
        if let Some(about) = evaluation.about_classes() {
            *page += &format!("{about}.\n\n");
        }
        if let Some(device) = self.device {
            *page += &format!("Computed on {}.\n\n", text(device));
        }
    }

    fn training(&self, page: &mut String) {
        if !self.has_curves() {
            return;
        }
        let records = self.records;
        let seconds: f64 = records.iter().map(|record| record.seconds).sum();
        let each = seconds / records.len() as f64;
        let mut words = format!(
            "{} epochs took {:.1} minutes, {each:.1} seconds each.",
            records.len(),
            seconds / 60.0
        );
        if let Some(best) = records.iter().rfind(|record| record.best) {
            words += &format!(" Epoch {} was the best", best.epoch);
            words += &match best.val_accuracy.map(percent) {
                Some(accuracy) => format!(": accuracy {accuracy} on the validation pictures."),
                None => ".".into(),
            };
        }
        *page += &format!("## Training\n\n{words}\n\n");
        *page += "![Loss, accuracy and learning rate](curves.png)\n\n";
    }

    fn classes(&self, page: &mut String) {
        *page += "## Classes\n\n";
        *page += "| class | pictures | recall | precision | F1 | most often confused with |\n";
        *page += "|---|---:|---:|---:|---:|---|\n";
        let classes = &self.evaluation.classes;
        for (i, class) in classes.iter().enumerate() {
            let counts = &self.evaluation.confusion.counts()[i];
            // Ties go to the first class.
            let most = (0..counts.len())
                .filter(|&j| j != i && counts[j] > 0)
                .min_by_key(|&j| std::cmp::Reverse(counts[j]));
            let taken = most.map_or_else(String::new, |j| {
                format!("{} ({})", text(&classes[j].name), counts[j])
            });
            let score = |score: Option<f64>| score.map_or_else(|| "–".into(), percent);
            *page += &format!(
                "| {} | {} | {} | {} | {} | {taken} |\n",
                text(&class.name),
                class.support,
                score(class.recall),
                score(class.precision),
                score(class.f1),
            );
        }
        let tables = "Tables: [per_class.csv](per_class.csv), [confusion.csv](confusion.csv)";
        if self.has_matrix() {
            *page += "\n![Confusion matrix](confusion.png)\n";
        }
        *page += &format!("\n{tables}.\n\n");
    }

    fn survey(&self, page: &mut String) {
        let Some(survey) = self.survey else {
            return;
        };
        *page += "\n## Where the network looks\n\n";
        *page += &format!(
            "The mean map of each class by {}, over the mean picture of the pictures predicted as this class ({} \
             pictures in all).\n",
            survey.method,
            survey.pictures.len()
        );
        if survey.classes.iter().any(|class| class.mean.is_some()) {
            *page += "\n![The mean map of each class](mean_maps.png)\n";
        }
        for finding in survey.confirmed() {
            let sentence = text(&finding.sentence);
            *page += &format!("\n**Warning**: {sentence}.\n");
        }
        if let Some(words) = survey.no_warning() {
            let words = text(&words);
            *page += &format!(
                "\nNo warning: {words}. `dvm survey` uses more pictures and shows clusters of maps.\n"
            );
        }
    }

    fn wrong(&self, page: &mut String) {
        if self.most_wrong.is_empty() {
            return;
        }
        *page += "\n## Most confident mistakes\n\n";
        *page += "Wrong predictions with the highest probability.\n";
        for (i, picture) in self.most_wrong.iter().enumerate() {
            let name = picture.path.file_name().unwrap_or(picture.path.as_os_str());
            let path = absolute(&picture.path).unwrap_or_else(|_| picture.path.clone());
            *page += &format!(
                "\n{}. [{}]({}): {}, predicted as {} with {}\n",
                i + 1,
                text(&name.to_string_lossy()),
                link(&path),
                text(&picture.class),
                text(&picture.predicted),
                percent(picture.probability),
            );
            if let Some(figure) = &picture.figure {
                let figure = link(figure);
                *page += &format!("\n   ![Maps of the picture]({figure})\n");
            }
        }
    }
}

/// Escapes Markdown in text; line breaks become spaces.
pub(crate) fn text(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for character in words.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A path as the target of a link, percent-encoded.
pub(crate) fn link(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = if cfg!(windows) {
        path.replace('\\', "/")
    } else {
        path.into_owned()
    };
    let mut link = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/.-_~:".contains(&byte) {
            link.push(char::from(byte));
        } else {
            write!(link, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::super::tests::{evaluation, records, report, wrong};
    use super::*;

    #[test]
    fn the_page_contains_the_numbers() {
        let (evaluation, records, wrong) = (evaluation(), records(), wrong());
        let report = report(&evaluation, &records, &wrong);
        let page = report.markdown();
        for expected in [
            "# resnet18 on my\\_flowers\n",
            "| 6 pictures | | 95 % of resamples |\n",
            "| accuracy | **66.7 %** |",
            "| balanced accuracy | **55.6 %** |",
            "3 epochs took 3.0 minutes, 61.0 seconds each. Epoch 2 was the best: accuracy 80.0 % on the \
             validation pictures.\n",
            "| daisy, \"white\" | 3 | 66.7 % | 66.7 % | 66.7 % | a\\|b \\<i\\> (1) |\n",
            "| a\\|b \\<i\\> | 2 | 100.0 % | 66.7 % | 80.0 % |  |\n",
            "| rose | 1 | 0.0 % | – | 0.0 % | daisy, \"white\" (1) |\n",
            "1. [my photo (1).jpg](/data/val/rose/my%20photo%20%281%29.jpg): rose, predicted as a\\|b \
             \\<i\\> with 98.7 %\n",
            "   ![Maps of the picture](wrong/1/figure.png)\n",
            "2. [2.jpg](/data/val/rose/2.jpg): rose, predicted as daisy, \"white\" with 50.0 %\n",
        ] {
            assert!(page.contains(expected), "{expected:?} is not in\n{page}");
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(text("a*b\n![x](y)"), "a\\*b \\!\\[x\\](y)");
        assert_eq!(link(Path::new("ä (1)|.png")), "%C3%A4%20%281%29%7C.png");
    }
}
