//! How the result of a step is written down as an image.

use std::collections::BTreeMap;

use jiff::Timestamp;
use windlass_builder::store::{StepKey, StepLayer, StepRecord};
use windlass_core::{Digest, Platform};
use windlass_registry::image::{Compression, Descriptor, Document, Format, ImageConfig, Manifest, RootFs};
use windlass_registry::sha256;

/// The form of an entry; a reader ignores every other one.
const VERSION_1: &str = "1";
const VERSION: &str = "dev.windlass.cache.version";
/// The step's key: an entry that was put under another tag does not count.
const KEY: &str = "dev.windlass.cache.key";
/// When the step was carried out, in RFC 3339.
const MADE: &str = "dev.windlass.cache.made";
/// The time that stands in images for that, in RFC 3339: it may have been set to an earlier one.
const CREATED: &str = "dev.windlass.cache.created";
/// What the layer unpacks to; absent where the step changed nothing.
const DIFF_ID: &str = "dev.windlass.cache.diff-id";
/// How large the layer is when unpacked, in bytes.
const UNCOMPRESSED_SIZE: &str = "dev.windlass.cache.uncompressed-size";
/// The key that later steps build on, where it is another one.
const CONTINUES: &str = "dev.windlass.cache.continues";

/// A gzip of an empty tar archive: registries want an image to have a layer.
pub(crate) const EMPTY_LAYER: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x09, 0x6e, 0x88, 0x00, 0xff, 0x62, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x58, 0x00, 0x08, 0x00,
    0x00, 0xff, 0xff, 0x2e, 0xaf, 0xb5, 0xef, 0x00, 0x04, 0x00, 0x00,
];
const EMPTY_DIFF_ID: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// What an entry says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What the step made. No snapshot is named: those are the store's.
    pub(crate) record: StepRecord,
    /// When the step was carried out.
    pub(crate) made: Timestamp,
}

/// An entry as it is pushed.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    pub(crate) layer: Descriptor,
    pub(crate) config: Vec<u8>,
    pub(crate) config_descriptor: Descriptor,
}

/// Writes down what a step made.
pub(crate) fn write(key: &StepKey, record: &StepRecord, made: Timestamp) -> Written {
    let mut annotations = BTreeMap::new();
    let mut note = |name: &str, value: String| annotations.insert(name.to_owned(), value);
    note(VERSION, VERSION_1.to_owned());
    note(KEY, key.to_string());
    note(MADE, made.to_string());
    note(CREATED, record.created.clone());
    record.continues.iter().for_each(|key| drop(note(CONTINUES, key.to_string())));
    let (layer, diff_id) = match &record.layer {
        Some(layer) => {
            note(DIFF_ID, layer.diff_id.to_string());
            note(UNCOMPRESSED_SIZE, layer.uncompressed_size.to_string());
            (Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size), layer.diff_id.clone())
        }
        None => empty_layer(),
    };
    let platform = Platform::host();
    let config = ImageConfig {
        architecture: platform.architecture().to_owned(),
        os: platform.os().to_owned(),
        rootfs: RootFs { diff_ids: vec![diff_id], ..RootFs::default() },
        ..ImageConfig::default()
    };
    let config = config.to_json();
    let config_descriptor = Descriptor::new(Format::Oci.config(), sha256(&config), config.len() as u64);
    let manifest = Manifest::image(Format::Oci, &config_descriptor, std::slice::from_ref(&layer), annotations);
    Written { manifest, layer, config, config_descriptor }
}

/// What [`EMPTY_LAYER`] is, and what it unpacks to.
pub(crate) fn empty_layer() -> (Descriptor, Digest) {
    let media_type = Format::Oci.layer(Compression::Gzip);
    let layer = Descriptor::new(media_type, sha256(EMPTY_LAYER), EMPTY_LAYER.len() as u64);
    (layer, Digest::parse(EMPTY_DIFF_ID).expect("the digest is one"))
}

