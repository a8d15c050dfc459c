//! Step files: a bare Harness step, a list of steps, or a whole pipeline from which a step is named.

use std::path::Path;

use windlass_core::setting::Origin;
use windlass_core::{Finding, Place, suggest};
use windlass_runtime::host::raw_settings::{Raw, RawEntry, RawValue};

use super::yaml::{self, Key, Node, NodeValue};

/// A step file is text that people write; a larger one is something else.
const MAX_SIZE: u64 = 4 << 20;
const STEP_PREFIX: &str = "BuildAndPush";

/// A step as it stands in a file, with the stage variables that surround it.
struct Candidate<'a> {
    step: &'a Node,
    variables: Vec<&'a Node>,
}

/// Reads the step that `name` (an identifier or a name) means, or the only one there is, as raw settings: its fields, and
/// the stage variables that surround it under their own names.
///
/// # Errors
/// When the file cannot be read, is no YAML, holds no step, or holds several and none was named.
pub(crate) fn read(path: &Path, name: Option<&str>) -> Result<Raw, Vec<Finding>> {
    let file = path.display().to_string();
    let text = load(path).map_err(|finding| vec![finding.about(&file)])?;
    let documents = yaml::parse(&text, &file).map_err(|error| {
        let finding = Finding::deny("step-file/yaml", format!("this is not valid YAML: {}", error.message)).at(error.place);
        vec![finding.help("look also at the lines before: a bracket, brace or quote may be open, or an indentation uneven")]
    })?;
    let mut candidates = Vec::new();
    for document in &documents {
        collect(document, &mut Vec::new(), &mut candidates);
    }
    let chosen = choose(&candidates, name, &file)?;
    Ok(Raw { entries: raw(chosen) })
}

fn load(path: &Path) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| {
        Finding::deny("step-file/unreadable", format!("cannot read step file {}: {error}", path.display()))
            .help("give the path of a YAML file with a `type: BuildAndPush…` step, or use --from-env")
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_SIZE {
        return Err(Finding::deny(
            "step-file/large",
            format!("step file {} has {size} bytes; at most {MAX_SIZE} are read", path.display()),
        ));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes)
        .map_err(|_| Finding::deny("step-file/encoding", format!("step file {} is not UTF-8", path.display())))
}

/// Every mapping that has a `type` beginning with `BuildAndPush`, wherever it stands; `stage.variables` go with it.
fn collect<'a>(node: &'a Node, variables: &mut Vec<&'a Node>, found: &mut Vec<Candidate<'a>>) {
    match &node.value {
        NodeValue::List(items) => items.iter().for_each(|item| collect(item, variables, found)),
        NodeValue::Map(entries) => {
            if node.get("type").and_then(Node::text).is_some_and(|kind| kind.starts_with(STEP_PREFIX)) {
                found.push(Candidate { step: node, variables: variables.clone() });
                return;
            }
            let own = node.get("variables");
            variables.extend(own);
            entries.iter().for_each(|(_, value)| collect(value, variables, found));
            variables.truncate(variables.len() - usize::from(own.is_some()));
        }
        NodeValue::Null | NodeValue::Scalar(_) => {}
    }
}

fn choose<'c, 'a>(candidates: &'c [Candidate<'a>], name: Option<&str>, file: &str) -> Result<&'c Candidate<'a>, Vec<Finding>> {
    let field = |candidate: &Candidate<'a>, field| candidate.step.get(field).and_then(Node::text);
    let names: Vec<&str> = candidates.iter().filter_map(|c| field(c, "identifier").or_else(|| field(c, "name"))).collect();
    let whole_file = || Place { file: file.to_owned(), line: 1, column: 0, length: 0 };
    let problem = |rule: &str, message: String, help: String| Err(vec![Finding::deny(rule, message).at(whole_file()).help(help)]);
    match (name, candidates) {
        (_, []) => problem(
            "step-file/no-step",
            format!("there is no Build and Push step in {file}"),
            format!("a step is a mapping with `type: {STEP_PREFIX}ECR` (or …DockerRegistry, …GAR, …ACR) and `spec`"),
        ),
        (None, [only]) => Ok(only),
        (None, _) => problem(
            "step-file/several",
            format!("there are {} Build and Push steps in {file}: {}", candidates.len(), names.join(", ")),
            "name one with --step".to_owned(),
        ),
        (Some(name), _) => {
            let mut matching =
                candidates.iter().filter(|c| field(c, "identifier") == Some(name) || field(c, "name") == Some(name));
            match (matching.next(), matching.next()) {
                (Some(one), None) => Ok(one),
                (Some(_), Some(_)) => problem(
                    "step-file/several",
                    format!("there are several steps `{name}` in {file}"),
                    "give them different identifiers".to_owned(),
                ),
                (None, _) => problem(
                    "step-file/no-step",
                    format!("there is no Build and Push step `{name}` in {file}; there are: {}", names.join(", ")),
                    suggest::nearest(name, names.iter().copied())
                        .map_or_else(|| "see --step".to_owned(), |near| format!("did you mean `{near}`?")),
                ),
            }
        }
    }
}

