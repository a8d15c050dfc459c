//! YAML as a tree that remembers where everything stands and how scalars were written.
//!
//! Values stay texts as typed: `tags: [1.10]` means the tag `1.10`, and `account: 012345` keeps its zero.

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use windlass_core::Place;

/// How deep collections may stand in each other.
const MAX_DEPTH: usize = 64;
/// How many nodes a file may have, aliases counted as often as they are used.
const MAX_NODES: usize = 100_000;

/// A node and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: NodeValue,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeValue {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar's text.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping; keys are scalars, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// Why a text is no YAML that we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Node {
    /// The value under `name`, when this is a mapping that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The entries, when this is a mapping; else none.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text, when this is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads every document of `text`; `file` is what places name.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<Node>, YamlError> {
    let mut reader = Reader { file, parser: Parser::new_from_str(text), anchors: Vec::new(), nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(..) => reader.anchors.clear(),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, span, 0)?),
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    file: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &ScanError) -> YamlError {
        YamlError { place: self.place(*error.marker(), None), message: error.info() }
    }

    fn place(&self, start: Marker, end: Option<Marker>) -> Place {
        let length = end.filter(|end| end.line() == start.line()).map_or(0, |end| end.col().saturating_sub(start.col()));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: self.file.to_owned(), line: number(start.line()), column: number(start.col() + 1), length: number(length) }
    }

    fn refuse<T>(&self, span: Span, message: impl Into<String>) -> Result<T, YamlError> {
        Err(YamlError { place: self.place(span.start, Some(span.end)), message: message.into() })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return self
                .refuse(span, format!("the file nests deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} values"));
        }
        let place = self.place(span.start, Some(span.end));
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(id) => return self.alias(id, span),
            other => return self.refuse(span, format!("unexpected YAML {other:?}")),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, YamlError> {
        let Some((_, node)) = self.anchors.iter().rfind(|(anchor, _)| *anchor == id) else {
            return self.refuse(span, "an alias must not stand inside the value that it names");
        };
        let node = node.clone();
        self.nodes += count(&node);
        if self.nodes > MAX_NODES {
            return self.refuse(span, format!("aliases blow the file up to more than {MAX_NODES} values"));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<NodeValue, YamlError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span, depth + 1)?);
        }
        Ok(NodeValue::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<NodeValue, YamlError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        while let Some((event, span)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, ..) => Key { name: text.into_owned(), place: self.place(span.start, Some(span.end)) },
                _ => return self.refuse(span, "a key must be a plain text"),
            };
            if let Some((earlier, _)) = entries.iter().find(|(earlier, _)| earlier.name == key.name) {
                return self
                    .refuse(span, format!("key `{}` stands twice; it is already on line {}", key.name, earlier.place.line));
            }
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span, depth + 1)?;
            if key.name == "<<" {
                merge(&mut entries, value);
            } else {
                entries.push((key, value));
            }
        }
        Ok(NodeValue::Map(entries))
    }
}

/// `<<: *defaults`: keys that are not given otherwise.
fn merge(entries: &mut Vec<(Key, Node)>, value: Node) {
    match value.value {
        NodeValue::Map(defaults) => {
            for (key, node) in defaults {
                if !entries.iter().any(|(given, _)| given.name == key.name) {
                    entries.push((key, node));
                }
            }
        }
        NodeValue::List(several) => several.into_iter().for_each(|one| merge(entries, one)),
        NodeValue::Null | NodeValue::Scalar(_) => {}
    }
}

fn scalar(text: &str, style: ScalarStyle) -> NodeValue {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => NodeValue::Null,
        _ => NodeValue::Scalar(text.to_owned()),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        NodeValue::List(items) => items.iter().map(count).sum(),
        NodeValue::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
        NodeValue::Null | NodeValue::Scalar(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_as_typed_and_know_their_place() {
        let documents = parse("a: 1.10\nb:\n  - 'x'\n  - 007\n", "f.yaml").unwrap();
        assert_eq!(documents[0].get("a").unwrap().text(), Some("1.10"));
        let NodeValue::List(items) = &documents[0].get("b").unwrap().value else { panic!() };
        assert_eq!(items[1].text(), Some("007"));
        assert_eq!((items[0].place.line, items[0].place.column), (3, 5));
    }

    #[test]
    fn broken_yaml_names_the_line() {
        let error = parse("a: [1, 2\nb: 3\n", "f.yaml").unwrap_err();
        assert!(error.place.line >= 1 && !error.message.is_empty(), "{error:?}");
        assert!(parse("a: 1\na: 2\n", "f").unwrap_err().message.contains("already on line 1"));
    }

    #[test]
    fn aliases_that_blow_up_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let refer = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{refer}]\n");
        }
        assert!(parse(&text, "f").unwrap_err().message.contains("aliases"));
        let deep = "[".repeat(2000);
        assert!(parse(&deep, "f").is_err());
    }
}