/// Reads an entry that was found under `key`.
///
/// # Errors
/// Why it is none.
pub(crate) fn read(manifest: &Manifest, key: &StepKey) -> Result<Entry, String> {
    let document = manifest.document().map_err(|error| windlass_core::chain(&error))?;
    let Document::Image(image) = document else { return Err("it is an index, and no image".to_owned()) };
    let annotation = |name: &str| image.annotations.get(name).map(String::as_str);
    match annotation(VERSION) {
        Some(VERSION_1) => {}
        Some(other) => return Err(format!("its version `{}` is not known", other.escape_debug())),
        None => return Err(format!("it has no annotation `{VERSION}`")),
    }
    if annotation(KEY) != Some(key.to_string().as_str()) {
        return Err("it belongs to another step".to_owned());
    }
    let time = |name: &str| annotation(name).and_then(|text| text.parse::<Timestamp>().ok()).ok_or_else(|| wrong(name));
    let continues = match annotation(CONTINUES) {
        Some(text) => Some(StepKey::parse(text).ok_or_else(|| wrong(CONTINUES))?),
        None => None,
    };
    let [blob] = image.layers.as_slice() else { return Err(format!("it has {} layers, expected one", image.layers.len())) };
    let layer = match annotation(DIFF_ID) {
        None if blob.digest == sha256(EMPTY_LAYER) => None,
        None => return Err(wrong(DIFF_ID)),
        Some(text) => Some(layer(blob, text, annotation(UNCOMPRESSED_SIZE))?),
    };
    Ok(Entry { record: StepRecord { layer, created: time(CREATED)?.to_string(), continues }, made: time(MADE)? })
}

fn layer(blob: &Descriptor, diff_id: &str, uncompressed_size: Option<&str>) -> Result<StepLayer, String> {
    let Some(compression) = Compression::of_layer(&blob.media_type) else {
        return Err(format!("`{}` is not the media type of a layer", blob.media_type.escape_debug()));
    };
    let uncompressed_size: u64 = uncompressed_size.and_then(|text| text.parse().ok()).ok_or_else(|| wrong(UNCOMPRESSED_SIZE))?;
    if blob.size == 0 || (compression == Compression::None && blob.size != uncompressed_size) {
        return Err(format!("a layer of {} bytes does not unpack to {uncompressed_size}", blob.size));
    }
    Ok(StepLayer {
        diff_id: Digest::parse(diff_id).map_err(|_| wrong(DIFF_ID))?,
        digest: blob.digest.clone(),
        size: blob.size,
        uncompressed_size,
        media_type: blob.media_type.clone(),
        snapshot: None,
    })
}

fn wrong(annotation: &str) -> String {
    format!("its annotation `{annotation}` is missing or makes no sense")
}

#[cfg(test)]
mod tests {
    use windlass_builder::store::KeyBuilder;

    use super::*;

    fn key() -> StepKey {
        KeyBuilder::new("run").finish()
    }

    fn record() -> StepRecord {
        let layer = StepLayer {
            diff_id: Digest::from_sha256([1; 32]),
            digest: Digest::from_sha256([2; 32]),
            size: 300,
            uncompressed_size: 1024,
            media_type: Format::Oci.layer(Compression::Gzip).to_owned(),
            snapshot: None,
        };
        StepRecord { layer: Some(layer), created: "2026-01-02T03:04:05Z".to_owned(), continues: None }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let now = Timestamp::now();
        let other = Some(KeyBuilder::new("copy").finish());
        for record in [record(), StepRecord { layer: None, ..record() }, StepRecord { continues: other, ..record() }] {
            let written = write(&key(), &record, now);
            assert_eq!(read(&written.manifest, &key()), Ok(Entry { record, made: now }));
        }
    }

    #[test]
    fn the_empty_layer_unpacks_to_what_its_configuration_says() {
        let found = windlass_layer::diff_id(EMPTY_LAYER, windlass_layer::Limits::default()).unwrap();
        assert_eq!(found.as_str(), EMPTY_DIFF_ID);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let text = String::from_utf8(write(&key(), &record(), Timestamp::now()).manifest.bytes().to_vec()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let manifest = Manifest::new(text.replacen(from, to, 1), None).unwrap();
            read(&manifest, &key()).unwrap_err()
        };
        assert!(changed(r#"cache.version":"1""#, r#"cache.version":"2""#).contains("version"));
        assert!(changed(&key().to_string(), &KeyBuilder::new("x").finish().to_string()).contains("another step"));
        assert!(changed("tar+gzip", "something").contains("media type"));
        assert!(changed(r#""size":300"#, r#""size":0"#).contains("0 bytes"));
        assert!(changed(r#"uncompressed-size":"1024""#, r#"uncompressed-size":"-1""#).contains("uncompressed-size"));
        assert!(changed("cache.created", "cache.creator").contains("created"));
        assert!(changed("cache.diff-id", "cache.no-id").contains("diff-id"));
        assert!(read(&Manifest::index(Format::Oci, &[], BTreeMap::new()), &key()).unwrap_err().contains("index"));
    }
}
