//! Tables with aligned columns.

use super::escaped;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// One line per row, with columns two spaces apart. Texts are [`escaped`].
pub fn table<const N: usize>(columns: [Align; N], rows: &[[String; N]]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    table_of(&columns, &rows)
}

/// A table with any number of columns.
pub fn table_of(columns: &[Align], rows: &[Vec<String>]) -> String {
    let escaped = |row: &Vec<String>| row.iter().map(|text| escaped(text).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(escaped).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = (0..columns.len())
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
    fn columns_are_aligned() {
        let rows = [["95.1 %", "Käse"], ["0.2 %", "cup"]].map(|row| row.map(String::from));
        assert_eq!(
            table([Align::Right, Align::Left], &rows),
            "95.1 %  Käse\n 0.2 %  cup\n"
        );
    }
}
