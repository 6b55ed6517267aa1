//! Finding an element in XML. A document that is not whole is told from one that is wrong.

use super::place::Problem;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// The first element at the path: its text where it has nothing else, or itself as it came.
///
/// The document is read as a whole, so that one without its end is never taken for a complete one. Entities that a
/// document declares are not expanded.
pub(super) fn find(document: &[u8], path: &[String]) -> Result<Vec<u8>, Problem> {
    let mut reader = Reader::from_reader(document);
    let mut search = Search { path, depth: 0, matched: 0, target: None, text: Vec::new(), found: None };
    loop {
        let before = position(reader.buffer_position());
        let event = reader.read_event().map_err(|error| problem(&error, before))?;
        let after = position(reader.buffer_position());
        match event {
            Event::Start(start) => search.open(start.local_name().as_ref(), before),
            Event::Empty(start) => {
                search.open(start.local_name().as_ref(), before);
                search.close(document, after);
            }
            Event::End(_) => search.close(document, after),
            Event::Text(text) => search.text(&text),
            Event::CData(text) => search.text(&text),
            Event::GeneralRef(entity) => search.text(&resolve(&entity)),
            Event::Eof if search.depth > 0 => {
                return Err(Problem::Cut(format!("the XML has no end: {} elements stay open", search.depth)));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    search.found.ok_or_else(|| Problem::Missing(format!("no element {}", path.join("/"))))
}

struct Search<'a> {
    path: &'a [String],
    depth: usize,
    /// So many of the path's names are open, each inside the one before.
    matched: usize,
    target: Option<Target>,
    text: Vec<u8>,
    found: Option<Vec<u8>>,
}

struct Target {
    depth: usize,
    start: usize,
    has_children: bool,
}

impl Search<'_> {
    fn open(&mut self, name: &[u8], before: usize) {
        self.depth += 1;
        if let Some(target) = &mut self.target {
            target.has_children = true;
        } else if self.found.is_none()
            && self.matched + 1 == self.depth
            && self.path.get(self.matched).is_some_and(|wanted| wanted.as_bytes() == name)
        {
            self.matched += 1;
            if self.matched == self.path.len() {
                self.target = Some(Target { depth: self.depth, start: before, has_children: false });
            }
        }
    }

    fn close(&mut self, document: &[u8], after: usize) {
        if let Some(target) = self.target.take_if(|target| target.depth == self.depth) {
            self.found = Some(match target.has_children {
                true => document.get(target.start..after).unwrap_or_default().to_vec(),
                false => std::mem::take(&mut self.text),
            });
        }
        self.matched = self.matched.min(self.depth.saturating_sub(1));
        self.depth = self.depth.saturating_sub(1);
    }

    fn text(&mut self, text: &[u8]) {
        if self.target.as_ref().is_some_and(|target| target.depth == self.depth) {
            self.text.extend_from_slice(text);
        }
    }
}

/// What a reference stands for; one that is not known stays as it is.
fn resolve(entity: &BytesRef<'_>) -> Vec<u8> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return character.to_string().into_bytes();
    }
    let known = entity.decode().ok().and_then(|name| resolve_predefined_entity(&name));
    match known {
        Some(text) => text.as_bytes().to_vec(),
        None => [b"&", entity.as_ref(), b";"].concat(),
    }
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn problem(error: &quick_xml::Error, at: usize) -> Problem {
    match error {
        // All of these say that a mark of the language was opened and the document ended.
        quick_xml::Error::Syntax(_)
        | quick_xml::Error::IllFormed(quick_xml::errors::IllFormedError::UnclosedReference) => {
            Problem::Cut(format!("the XML has no end: it breaks off behind byte {at}"))
        }
        _ => Problem::Malformed(format!("it is no XML at byte {at}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version='1.0'?>\n<response status=\"success\"><result><a/><key>x&amp;&#65;<![CDATA[<y>]]></key>\
                          <config v=\"1\"><n>&lt;</n><e/></config></result></response>\n";

    fn at(document: &str, path: &str) -> Result<String, Problem> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        find(document.as_bytes(), &path).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn an_element_with_text_is_its_text_and_one_with_children_is_itself() {
        assert_eq!(at(ANSWER, "response/result/key").unwrap(), "x&A<y>");
        assert_eq!(at(ANSWER, "response/result/config").unwrap(), "<config v=\"1\"><n>&lt;</n><e/></config>");
        assert_eq!(at(ANSWER, "response/result/a").unwrap(), "");
        assert!(matches!(at(ANSWER, "response/key"), Err(Problem::Missing(_))));
        assert!(matches!(at(ANSWER, "result/key"), Err(Problem::Missing(_))));
        assert!(matches!(at("<a></b>", "a"), Err(Problem::Malformed(_))));
        assert!(matches!(at("not XML at all", "a"), Err(Problem::Missing(_))));
    }

    #[test]
    fn a_document_that_breaks_off_anywhere_is_never_taken_for_a_whole_one() {
        for length in 0..ANSWER.trim_end().len() {
            let found = at(&ANSWER[..length], "response/result/key");
            assert!(!matches!(found, Ok(_) | Err(Problem::Malformed(_))), "{length}: {found:?}");
        }
    }
}
