//! An engine mapper that does what its setting `mode` says.

use windlass_plugin_sdk::engine_mapper::{
    self, BuildRequest, EngineMapper, File, HandOff, Invocation, Piece, Settings, Slot, Variable,
};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("guest-mapper", "0.1.0", "does what its setting says").setting(
            Setting::text("mode", "What to do.")
                .default("build")
                .choices(&["build", "empty", "path", "secret", "slot", "file", "zero"]),
        )
    }
}

impl EngineMapper for Guest {
    fn map(settings: &Settings, request: &BuildRequest) -> Result<Invocation, Vec<Finding>> {
        let mode = settings.text("mode").unwrap_or_default();
        let program = match mode.as_str() {
            "empty" => "",
            "path" => "/bin/sh",
            _ => "builder",
        };
        let mut arguments = vec![vec!["--root=".into(), Slot::Scratch.into(), "/root".into()], vec![Slot::Context.into()]];
        arguments.extend(request.labels().into_iter().map(|(key, value)| vec![Piece::from(format!("--label={key}={value}"))]));
        arguments.extend(request.platforms().into_iter().map(|platform| vec![Piece::from(platform)]));
        match mode.as_str() {
            "secret" => arguments.push(vec![Slot::Argument("TOKEN".to_owned()).into()]),
            "slot" => arguments.push(vec![Slot::Secret("unknown".to_owned()).into()]),
            "zero" => arguments.push(vec!["a\0b".into()]),
            _ => {}
        }
        let name = if mode == "file" { "../escape" } else { "settings.conf" };
        let secrets = request.secret_arguments().into_iter();
        Ok(Invocation {
            program: program.to_owned(),
            arguments,
            environment: secrets.map(|name| Variable { value: vec![Slot::Argument(name.clone()).into()], name }).collect(),
            files: vec![File { name: name.to_owned(), content: vec!["x".into()] }],
            hand_off: HandOff::OciLayout,
            findings: Vec::new(),
            attributes: Vec::new(),
        })
    }
}

engine_mapper::export!(Guest);
