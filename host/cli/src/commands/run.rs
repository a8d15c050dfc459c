//! `windlass run`

use std::process::ExitCode;

use windlass::Failure;
use windlass::step::{parse_cache_source, parse_cache_target};
use windlass_core::ExitCode as Code;

use super::build::Reader;
use super::{carry_out, failed, request};
use crate::arguments::RunArguments;

pub(crate) fn main(arguments: RunArguments) -> ExitCode {
    let mut reader = Reader::default();
    let mut request = request(&arguments.step);
    request.no_push = arguments.no_push;
    request.report = arguments.report;
    request.shared_cache = reader.shared_cache(arguments.cache_repo.as_deref(), arguments.cache_ttl.as_deref());
    request.cache_from = reader.all("--cache-from", &arguments.cache_from, parse_cache_source);
    request.cache_to = reader.all("--cache-to", &arguments.cache_to, parse_cache_target);
    if !reader.problems.is_empty() {
        return failed(&Failure::new(Code::Settings, reader.problems), arguments.step.common.progress);
    }
    carry_out(request, &arguments.step.common, arguments.explain)
}
