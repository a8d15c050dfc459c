//! A registry of images made by hand, right or wrong in any part, which answers what a test lets it answer.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::scripted::{Request, Response, Scripted, respond};
use crate::base_images::{architecture, digest};

/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer that is not compressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Images, by what a request for them ends with.
#[derive(Debug, Clone, Default)]
pub struct Images {
    documents: BTreeMap<String, (String, Vec<u8>)>,
}

impl Images {
    /// No images.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a blob and gives its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.documents.insert(format!("/blobs/{digest}"), ("application/octet-stream".to_owned(), bytes.to_vec()));
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Keeps a manifest or index under its digest, and under `tag`, and gives its descriptor.
    pub fn manifest(&mut self, tag: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        for name in [tag, &digest] {
            self.documents.insert(format!("/manifests/{name}"), (media_type.to_owned(), bytes.to_vec()));
        }
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Keeps an honest image of these archives under `tag`.
    pub fn image(&mut self, tag: &str, layers: &[Vec<u8>]) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        self.assemble(tag, &config(&diff_ids), &layers)
    }

    /// Keeps an image with any configuration and any layers under `tag`.
    pub fn assemble(&mut self, tag: &str, config: &Value, layers: &[Value]) -> Value {
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.manifest(tag, MANIFEST, manifest.to_string().as_bytes())
    }

    /// What is answered to `request`, were all honest.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        if path == "/v2/" {
            return Response::json(200, "{}");
        }
        let Some((_, (media_type, bytes))) = self.documents.iter().find(|(name, _)| path.ends_with(name.as_str())) else {
            return Response::json(404, r#"{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}"#);
        };
        let mut headers = vec![("content-type".to_owned(), media_type.clone())];
        headers.push(("docker-content-digest".to_owned(), digest(bytes)));
        let mut body = bytes.clone();
        if request.method == "HEAD" {
            headers.push(("content-length".to_owned(), bytes.len().to_string()));
            body.clear();
        }
        Response { status: 200, headers, body }
    }

    /// Starts the registry.
    #[must_use]
    pub fn serve(self) -> Scripted {
        Scripted::start(move |request| self.answer(request))
    }

    /// Starts the registry; what `fault` answers itself with `true` is not answered by it.
    #[must_use]
    pub fn serve_with(self, fault: impl Fn(&Request, &TcpStream) -> std::io::Result<bool> + Send + Sync + 'static) -> Scripted {
        Scripted::wire(move |request, stream| match fault(request, stream)? {
            true => Ok(()),
            false => respond(&self.answer(request), stream),
        })
    }
}

/// A configuration for these layers.
#[must_use]
pub fn config(diff_ids: &[String]) -> Value {
    json!({
        "architecture": architecture(), "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}
