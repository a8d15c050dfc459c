//! One form for what two parsers make of a Dockerfile, so that they can be compared: ours, and the crate `parse-dockerfile`.

mod ours;
mod theirs;

pub use ours::read as ours;
pub use theirs::read as theirs;

/// A Dockerfile as both parsers can tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// `syntax`, `escape` and `check`.
    pub directives: Vec<(&'static str, String)>,
    /// The instructions in order.
    pub instructions: Vec<Line>,
}

/// An instruction as both parsers can tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// In capitals; `ONBUILD` is put before that of its trigger.
    pub name: String,
    /// Sorted: the order of flags means nothing, and of those without a value only `true` does.
    pub flags: Vec<String>,
    /// Whether `words` are from a JSON array and nothing else.
    pub is_exec: bool,
    /// The words, or the one text that the instruction takes.
    pub words: Vec<String>,
    /// The bodies of heredocs, and whether variables are filled in there.
    pub heredocs: Vec<(String, bool)>,
}

/// A flag, where it says more than what holds without it.
fn flag(name: &str, value: Option<&str>) -> Option<String> {
    match (name, value) {
        ("link" | "parents", None | Some("true")) => Some(name.to_owned()),
        ("link" | "parents", Some("false")) | ("network", Some("default")) | ("security", Some("sandbox")) => None,
        ("interval" | "timeout" | "start-period" | "start-interval", Some(value)) => {
            let nanoseconds = windlass_dockerfile::go::parse_duration(value);
            Some(format!("{name}={nanoseconds:?}")).filter(|_| nanoseconds != Some(0))
        }
        ("retries", Some("0")) => None,
        (name, Some(value)) => Some(format!("{name}={value}")),
        (name, None) => Some(name.to_owned()),
    }
}
