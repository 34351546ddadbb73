//! A comparison as a page of plots.

use dvm_render::{
    ColourMap, Dot, DotChart, DotKind, LabelledMatrix, Page, dot_charts, labelled_matrices,
};

use super::statistics::sign;
use super::summary::{MetricSummary, Summary};
use crate::numbers::pictures;

impl Summary {
    /// A page of plots: for each metric the methods with their intervals, seconds per map, and agreement.
    pub fn page(&self) -> Page {
        let charts = self
            .metrics
            .iter()
            .filter(|metric| !metric.scores.is_empty());
        let mut charts: Vec<DotChart> = charts.map(|metric| self.chart(metric)).collect();
        charts.push(self.seconds());
        let network = self.model["architecture"].as_str().unwrap_or("network");
        let pictures = pictures(self.pictures);
        let heading = format!("{network} · {pictures} · means and 95 % intervals");
        Page::stacked(vec![
            dot_charts(Some(&heading), &charts),
            labelled_matrices(&self.matrices()),
        ])
    }

    /// A plot for each metric that has scores: the methods with their intervals.
    pub fn metric_pages(&self) -> impl Iterator<Item = (&MetricSummary, Page)> {
        let with_scores = self.metrics.iter();
        let with_scores = with_scores.filter(|metric| !metric.scores.is_empty());
        with_scores.map(|metric| (metric, dot_charts(None, &[self.chart(metric)])))
    }

    /// A plot of the seconds per map of each method.
    pub fn seconds_page(&self) -> Page {
        dot_charts(None, &[self.seconds()])
    }

    /// Matrices of the agreement of methods: by rank correlation and by structural similarity.
    pub fn agreement_pages(&self) -> [Page; 2] {
        self.matrices().map(|matrix| labelled_matrices(&[matrix]))
    }

    fn matrices(&self) -> [LabelledMatrix; 2] {
        let matrices = [
            (
                "agreement of ranks",
                "rank correlation",
                &self.agreement.rank_correlation,
            ),
            (
                "agreement of structure",
                "structural similarity",
                &self.agreement.structural_similarity,
            ),
        ];
        matrices.map(|(title, quantity, values)| LabelledMatrix {
            title: title.into(),
            quantity: quantity.into(),
            names: self.agreement.methods.clone(),
            values: values.clone(),
            range: (-1.0, 1.0),
            colours: ColourMap::RdBu,
        })
    }

    fn is_control(&self, method: &str) -> bool {
        self.method(method).is_some_and(|method| method.control)
    }

    fn chart(&self, metric: &MetricSummary) -> DotChart {
        let asked = metric
            .scores
            .iter()
            .filter(|score| !self.is_control(&score.method));
        let best = sign(&metric.better)
            .and_then(|sign| asked.max_by(|a, b| (sign * a.mean).total_cmp(&(sign * b.mean))));
        let dots = metric.scores.iter().map(|score| Dot {
            name: score.method.clone(),
            value: score.mean,
            interval: score.interval.map(|interval| (interval.low, interval.high)),
            kind: if self.is_control(&score.method) {
                DotKind::Control
            } else if best.is_some_and(|best| best.method == score.method) {
                DotKind::Best
            } else {
                DotKind::Plain
            },
        });
        DotChart {
            title: metric.title.clone(),
            axis: match &metric.better[..] {
                "higher" => "higher is better".into(),
                "lower" => "lower is better".into(),
                _ => "neither is better".into(),
            },
            dots: dots.collect(),
            logarithmic: false,
        }
    }

    fn seconds(&self) -> DotChart {
        let asked = self.methods.iter().filter(|method| !method.control);
        let with_time = asked.filter_map(|method| Some((method, method.seconds?)));
        let dots = with_time.map(|(method, seconds)| Dot {
            name: method.name.clone(),
            value: seconds.median,
            interval: None,
            kind: DotKind::Plain,
        });
        DotChart {
            title: "time".into(),
            axis: "seconds per map (median)".into(),
            dots: dots.collect(),
            logarithmic: true,
        }
    }
}
