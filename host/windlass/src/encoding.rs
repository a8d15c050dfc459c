//! An image in another form: other compression of its layers, other media types. Its files stay as they are.

use std::sync::Arc;

use windlass_builder::store::{KeyBuilder, StepLayer, StepRecord, Store};
use windlass_core::event::{Outcome, Stage};
use windlass_core::{Digest, EventSink, ExitCode, Finding, chain};
use windlass_layer::{Compression, Limits, recompress};
use windlass_registry::image::{Compression as Form, Descriptor, Document, Format, ImageDocument, Manifest};

use crate::attestation::{self, Facts};
use crate::failure::Failure;
use crate::images::{Image, Member};
use crate::step::Encoding;

/// What re-encoding takes.
pub(crate) struct Encoder<'a> {
    pub(crate) store: &'a Arc<Store>,
    pub(crate) events: &'a EventSink,
    /// How the layers that the build made are compressed.
    pub(crate) built: Compression,
    /// What attestations tell, where some are asked for.
    pub(crate) facts: Option<&'a Facts<'a>>,
}

impl Encoder<'_> {
    /// `image` in the form that `encoding` asks for, with its attestations.
    pub(crate) async fn attested(&self, image: &Image, encoding: Encoding) -> Result<Image, Failure> {
        let image = self.encoded(image, encoding).await?;
        let Some(facts) = self.facts else { return Ok(image) };
        let attached = attestation::attached(&image, facts, self.store, self.events).await;
        attached.map_err(|error| {
            Failure::one(ExitCode::Output, Finding::deny("output/attestation", format!("cannot attest the image: {error}")))
        })
    }

    /// `image` in the form that `encoding` asks for.
    ///
    /// Layers of base images keep their compression unless it is forced. What was compressed once is remembered.
    pub(crate) async fn encoded(&self, image: &Image, encoding: Encoding) -> Result<Image, Failure> {
        // Whoever asks for nothing gets what is usual, whatever the build did for somebody else.
        let compression = encoding.compression.or((self.built != Compression::default()).then(Compression::default));
        let encoding = Encoding { compression, ..encoding };
        if encoding == Encoding::default() {
            return Ok(image.clone());
        }
        let mut members = Vec::new();
        for member in &image.members {
            members.push(self.member(image, member, encoding).await?);
        }
        let (annotations, source, origins) = (image.annotations.clone(), Arc::clone(&image.source), image.origins.clone());
        let encoded = Image::of(members, format(encoding), annotations, source, origins).map_err(|error| internal(&error))?;
        Ok(Image { bases: image.bases.clone(), ..encoded })
    }

    async fn member(&self, image: &Image, member: &Member, encoding: Encoding) -> Result<Member, Failure> {
        let Document::Image(document) = member.manifest.document().map_err(|error| internal(&error))? else {
            return Err(internal(&std::io::Error::other("an index stands where an image was expected")));
        };
        let ImageDocument { config, layers, annotations, .. } = document;
        let mut encoded = Vec::new();
        for (layer, diff_id) in layers.into_iter().zip(&member.config.rootfs.diff_ids) {
            encoded.push(self.layer(image, layer, diff_id, encoding).await?);
        }
        let format = format(encoding);
        let config = Descriptor { media_type: format.config().to_owned(), ..config };
        Ok(Member { manifest: Manifest::image(format, &config, &encoded, annotations), ..member.clone() })
    }

    async fn layer(&self, image: &Image, layer: Descriptor, diff_id: &Digest, encoding: Encoding) -> Result<Descriptor, Failure> {
        let Some(is) = Form::of_layer(&layer.media_type) else { return Ok(layer) };
        let may_change = encoding.is_forced || !image.origins.contains_key(&layer.digest);
        let changed = match encoding.compression {
            Some(wanted) if may_change && form(wanted) != is => self.compressed(image, &layer, diff_id, wanted).await?,
            _ => layer,
        };
        let is = Form::of_layer(&changed.media_type).unwrap_or(is);
        Ok(Descriptor { media_type: format(encoding).layer(is).to_owned(), ..changed })
    }

    /// The layer in another compression, from the cache where it has been made before.
    async fn compressed(
        &self,
        image: &Image,
        layer: &Descriptor,
        diff_id: &Digest,
        wanted: Compression,
    ) -> Result<Descriptor, Failure> {
        let key = KeyBuilder::new("recompress").field("of", layer.digest.as_str()).field("to", format!("{wanted:?}")).finish();
        let known = self.store.step(&key, self.events).and_then(|record| record.layer);
        let is_whole = |known: &StepLayer| self.store.blobs().holds(&known.digest, known.size);
        if let Some(known) = known.filter(|known| known.diff_id == *diff_id && is_whole(known)) {
            return Ok(Descriptor::new(known.media_type, known.digest, known.size));
        }
        let short = layer.digest.hex().get(..12).unwrap_or_default();
        let task = self.events.start(Stage::Export, format!("compress layer {short} anew"));
        match self.compress(image, layer, diff_id, wanted).await {
            Ok(made) => {
                let descriptor = Descriptor::new(made.media_type.clone(), made.digest.clone(), made.size);
                let record = StepRecord { layer: Some(made), created: String::new(), continues: None };
                self.store.record_step(&key, &record).map_err(|error| failed(layer, &error))?;
                task.finish(Outcome::Done);
                Ok(descriptor)
            }
            Err(failure) => {
                task.finish(Outcome::Failed(failure.to_string()));
                Err(failure)
            }
        }
    }

    async fn compress(
        &self,
        image: &Image,
        layer: &Descriptor,
        diff_id: &Digest,
        wanted: Compression,
    ) -> Result<StepLayer, Failure> {
        let blob = image.source.open(layer).await.map_err(|error| failed(layer, error.as_ref()))?;
        let (blobs, layer, diff_id) = (self.store.blobs().clone(), layer.clone(), diff_id.clone());
        let work = move || {
            let mut writer = blobs.unsummed_writer().map_err(|error| failed(&layer, &error))?;
            let made = recompress(blob, Limits::default(), wanted, &mut writer).map_err(|error| failed(&layer, &error))?;
            if made.diff_id != diff_id {
                let message = format!("it unpacks to {}, and the configuration says {diff_id}", made.diff_id);
                return Err(failed(&layer, &std::io::Error::other(message)));
            }
            writer.place(&made.digest).map_err(|error| failed(&layer, &error))?;
            Ok(StepLayer {
                diff_id,
                digest: made.digest,
                size: made.size,
                uncompressed_size: made.uncompressed_size,
                media_type: made.media_type.to_owned(),
                snapshot: None,
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error))?
    }
}

fn format(encoding: Encoding) -> Format {
    if encoding.has_docker_types { Format::Docker } else { Format::Oci }
}

fn form(compression: Compression) -> Form {
    match compression {
        Compression::None => Form::None,
        Compression::Gzip { .. } => Form::Gzip,
        Compression::Zstd { .. } => Form::Zstd,
    }
}

fn failed(layer: &Descriptor, error: &(dyn std::error::Error + 'static)) -> Failure {
    let message = format!("cannot compress the layer {} anew: {}", layer.digest, chain(error));
    Failure::one(ExitCode::Output, Finding::deny("output/compression", message))
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::one(ExitCode::Internal, Finding::deny("internal", chain(error)))
}
