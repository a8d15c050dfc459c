//! A cache as an image: records of steps stand in its configuration, and their layers are among its own.
//!
//! ```text
//! "dev.windlass.cache.v1": [{"key", "created", "continues"?, "layer"?: {"diffId", "size", "blob"?}}, …]
//! ```
//!
//! A record names its layer by what it unpacks to; the manifest has the blob in the same place as the configuration has that
//! `diff_id`, so an image that is compressed anew stays a cache. `blob` tells of one that the image does not have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_builder::store::{StepKey, StepLayer, StepRecord};
use windlass_core::Digest;
use windlass_registry::image::{Compression, Descriptor, RootFs};

/// More records than any build has steps.
pub(crate) const MOST_RECORDS: usize = 20_000;

/// Results of steps by their keys.
pub(crate) type Results = BTreeMap<StepKey, StepRecord>;

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    key: StepKey,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    continues: Option<StepKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<LayerRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayerRow {
    diff_id: Digest,
    /// What it unpacks to, in bytes.
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<BlobRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobRow {
    digest: Digest,
    size: u64,
    media_type: String,
}

/// What a reader needs of a configuration.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    rootfs: RootFs,
    /// Under [`windlass_builder::execute::CACHE_FIELD`].
    #[serde(rename = "dev.windlass.cache.v1")]
    records: Option<Vec<Row>>,
}

/// A result that an image tells of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) record: StepRecord,
    /// Whether the layer, where there is one, is among those of the image.
    pub(crate) has_layer: bool,
}

/// What goes into the configuration of an image with the layers `diff_ids`.
pub(crate) fn write(results: &Results, diff_ids: &[Digest]) -> Value {
    let rows: Vec<Row> = results.iter().map(|(key, record)| row(*key, record.clone(), diff_ids)).collect();
    serde_json::to_value(rows).expect("strings and numbers are always JSON")
}

fn row(key: StepKey, record: StepRecord, diff_ids: &[Digest]) -> Row {
    let layer = record.layer.map(|layer| {
        let is_there = diff_ids.contains(&layer.diff_id);
        let blob = BlobRow { digest: layer.digest, size: layer.size, media_type: layer.media_type };
        LayerRow { diff_id: layer.diff_id, size: layer.uncompressed_size, blob: (!is_there).then_some(blob) }
    });
    Row { key, created: record.created, continues: record.continues, layer }
}

/// Reads the records of an image with that configuration and those layers; `None` when it has none.
///
/// # Errors
/// Why they are of no use.
pub(crate) fn read(config: &[u8], layers: &[Descriptor]) -> Result<Option<BTreeMap<StepKey, Told>>, String> {
    let config: Config = serde_json::from_slice(config).map_err(|error| format!("its configuration makes no sense: {error}"))?;
    let Some(rows) = config.records else { return Ok(None) };
    if rows.len() > MOST_RECORDS {
        return Err(format!("it has {} records, at most {MOST_RECORDS} are read", rows.len()));
    }
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != layers.len() {
        return Err(format!("its manifest has {} layers, and its configuration {}", layers.len(), diff_ids.len()));
    }
    // Of two layers with the same content, the first.
    let present: BTreeMap<&Digest, &Descriptor> = diff_ids.iter().zip(layers).rev().collect();
    rows.into_iter().map(|row| told(row, &present)).collect::<Result<_, _>>().map(Some)
}

