//! `source`: facts about the source that is built.

use std::collections::BTreeMap;

use wasmtime::component::Resource;

use crate::bindings::host::source::{Host, HostSource};
use crate::call::HostState;
use crate::description::Capability;
use crate::host::handle::SourceHandle;

/// Facts about the source, from the CI's variables or from the working copy. What is not known, or does not apply, is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// The commit, as a full hexadecimal object name.
    pub commit: Option<String>,
    /// The full name of the ref, such as `refs/heads/main`.
    pub reference: Option<String>,
    /// The branch, without `refs/heads/`.
    pub branch: Option<String>,
    /// The git tag, without `refs/tags/`.
    pub tag: Option<String>,
    /// The repository's default branch.
    pub default_branch: Option<String>,
    /// The number of the pull request.
    pub pull_request: Option<String>,
    /// The address of the repository, without any user name or password.
    pub remote: Option<String>,
    /// When the commit was made, in seconds since 1970-01-01T00:00:00Z.
    pub commit_time: Option<i64>,
    /// What started the run, in the CI's own word.
    pub event: Option<String>,
    /// The number of the run in its CI.
    pub build_number: Option<String>,
    /// Whether the working copy has no changes that are not committed.
    pub clean: Option<bool>,
    /// The CI's variables, of which a plugin sees those that it has a grant for.
    pub variables: BTreeMap<String, String>,
}

impl HostState {
    fn source_text(
        &self,
        handle: &Resource<SourceHandle>,
        fact: impl Fn(&SourceFacts) -> &Option<String>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(fact(&self.get(handle)?.0).clone())
    }
}

impl Host for HostState {}

impl HostSource for HostState {
    fn commit(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.commit)
    }

    fn ref_(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.reference)
    }

    fn branch(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.branch)
    }

    fn tag(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.tag)
    }

    fn default_branch(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.default_branch)
    }

    fn pull_request(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.pull_request)
    }

    fn remote(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.remote)
    }

    fn commit_time(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<i64>> {
        Ok(self.get(&handle)?.0.commit_time)
    }

    fn event(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.event)
    }

    fn build_number(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        self.source_text(&handle, |source| &source.build_number)
    }

    fn is_clean(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<Option<bool>> {
        Ok(self.get(&handle)?.0.clean)
    }

    fn variable(&mut self, handle: Resource<SourceHandle>, name: String) -> wasmtime::Result<Option<String>> {
        let wanted = Capability::Variable(name.clone());
        if !self.description.as_ref().is_some_and(|description| self.context.is_granted(description, &wanted)) {
            return Ok(None);
        }
        Ok(self.get(&handle)?.0.variables.get(&name).cloned())
    }

    fn drop(&mut self, handle: Resource<SourceHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
