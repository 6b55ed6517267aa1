//! Tables without borders that fit the terminal, and are not wrapped when they go to a file.

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};

/// A column: its heading and where its content stands.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Renders rows below headings; `width` is the terminal's, `None` for a file.
pub fn render(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(columns.iter().map(|column| match column {
        Column::Left(heading) => Cell::new(heading),
        Column::Right(heading) => Cell::new(heading).set_alignment(CellAlignment::Right),
    }));
    for row in rows {
        table.add_row(row.into_iter().map(one_line));
    }
    for (at, column) in columns.iter().enumerate() {
        if let Some(found) = table.column_mut(at) {
            found.set_padding((0, 2));
            if let Column::Right(_) = column {
                found.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Names and values, one pair per line.
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.into_iter().map(|(name, value)| format!("{name:<width$}  {}\n", one_line(value))).collect()
}

/// A cell is one line: text from a device must not look like further rows.
fn one_line(text: String) -> String {
    if text.contains(['\n', '\r', '\t']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::Left("DEVICE"), Column::Right("SIZE"), Column::Left("REASON")];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["core-1", "12.3 KiB", "-"]),
            row(["edge-22", "9 B", "timeout during connect: no answer\nfrom 192.0.2.7 within 15 s"]),
        ]
    }

    #[test]
    fn a_file_gets_one_line_per_row_however_long() {
        insta::assert_snapshot!(render(&COLUMNS, rows(), None));
    }

    #[test]
    fn a_narrow_terminal_gets_wrapped_cells() {
        let text = render(&COLUMNS, rows(), Some(50));
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_rows_give_the_headings_alone() {
        assert_eq!(render(&COLUMNS, [], None), "DEVICE  SIZE  REASON\n");
    }

    #[test]
    fn pairs_stand_below_each_other() {
        assert_eq!(pairs([("name", "a".into()), ("address", "b\nc".into())]), "name     a\naddress  b c\n");
    }
}
