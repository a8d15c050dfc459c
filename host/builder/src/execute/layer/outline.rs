//! Outlines of layers: a copy on top of a layer that is not on this machine may do with what a remote cache tells of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use windlass_layer::{LARGEST_OUTLINE, Layer, Listing, View};
use windlass_registry::image::Descriptor;

use super::{BuildLayer, check_diff_id, failed, view_of};
use crate::copy::CopyError;
use crate::execute::copying::unplaced;
use crate::execute::error::{BuildError, Problem};
use crate::execute::remote_cache::{Found, Origin};
use crate::execute::session::{Claim, Session};
use crate::execute::stage::StageState;
use crate::store::{KeyBuilder, StepKey, StepLayer, StepRecord};

/// As many outlines are asked for at a time.
const ASKED_AT_ONCE: usize = 16;

/// The layers below a copy, as it looks at them.
pub(crate) struct LayersBelow {
    layers: Vec<Arc<BuildLayer>>,
    /// What they hold together, without contents where `is_outlined`.
    view: View,
    is_outlined: bool,
}

impl LayersBelow {
    /// None of them.
    pub(crate) fn empty() -> Self {
        Self { layers: Vec::new(), view: View::empty(), is_outlined: false }
    }

    /// The layers of a stage, without contents as far as a cache may be asked and they are not on this machine.
    pub(crate) async fn of(state: &StageState, session: &Arc<Session>) -> Result<Self, Arc<BuildError>> {
        let layers = state.layers.clone();
        let asks = session.sharing.remote().is_some() && !state.is_fresh;
        if asks { Self::outlined(layers, session).await } else { Self::whole(layers, session).await }
    }

    /// The layers with all that is in them.
    pub(crate) async fn whole(layers: Vec<Arc<BuildLayer>>, session: &Arc<Session>) -> Result<Self, Arc<BuildError>> {
        let view = view_of(&layers, session).await?;
        Ok(Self { layers, view, is_outlined: false })
    }

    /// The layers as far as they are on this machine, and outlines of the others. What has neither is fetched.
    async fn outlined(layers: Vec<Arc<BuildLayer>>, session: &Arc<Session>) -> Result<Self, Arc<BuildError>> {
        let asked: Vec<_> = layers.iter().map(|layer| layer.form_or_outline(session)).collect();
        let forms: Vec<(Layer, bool)> = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
        let is_outlined = forms.iter().any(|(_, is_outline)| *is_outline);
        let view = View::new(forms.into_iter().map(|(form, _)| form).collect());
        Ok(Self { layers, view, is_outlined })
    }

    /// Does `work` on what the layers hold: without contents while that is enough. Gives what was looked at, too.
    pub(crate) async fn used<T: Send + 'static>(
        mut self,
        session: &Arc<Session>,
        work: impl Fn(&View) -> Result<T, CopyError> + Clone + Send + 'static,
    ) -> Result<(T, View), Arc<BuildError>> {
        let mut done = self.tried(session, work.clone()).await?;
        if let Err(error) = &done
            && self.is_outlined
            && error.needs_content()
        {
            self = Self::whole(self.layers, session).await?;
            done = self.tried(session, work).await?;
        }
        self.offer_outlines(session);
        Ok((done.map_err(unplaced)?, self.view))
    }

    async fn tried<T: Send + 'static>(
        &self,
        session: &Session,
        work: impl FnOnce(&View) -> Result<T, CopyError> + Send + 'static,
    ) -> Result<Result<T, CopyError>, Arc<BuildError>> {
        let view = self.view.clone();
        session.blocking(move || Ok(work(&view))).await
    }

    /// Gives the remote cache the outlines of those layers that are here, in the background: the next copy on top of them may
    /// be made on a machine that has none of them.
    fn offer_outlines(&self, session: &Arc<Session>) {
        if session.sharing.remote().is_none() {
            return;
        }
        let here = self.layers.iter().enumerate().filter(|(_, layer)| layer.form.initialized());
        for (index, layer) in here.filter(|(_, layer)| !layer.is_offered.swap(true, Ordering::Relaxed)) {
            let below = View::new(self.view.layers()[..index].to_vec());
            let (layer, worker) = (Arc::clone(layer), Arc::clone(session));
            // No build fails for a cache: the next copy has to fetch the layer.
            let offered = tokio::spawn(async move { layer.offer_outline(&worker, below).await });
            session.sharing.wait_for(offered.map(drop).boxed());
        }
    }
}

/// Says in the background that these layers are in use, so that a cache which is written anew keeps what it has of them.
pub(crate) fn keep_outlines(layers: &[Arc<BuildLayer>], session: &Arc<Session>) {
    let Some(remote) = session.sharing.remote() else { return };
    for layer in layers {
        let (layer, remote) = (Arc::clone(layer), Arc::clone(remote));
        let kept = tokio::spawn(async move {
            if let Ok(key) = layer.outline_key().await {
                remote.keep_outline(&key).await;
            }
        });
        session.sharing.wait_for(kept.map(drop).boxed());
    }
}

