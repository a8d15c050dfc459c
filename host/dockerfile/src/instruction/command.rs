//! Commands in exec and in shell form.

/// The shell of an image that names none.
pub const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD` execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A text for the shell.
    Shell(String),
    /// The arguments, from a JSON array.
    Exec(Vec<String>),
}

impl CommandLine {
    /// The arguments to execute, given the image's `SHELL`; an empty one means [`DEFAULT_SHELL`].
    #[must_use]
    pub fn arguments(&self, shell: &[String]) -> Vec<String> {
        match self {
            Self::Exec(arguments) => arguments.clone(),
            Self::Shell(text) => with_shell(shell, text.clone()),
        }
    }
}

pub(super) fn with_shell(shell: &[String], text: String) -> Vec<String> {
    let default = || DEFAULT_SHELL.map(str::to_owned).to_vec();
    let mut arguments = if shell.is_empty() { default() } else { shell.to_vec() };
    arguments.push(text);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_form_is_one_argument_of_the_shell() {
        let command = CommandLine::Shell("echo  $HOME".to_owned());
        assert_eq!(command.arguments(&[]), ["/bin/sh", "-c", "echo  $HOME"]);
        assert_eq!(command.arguments(&["bash".to_owned()]), ["bash", "echo  $HOME"]);
        assert_eq!(CommandLine::Exec(vec![]).arguments(&[]), [""; 0]);
    }
}
