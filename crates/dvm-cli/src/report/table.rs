//! Columns that stand under each other.

use std::borrow::Cow;

use super::escaped;

/// On which side the texts of a column are flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// One line per row, columns two spaces apart and as wide as their longest text, which is
/// [`escaped`].
pub fn table<const N: usize>(columns: [Align; N], rows: &[[String; N]]) -> String {
    let rows = rows
        .iter()
        .map(|row| row.each_ref().map(|text| escaped(text)));
    let rows: Vec<[Cow<str>; N]> = rows.collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = (0..N)
            .map(|i| match columns[i] {
                Align::Left => format!("{:<1$}", row[i], widths[i]),
                Align::Right => format!("{:>1$}", row[i], widths[i]),
            })
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["95.1 %", "Käse"], ["0.2 %", "cup"]].map(|row| row.map(String::from));
        assert_eq!(
            table([Align::Right, Align::Left], &rows),
            "95.1 %  Käse\n 0.2 %  cup\n"
        );
    }
}
