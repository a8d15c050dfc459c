//! `windlass run`

use std::process::ExitCode;

use super::{carry_out, request};
use crate::arguments::RunArguments;

pub(crate) fn main(arguments: RunArguments) -> ExitCode {
    let mut request = request(&arguments.step);
    request.no_push = arguments.no_push;
    request.report = arguments.report;
    carry_out(request, &arguments.step.common, arguments.explain)
}
