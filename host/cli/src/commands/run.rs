//! `windlass run`

use std::process::ExitCode;

use windlass::Failure;
use windlass_core::ExitCode as Code;

use super::reader::Reader;
use super::{carry_out, failed, request};
use crate::arguments::RunArguments;

pub(crate) fn main(arguments: RunArguments) -> ExitCode {
    let mut reader = Reader::default();
    let mut request = request(&arguments.step);
    request.no_push = arguments.no_push;
    request.report = arguments.report;
    request.shared_cache = reader.shared_cache(&arguments.caches);
    request.cache_from = reader.cache_from(&arguments.caches);
    request.cache_to = reader.cache_to(&arguments.caches);
    if !reader.problems.is_empty() {
        return failed(&Failure::new(Code::Settings, reader.problems), arguments.step.common.progress);
    }
    carry_out(request, &arguments.step.common, arguments.explain)
}
