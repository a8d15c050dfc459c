//! What the command line and the configuration say over the step, and where its paths begin.

use windlass_core::{ExitCode, Finding};

use super::Planner;
use crate::configuration;
use crate::failure::Failure;
use crate::step::{Annotation, ExportKind, Place, RegistrySettings, Step};

impl Planner<'_> {
    /// How the command line and the configuration say that registries are reached, besides the step.
    pub(super) fn adjust_registries(&self, registries: &mut RegistrySettings) -> Result<(), Failure> {
        let configuration = &self.surroundings.configuration;
        let given = configuration::registry_map(&self.request.registry_map)
            .map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
        registries.map = configuration.registry_map.iter().map(|(host, url)| (host.clone(), url.clone())).chain(given).collect();
        registries.mirrors.extend(configuration.registry_mirrors.iter().cloned());
        registries.insecure.extend(configuration.insecure_registries.iter().cloned());
        Ok(())
    }

    /// What the command line and the configuration say over the step.
    pub(super) fn adjust(&self, step: &mut Step) -> Result<(), Failure> {
        self.adjust_registries(&mut step.registries)?;
        step.push &= !self.request.no_push;
        if self.request.shared_cache.is_some() {
            step.build.shared_cache.clone_from(&self.request.shared_cache);
        }
        if !self.request.cache_from.is_empty() {
            step.build.cache_from.clone_from(&self.request.cache_from);
        }
        if !self.request.cache_to.is_empty() {
            step.build.cache_to.clone_from(&self.request.cache_to);
        }
        if self.request.report.is_some() {
            step.outputs.report.clone_from(&self.request.report);
        }
        resolve_paths(step, &self.surroundings.directory);
        let has_docker_archive = step.outputs.exports_of(ExportKind::DockerArchive).next().is_some();
        if step.build.target_platforms().len() > 1 && has_docker_archive {
            let finding =
                Finding::deny("settings/platforms", "a docker archive holds one image, and several platforms are built")
                    .about("platforms")
                    .help("write an OCI layout or archive, or build for one platform");
            return Err(Failure::one(ExitCode::Settings, finding));
        }
        let on_index = |annotation: &&Annotation| annotation.places.iter().any(|place| place.is_of_index());
        if let (1, Some(annotation)) = (step.build.target_platforms().len(), step.build.annotations.iter().find(on_index)) {
            let message = format!("the annotation `{}` is for an index, and one platform makes none", annotation.key);
            let finding = Finding::deny("settings/annotations", message).about("annotations");
            return Err(Failure::one(ExitCode::Settings, finding.help("build for several platforms, or annotate the manifest")));
        }
        Ok(())
    }
}

/// Paths are relative to the working directory; the context may say where it is for all others.
fn resolve_paths(step: &mut Step, directory: &std::path::Path) {
    if directory.as_os_str().is_empty() {
        return;
    }
    step.build.context = directory.join(&step.build.context);
    step.archive = step.archive.take().map(|path| directory.join(path));
    let outputs = &mut step.outputs;
    let single = [
        &mut outputs.artifact_file,
        &mut outputs.digest_file,
        &mut outputs.image_id_file,
        &mut outputs.name_with_digest_file,
        &mut outputs.name_tag_with_digest_file,
        &mut outputs.metadata_file,
        &mut outputs.report,
    ];
    single.into_iter().flatten().for_each(|path| *path = directory.join(&*path));
    outputs.output_files.iter_mut().for_each(|path| *path = directory.join(&*path));
    for export in &mut outputs.exports {
        if let Place::Path(path) = &mut export.place {
            *path = directory.join(&*path);
        }
    }
}