impl BuildLayer {
    /// A form that can be looked into, and whether it is an outline.
    fn form_or_outline<'a>(&'a self, session: &'a Arc<Session>) -> BoxFuture<'a, Result<(Layer, bool), Arc<BuildError>>> {
        async move {
            if !self.is_here(session).await?
                && let Some(outline) = self.outline.get_or_init(|| self.found_outline(session)).await
            {
                return Ok((outline.clone(), true));
            }
            Ok((self.form(session).await?, false))
        }
        .boxed()
    }

    /// Whether nothing has to be fetched for a form.
    async fn is_here(&self, session: &Session) -> Result<bool, Arc<BuildError>> {
        if self.form.initialized() || self.directory.initialized() || session.store.snapshot(&self.snapshot).is_some() {
            return Ok(true);
        }
        let blob = self.blob().await?;
        Ok(session.blobs.holds(&blob.digest, blob.size))
    }

    /// Stands for the layer on those below it, which decide what its removals remove.
    async fn outline_key(&self) -> Result<StepKey, Arc<BuildError>> {
        let mut diff_ids = Vec::with_capacity(self.below.len() + 1);
        for layer in &self.below {
            diff_ids.push(layer.blob().await?.diff_id.clone());
        }
        diff_ids.push(self.blob().await?.diff_id.clone());
        Ok(KeyBuilder::new("outline").list("layers", diff_ids.iter().map(windlass_core::Digest::as_str)).finish())
    }

    /// What the remote cache tells of the layer.
    async fn found_outline(&self, session: &Arc<Session>) -> Option<Layer> {
        let key = self.outline_key().await.ok()?;
        let Found { record, origin } = session.sharing.find(&key).await?;
        let outline = record.layer.clone().filter(|_| !matches!(origin, Origin::Absent { .. }))?;
        match taken(session, &origin, outline).await {
            Ok(listing) => Some(Layer::listing(listing)),
            Err(error) => {
                session.distrust(&Claim { key, record, origin }, &error);
                None
            }
        }
    }

    async fn offer_outline(&self, session: &Arc<Session>, below: View) -> Result<(), Arc<BuildError>> {
        let key = self.outline_key().await?;
        let Some(remote) = session.sharing.remote() else { return Ok(()) };
        if remote.find(&key).await.is_some() {
            return Ok(());
        }
        let (form, entries, worker) = (self.form(session).await?, self.entries.clone(), Arc::clone(session));
        let outline = session.blocking(move || write(&worker, &form, entries.as_deref(), &below)).await?;
        if let Some(outline) = outline {
            let record = StepRecord { layer: Some(outline), created: session.now(), continues: None };
            remote.learn_outline(&key, &record).await;
        }
        Ok(())
    }
}

/// Fetches an outline and reads it.
async fn taken(session: &Arc<Session>, origin: &Origin, outline: StepLayer) -> Result<Listing, Arc<BuildError>> {
    if outline.size > LARGEST_OUTLINE {
        let message = format!("{} bytes are larger than any outline of a layer, at most {LARGEST_OUTLINE}", outline.size);
        return Err(Arc::new(BuildError::Layer(Problem::new(message))));
    }
    let blob = Descriptor::new(outline.media_type.clone(), outline.digest.clone(), outline.size);
    session.take_from(origin, &blob).await?;
    let worker = Arc::clone(session);
    session.blocking(move || read(&worker, &outline)).await
}

/// Reads an outline that has been fetched.
fn read(session: &Session, outline: &StepLayer) -> Result<Listing, Arc<BuildError>> {
    let file = session.blobs.file(&outline.digest).map_err(failed)?;
    let (listing, diff_id) = windlass_layer::read_outline(session.work.watched(file)).map_err(failed)?;
    check_diff_id(&diff_id, &outline.digest, &outline.diff_id).map_err(|problem| Arc::new(BuildError::Layer(problem)))?;
    Ok(listing)
}

/// Writes the outline of a layer into the store; nothing when it would be too large.
fn write(session: &Session, form: &Layer, entries: Option<&Listing>, below: &View) -> Result<Option<StepLayer>, Arc<BuildError>> {
    let mut writer = session.work.watched(session.blobs.unsummed_writer().map_err(failed)?);
    let written = match (entries, form.snapshot()) {
        (Some(entries), _) => windlass_layer::write_outline(entries.iter().cloned().map(Ok), &mut writer),
        (None, Some(snapshot)) => {
            let entries = windlass_layer::contents(snapshot, below).map_err(failed)?;
            windlass_layer::write_outline(entries, &mut writer)
        }
        (None, None) => return Ok(None),
    };
    let Some(blob) = written.map_err(failed)? else { return Ok(None) };
    writer.into_inner().place(&blob.digest).map_err(failed)?;
    Ok(Some(StepLayer::of(blob, None)))
}
