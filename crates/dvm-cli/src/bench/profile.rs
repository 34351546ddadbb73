//! The time of each node.

use dvm::engine::{Lap, Walk};
use dvm::{Bar, bar_chart};
use serde::Serialize;

use crate::report::{Align, table};

/// One row per node and pass, longest first; times are for one run.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Profile {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    walk: &'static str,
    node: String,
    op: &'static str,
    /// Shape of the node's value in the first call, with the batch.
    shape: Vec<usize>,
    /// Calls per run.
    calls: f64,
    seconds: f64,
    /// Share of the seconds of all nodes, 0 … 1.
    share: f64,
    /// Only for convolutions and linear layers.
    gflops: Option<f64>,
}

impl Profile {
    /// From the laps of all `runs` together.
    pub fn new(laps: &[Lap], runs: usize) -> Self {
        let all: f64 = laps.iter().map(|lap| lap.seconds).sum();
        let mut rows: Vec<Row> = laps
            .iter()
            .map(|lap| Row {
                walk: match lap.walk {
                    Walk::Forward => "forward",
                    Walk::Backward => "backward",
                    Walk::Incremental => "incremental",
                },
                node: lap.node.clone(),
                op: lap.kind,
                shape: lap.shape.clone(),
                calls: lap.calls as f64 / runs as f64,
                seconds: lap.seconds / runs as f64,
                share: if all > 0.0 { lap.seconds / all } else { 0.0 },
                gflops: (lap.multiply_adds > 0 && lap.seconds > 0.0)
                    .then(|| 2.0 * lap.multiply_adds as f64 / lap.seconds / 1e9),
            })
            .collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        Self { rows }
    }

    /// A table, with the sum in its last line.
    pub fn as_text(&self) -> String {
        let head = ["node", "walk", "op", "shape", "calls", "ms", "%", "GFLOP/s"];
        let mut rows = vec![head.map(String::from)];
        rows.extend(self.rows.iter().map(|row| {
            let shape: Vec<String> = row.shape.iter().map(usize::to_string).collect();
            [
                row.node.clone(),
                row.walk.into(),
                row.op.into(),
                shape.join(" × "),
                row.calls.to_string(),
                format!("{:.3}", row.seconds * 1e3),
                format!("{:.1}", row.share * 100.0),
                row.gflops.map(|g| format!("{g:.1}")).unwrap_or_default(),
            ]
        }));
        let seconds: f64 = self.rows.iter().map(|row| row.seconds).sum();
        let mut all = [const { String::new() }; 8];
        all[0] = "all nodes".into();
        all[5] = format!("{:.3}", seconds * 1e3);
        rows.push(all);
        let [left, right] = [Align::Left, Align::Right];
        table([left, left, left, left, right, right, right, right], &rows)
    }

    /// The profile as a bar chart.
    pub fn chart(&self, title: &str) -> String {
        let several_walks = self.rows.iter().any(|row| row.walk != self.rows[0].walk);
        let bars: Vec<Bar> = self
            .rows
            .iter()
            .map(|row| Bar {
                name: if several_walks {
                    format!("{} {}", row.node, row.walk)
                } else {
                    row.node.clone()
                },
                amount: row.seconds,
                label: format!("{:.3} ms, {:.1} %", row.seconds * 1e3, row.share * 100.0),
            })
            .collect();
        bar_chart(title, &bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(node: &str, walk: Walk, seconds: f64, multiply_adds: u64) -> Lap {
        Lap {
            walk,
            node: node.into(),
            kind: "conv2d",
            shape: vec![1, 8, 4, 4],
            calls: 2,
            seconds,
            multiply_adds,
        }
    }

    #[test]
    fn nodes_are_sorted_by_their_time_in_one_run() {
        let laps = [
            lap("a", Walk::Forward, 0.2, 0),
            lap("b", Walk::Forward, 0.6, 3_000_000_000),
        ];
        let text = Profile::new(&laps, 2).as_text();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let of = |row: usize| (rows[row][0], rows[row][10..].to_vec());
        assert_eq!(of(1), ("b", vec!["1", "300.000", "75.0", "10.0"]));
        assert_eq!(of(2), ("a", vec!["1", "100.000", "25.0"]));
        assert_eq!(rows[3], ["all", "nodes", "400.000"]);
    }

    #[test]
    fn bars_name_the_pass_if_there_are_two() {
        let there = lap("a", Walk::Forward, 0.2, 0);
        let back = lap("a", Walk::Backward, 0.1, 0);
        let both = Profile::new(&[there.clone(), back], 1).chart("t");
        assert!(both.contains(">a forward<") && both.contains(">a backward<"));
        assert!(Profile::new(&[there], 1).chart("t").contains(">a<"));
    }
}
