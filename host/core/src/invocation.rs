//! How an outside engine is called: what an engine mapper proposes and the host carries out.

use std::fmt;

/// Something that only the host knows, and fills in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The path of the context directory.
    Context,
    /// The path of the Dockerfile.
    Dockerfile,
    /// The path where the image is to be written.
    Output,
    /// The path where the image's digest is to be written.
    DigestFile,
    /// The path of a docker `config.json` with the credentials of this run.
    AuthFile,
    /// The path of an empty private directory, for the engine's own files.
    Scratch,
    /// The path of the file with the secret of this id.
    Secret(String),
    /// The path of the file with the private key of this id.
    SshKey(String),
    /// The value of the secret build argument of this name; never in an argument.
    Argument(String),
    /// The path of the further context of this name.
    NamedContext(String),
    /// The path of the file of this name among [`Invocation::files`].
    File(String),
}

/// A piece of an argument, a variable or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A literal text.
    Text(String),
    /// What the host fills in.
    Slot(Slot),
}

/// How the image comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOff {
    /// As an OCI image layout, a directory at [`Slot::Output`].
    OciLayout,
    /// As a tar of an OCI image layout at [`Slot::Output`].
    OciArchive,
    /// As the tar that `docker save` writes, at [`Slot::Output`].
    DockerArchive,
    /// As an image of this name in the docker daemon.
    DaemonImage(String),
    /// Pushed to all references, the digest at [`Slot::DigestFile`].
    Pushed,
}

/// How the program is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, by name.
    pub program: String,
    /// The arguments, each of one or more pieces.
    pub arguments: Vec<Vec<Piece>>,
    /// Variables to set, by name.
    pub environment: Vec<(String, Vec<Piece>)>,
    /// Small files to write before it starts, by name without any `/`.
    pub files: Vec<(String, Vec<Piece>)>,
    /// How the image comes back.
    pub hand_off: HandOff,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context => f.write_str("{context}"),
            Self::Dockerfile => f.write_str("{dockerfile}"),
            Self::Output => f.write_str("{output}"),
            Self::DigestFile => f.write_str("{digest-file}"),
            Self::AuthFile => f.write_str("{auth-file}"),
            Self::Scratch => f.write_str("{scratch}"),
            Self::Secret(id) => write!(f, "{{secret {id}}}"),
            Self::SshKey(id) => write!(f, "{{ssh-key {id}}}"),
            Self::Argument(name) => write!(f, "{{argument {name}}}"),
            Self::NamedContext(name) => write!(f, "{{context {name}}}"),
            Self::File(name) => write!(f, "{{file {name}}}"),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Slot(slot) => fmt::Display::fmt(slot, f),
        }
    }
}

impl fmt::Display for HandOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OciLayout => f.write_str("oci-layout"),
            Self::OciArchive => f.write_str("oci-archive"),
            Self::DockerArchive => f.write_str("docker-archive"),
            Self::DaemonImage(name) => write!(f, "daemon-image {name}"),
            Self::Pushed => f.write_str("pushed"),
        }
    }
}

impl Invocation {
    /// The command line as it is shown: slots stand as `{slot}`.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let argument = |pieces: &Vec<Piece>| pieces.iter().map(ToString::to_string).collect::<String>();
        std::iter::once(self.program.clone()).chain(self.arguments.iter().map(argument)).collect()
    }
}
