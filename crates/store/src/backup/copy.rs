//! Counting rows in the text of a dump, as it goes by.

use std::collections::BTreeMap;

/// Of a line only its beginning is looked at: the longest name of a table, quoted, fits.
const HEAD: usize = 512;
const BEGIN: &[u8] = b"COPY ";
const END: &[u8] = b"\\.";

/// Reads what `pg_restore` writes. A row of `COPY` is one line, however long, because line ends in values are escaped.
#[derive(Default)]
pub(super) struct CopyCounter {
    rows: BTreeMap<String, u64>,
    /// Table and rows so far of the block that is open.
    open: Option<(String, u64)>,
    head: Vec<u8>,
    length: usize,
}

impl CopyCounter {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            self.line();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// The rows of each table that has a block, or what was wrong with the text.
    pub(super) fn finish(self) -> Result<BTreeMap<String, u64>, String> {
        match self.open {
            Some((table, rows)) => Err(format!("table {table} ends in the middle, after {rows} rows")),
            None => Ok(self.rows),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.length += bytes.len();
    }

    fn line(&mut self) {
        match &mut self.open {
            Some(_) if self.length == END.len() && self.head == END => {
                if let Some((table, rows)) = self.open.take() {
                    *self.rows.entry(table).or_default() += rows;
                }
            }
            Some((_, rows)) => *rows += 1,
            None => self.open = table_of(&self.head).map(|table| (table, 0)),
        }
        self.head.clear();
        self.length = 0;
    }
}

/// The table of `COPY netraven.devices (id, ...) FROM stdin;`, without its schema.
fn table_of(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line.strip_prefix(BEGIN)?);
    let (schema, rest) = identifier(&text)?;
    let (table, rest) = identifier(rest.strip_prefix('.')?)?;
    (schema == "netraven" && rest.starts_with(" (")).then_some(table)
}

/// A name as it stands in SQL, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let end = quoted.find('"')?;
        name.push_str(&quoted[..end]);
        quoted = &quoted[end + 1..];
        match quoted.strip_prefix('"') {
            Some(rest) => {
                name.push('"');
                quoted = rest;
            }
            None => return Some((name, quoted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &[u8], step: usize) -> Result<BTreeMap<String, u64>, String> {
        let mut counter = CopyCounter::default();
        text.chunks(step).for_each(|chunk| counter.push(chunk));
        counter.finish()
    }

    #[test]
    fn rows_are_counted_however_the_text_is_cut() {
        let long = "x".repeat(5000);
        let text = format!(
            "SET x = 1;\nCOPY netraven.devices (id, name) FROM stdin;\n1\ta\n2\tCOPY netraven.x (a) FROM stdin;\n\
             \n3\t{long}\n\\.\n\n\nCOPY netraven.empty (id) FROM stdin;\n\\.\nCOPY netraven.\"We\"\"ird (x\" (id) FROM \
             stdin;\n\\.x\n\\.\nCOPY public.other (id) FROM stdin;\nSELECT 1;\n"
        );
        let expected = [("devices", 4), ("empty", 0), ("We\"ird (x", 1)];
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(table, rows)| (table.to_owned(), rows)).collect();
        for step in [1, 2, 3, 7, 64, 100_000] {
            assert_eq!(counted(text.as_bytes(), step).unwrap(), expected, "{step}");
        }
    }

    #[test]
    fn a_text_that_ends_within_a_table_is_an_error() {
        let text = b"COPY netraven.devices (id) FROM stdin;\n1\n2\n";
        assert_eq!(counted(text, 10).unwrap_err(), "table devices ends in the middle, after 2 rows");
    }
}