fn raw(candidate: &Candidate<'_>) -> Vec<RawEntry> {
    let mut entries = map(candidate.step.entries());
    // The innermost variables come last in the list and win.
    for variable in candidate.variables.iter().rev().flat_map(|list| match &list.value {
        NodeValue::List(items) => items.as_slice(),
        _ => &[],
    }) {
        let (Some(name), Some(value)) = (variable.get("name").and_then(Node::text), variable.get("value")) else { continue };
        if name.starts_with("PLUGIN_") && !entries.iter().any(|entry| entry.name == name) {
            entries.push(entry(name, &value.place, value));
        }
    }
    entries
}

fn map(entries: &[(Key, Node)]) -> Vec<RawEntry> {
    entries.iter().map(|(key, node)| entry(&key.name, &key.place, node)).collect()
}

fn entry(name: &str, place: &Place, node: &Node) -> RawEntry {
    let value = match &node.value {
        NodeValue::Null => RawValue::Text(String::new()),
        NodeValue::Scalar(text) => RawValue::Text(text.clone()),
        NodeValue::List(items) if items.iter().all(|item| item.text().is_some()) => {
            RawValue::Texts(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect())
        }
        NodeValue::List(items) => {
            RawValue::Map(items.iter().enumerate().map(|(index, item)| entry(&index.to_string(), &item.place, item)).collect())
        }
        NodeValue::Map(entries) => RawValue::Map(map(entries)),
    };
    RawEntry { name: name.to_owned(), value, origin: Origin { name: name.to_owned(), place: Some(place.clone()) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, name: Option<&str>) -> Result<Raw, Vec<Finding>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("step.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path, name)
    }

    const BARE: &str =
        "type: BuildAndPushECR\nidentifier: push\nspec:\n  region: us-east-1\n  tags: [latest, 1.10]\n  labels:\n    a: b\n";

    fn indent(text: &str, by: usize) -> String {
        text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
    }

    fn value(raw: &Raw, path: &[&str]) -> Option<RawValue> {
        let (first, rest) = path.split_first()?;
        let found = raw.entries.iter().find(|entry| entry.name == *first)?;
        match (&found.value, rest) {
            (value, []) => Some(value.clone()),
            (RawValue::Map(entries), rest) => value(&Raw { entries: entries.clone() }, rest),
            _ => None,
        }
    }

    #[test]
    fn a_bare_step_keeps_its_texts_as_typed() {
        let raw = read_text(BARE, None).unwrap();
        assert_eq!(value(&raw, &["type"]), Some(RawValue::Text("BuildAndPushECR".to_owned())));
        assert_eq!(value(&raw, &["spec", "tags"]), Some(RawValue::Texts(vec!["latest".to_owned(), "1.10".to_owned()])));
        assert_eq!(value(&raw, &["spec", "labels", "a"]), Some(RawValue::Text("b".to_owned())));
        assert_eq!(raw.place("spec.region").unwrap().line, 4);
    }

    #[test]
    fn a_list_item_and_a_whole_pipeline_are_read_too() {
        let item = format!("- step:\n{}", indent(BARE, 4));
        assert_eq!(value(&read_text(&item, None).unwrap(), &["spec", "region"]), Some(RawValue::Text("us-east-1".to_owned())));
        let pipeline = format!(
            "pipeline:\n  stages:\n    - stage:\n        variables:\n          - name: PLUGIN_AUTO_TAG\n            type: String\n            value: \"true\"\n        spec:\n          execution:\n            steps:\n              - step:\n                  type: Run\n                  identifier: test\n              - step:\n{}",
            indent(BARE, 18)
        );
        let raw = read_text(&pipeline, Some("push")).unwrap();
        assert_eq!(value(&raw, &["PLUGIN_AUTO_TAG"]), Some(RawValue::Text("true".to_owned())));
    }

    #[test]
    fn several_steps_need_a_name_and_a_wrong_one_is_corrected() {
        let two = format!("- step:\n{}- step:\n{}", indent(BARE, 4), indent(&BARE.replace("push", "other"), 4));
        assert!(read_text(&two, None).unwrap_err()[0].message.contains("push, other"));
        assert!(read_text(&two, Some("other")).is_ok());
        assert_eq!(read_text(&two, Some("psuh")).unwrap_err()[0].help.as_deref(), Some("did you mean `push`?"));
    }

    #[test]
    fn what_is_no_step_file_is_told() {
        assert!(read_text("a: b\n", None).unwrap_err()[0].message.contains("no Build and Push step"));
        assert_eq!(read_text("a: [\n", None).unwrap_err()[0].rule, "step-file/yaml");
        assert_eq!(read(Path::new("/nonexistent/step.yaml"), None).unwrap_err()[0].rule, "step-file/unreadable");
    }
}
