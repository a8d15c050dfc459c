//! The instructions, typed. Words are as written until [`Instruction::expand`] has filled in their variables.

pub mod command;
pub mod health;
pub mod mount;
pub mod run;
pub mod transfer;

pub use command::CommandLine;
pub use health::HealthcheckInstruction;
pub use run::RunInstruction;
pub use transfer::{AddInstruction, CopyInstruction, InlineFile, Sources};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `FROM`
    From(FromInstruction),
    /// `RUN`
    Run(RunInstruction),
    /// `COPY`
    Copy(CopyInstruction),
    /// `ADD`
    Add(AddInstruction),
    /// `ENV`
    Env(EnvInstruction),
    /// `ARG`
    Arg(ArgInstruction),
    /// `LABEL`
    Label(LabelInstruction),
    /// `MAINTAINER`: the image's author.
    Maintainer(String),
    /// `WORKDIR`: a path, absolute or below the current directory.
    Workdir(String),
    /// `USER`: `user[:group]`, names or numbers.
    User(String),
    /// `EXPOSE`
    Expose(ExposeInstruction),
    /// `VOLUME`: the paths.
    Volume(Vec<String>),
    /// `ENTRYPOINT`
    Entrypoint(CommandLine),
    /// `CMD`
    Cmd(CommandLine),
    /// `SHELL`: the program and its arguments, to which commands are appended.
    Shell(Vec<String>),
    /// `STOPSIGNAL`: a name with or without `SIG`, or a number.
    StopSignal(String),
    /// `HEALTHCHECK`
    Healthcheck(HealthcheckInstruction),
    /// `ONBUILD`
    OnBuild(OnBuildInstruction),
}

/// The names of all instructions.
pub const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Instruction {
    /// The instruction's name in capitals.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::From(_) => "FROM",
            Self::Run(_) => "RUN",
            Self::Copy(_) => "COPY",
            Self::Add(_) => "ADD",
            Self::Env(_) => "ENV",
            Self::Arg(_) => "ARG",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Workdir(_) => "WORKDIR",
            Self::User(_) => "USER",
            Self::Expose(_) => "EXPOSE",
            Self::Volume(_) => "VOLUME",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Cmd(_) => "CMD",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::OnBuild(_) => "ONBUILD",
        }
    }
}

/// `FROM [--platform=…] image [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromInstruction {
    /// An image, an earlier stage, or `scratch`.
    pub base: String,
    /// The stage's name, in small letters.
    pub name: Option<String>,
    /// The platform that is asked for.
    pub platform: Option<String>,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name; not empty as written, but it may hold variables.
    pub name: String,
    /// The value.
    pub value: String,
}

/// `ENV name=value …` or `ENV name value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvInstruction {
    /// In the order in which they are written.
    pub pairs: Vec<Pair>,
}

/// `LABEL name=value …` or `LABEL name value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelInstruction {
    /// In the order in which they are written.
    pub pairs: Vec<Pair>,
}

/// `ARG name[=default] …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgInstruction {
    /// In the order in which they are written.
    pub arguments: Vec<Argument>,
}

/// One build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name, which never holds variables.
    pub name: String,
    /// The value it has when none is given.
    pub default: Option<String>,
}

/// `EXPOSE port[/protocol] …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposeInstruction {
    /// The words, sorted; see [`crate::port::exposed`] for the ports that they name.
    pub ports: Vec<String>,
}

/// `ONBUILD instruction`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBuildInstruction {
    /// The instruction as written, heredocs included: what an image's configuration stores.
    pub trigger: String,
}