fn told(row: Row, present: &BTreeMap<&Digest, &Descriptor>) -> Result<(StepKey, Told), String> {
    let created: jiff::Timestamp = row.created.parse().map_err(|_| format!("the record {} has no time", row.key))?;
    let (mut layer, mut has_layer) = (None, false);
    if let Some(LayerRow { diff_id, size, blob }) = row.layer {
        let found = present.get(&diff_id).map(|blob| BlobRow {
            digest: blob.digest.clone(),
            size: blob.size,
            media_type: blob.media_type.clone(),
        });
        has_layer = found.is_some();
        let blob = found.or(blob).ok_or_else(|| format!("the layer of the record {} is not in it", row.key))?;
        if Compression::of_layer(&blob.media_type).is_none() || blob.size == 0 {
            return Err(format!("`{}` of {} bytes is no layer", blob.media_type.escape_debug(), blob.size));
        }
        layer = Some(StepLayer {
            diff_id,
            digest: blob.digest,
            size: blob.size,
            uncompressed_size: size,
            media_type: blob.media_type,
            snapshot: None,
        });
    }
    let record = StepRecord { layer, created: created.to_string(), continues: row.continues };
    Ok((row.key, Told { record, has_layer }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_builder::execute::CACHE_FIELD;
    use windlass_builder::store::KeyBuilder;
    use windlass_registry::image::{Format, ImageConfig};

    use super::*;

    const CREATED: &str = "2026-01-02T03:04:05Z";

    fn key(name: &str) -> StepKey {
        KeyBuilder::new(name).finish()
    }

    fn blob(byte: u8) -> Descriptor {
        Descriptor::new(Format::Oci.layer(Compression::Gzip), Digest::from_sha256([byte; 32]), 300)
    }

    fn record(byte: u8, continues: Option<StepKey>) -> StepRecord {
        let layer = StepLayer {
            diff_id: Digest::from_sha256([byte + 100; 32]),
            digest: blob(byte).digest,
            size: 300,
            uncompressed_size: 1024,
            media_type: blob(byte).media_type,
            snapshot: None,
        };
        StepRecord { layer: Some(layer), created: CREATED.to_owned(), continues }
    }

    fn config(results: &Results, diff_ids: Vec<Digest>) -> Vec<u8> {
        let mut config =
            ImageConfig { rootfs: RootFs { diff_ids: diff_ids.clone(), ..RootFs::default() }, ..ImageConfig::default() };
        config.other.insert(CACHE_FIELD.to_owned(), write(results, &diff_ids));
        config.to_json()
    }

    #[test]
    fn what_is_written_is_read_back_with_the_layers_that_the_image_has() {
        let nothing = StepRecord { layer: None, created: CREATED.to_owned(), continues: None };
        let results: Results =
            [(key("a"), record(1, None)), (key("b"), record(2, Some(key("c")))), (key("n"), nothing.clone())].into();
        let there = vec![Digest::from_sha256([9; 32]), Digest::from_sha256([101; 32])];
        let told = read(&config(&results, there), &[blob(9), blob(7)]).unwrap().unwrap();
        // Compressed anew, the layer has another digest.
        let mut anew = record(1, None);
        anew.layer.as_mut().unwrap().digest = blob(7).digest;
        assert_eq!(told[&key("a")], Told { record: anew, has_layer: true });
        assert_eq!(told[&key("b")], Told { record: record(2, Some(key("c"))), has_layer: false });
        assert_eq!(told[&key("n")], Told { record: nothing, has_layer: false });
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_what_is_no_cache_is_none() {
        let refused = |config: Value, layers: &[Descriptor]| read(config.to_string().as_bytes(), layers).unwrap_err();
        assert_eq!(read(br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#, &[blob(1)]), Ok(None));
        assert!(read(b"{", &[]).unwrap_err().contains("makes no sense"));
        let field = |rows: Value| json!({CACHE_FIELD: rows});
        assert!(refused(field(json!([])), &[blob(1)]).contains("1 layers"));
        assert!(refused(field(json!([{"key": "../x", "created": CREATED}])), &[]).contains("makes no sense"));
        let named = |layer: Value| field(json!([{"key": key("a"), "created": CREATED, "layer": layer}]));
        let diff_id = Digest::from_sha256([1; 32]);
        assert!(refused(named(json!({"diffId": diff_id, "size": 1})), &[]).contains("not in it"));
        let strange = json!({"diffId": diff_id, "size": 1, "blob": {"digest": diff_id, "size": 1, "mediaType": "text/plain"}});
        assert!(refused(named(strange), &[]).contains("no layer"));
        assert!(refused(field(json!([{"key": key("a"), "created": "today"}])), &[]).contains("no time"));
        let many: Vec<Value> = vec![json!({"key": key("a"), "created": CREATED}); MOST_RECORDS + 1];
        assert!(refused(field(many.into()), &[]).contains("at most"));
    }
}
