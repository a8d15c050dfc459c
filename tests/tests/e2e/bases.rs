//! When base images come: from the start where a RUN is certain to need them, and into directories while they arrive.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use windlass_e2e::base_images::{Busybox, digest};
use windlass_e2e::raw_tar::RawTar;
use windlass_e2e::servers::images::Images;
use windlass_e2e::servers::scripted::Response;
use windlass_e2e::{DockerRegistry, Image, Proxy, Workspace, skopeo};

#[test]
fn bases_are_fetched_while_other_stages_run_unless_a_cache_may_do_without() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = Busybox::default().push(&registry, "base:1");
    let (own, arrived) = (Arc::new(OnceLock::<String>::new()), Arc::new(AtomicBool::new(false)));
    let proxy = Proxy::before(registry.host(), {
        let (own, arrived) = (Arc::clone(&own), Arc::clone(&arrived));
        move |request| {
            if request.method == "GET" && own.get().is_some_and(|digest| request.target.ends_with(digest)) {
                arrived.store(true, Ordering::SeqCst);
            }
            (request.target == "/arrived").then(|| {
                let status = if arrived.load(Ordering::SeqCst) { 200 } else { 404 };
                Response::json(status, "{}")
            })
        }
    });
    // A base with a layer that no other image has.
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo other > /other\n"));
    let other = format!("{}/other:1", registry.host());
    workspace.windlass(["build", ".", "--push", "-t", &other, "--store", "elsewhere"]).run().succeeds();
    let manifest = skopeo::raw(&format!("docker://{other}"));
    own.set(manifest["layers"][1]["digest"].as_str().unwrap().to_owned()).unwrap();
    // The first stage ends only when the base of the second one has been asked for.
    let ask = format!("busybox wget -q -O /dev/null http://{}/arrived", proxy.host());
    let dockerfile = format!(
        "FROM {base} AS first\n\
         RUN --network=host n=0; until {ask}; do n=$((n+1)); test $n -lt 300 || exit 1; sleep 0.1; done; echo one > /first\n\
         FROM {}/other:1\nCOPY --from=first /first /\nRUN cat /other /first > /both\n",
        proxy.host()
    );
    workspace.write("Dockerfile", dockerfile);
    let name = format!("{}/app:1", registry.host());
    let build = |more: &[&str]| workspace.windlass(["build", ".", "--push", "-t", &name]).args(more).run().succeeds();
    build(&["--store", "first"]);
    assert!(arrived.load(Ordering::SeqCst));
    assert_eq!(Image::read(&format!("docker://{name}"), None).text("both"), "other\none\n");
    build(&["--store", "first", "--cache-to", "type=local,dest=cache,mode=max"]);
    arrived.store(false, Ordering::SeqCst);
    // A store that is as empty takes all steps from the cache, and the base from nowhere.
    build(&["--store", "second", "--cache-from", "type=local,src=cache"]);
    assert!(!arrived.load(Ordering::SeqCst), "a base was fetched that nothing runs on");
}

#[test]
fn a_layer_is_unpacked_while_it_comes_in() {
    let workspace = Workspace::new();
    let mut images = Images::new();
    let layer = RawTar::new().directory("./").file("first", &vec![7; 8 << 20]).file("second", b"2").end();
    images.image("1", std::slice::from_ref(&layer));
    let (store, was_early) = (workspace.path("store"), Arc::new(AtomicBool::new(false)));
    let server = images.serve_with({
        let was_early = Arc::clone(&was_early);
        move |request, mut stream: &TcpStream| {
            if !request.target.ends_with(&digest(&layer)) {
                return Ok(false);
            }
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", layer.len())?;
            let (now, later) = layer.split_at(layer.len() / 2);
            stream.write_all(now)?;
            // The rest comes when the beginning stands in a directory, or will not do so any more.
            for _ in 0..300 {
                if find(&store, "first").is_some() {
                    was_early.store(true, Ordering::SeqCst);
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            stream.write_all(later)?;
            Ok(true)
        }
    });
    workspace.write("Dockerfile", format!("FROM {}/base:1\nCOPY Dockerfile /third\n", server.host()));
    workspace.windlass(["build", ".", "--output", "out", "--store", "store"]).run().succeeds();
    assert!(was_early.load(Ordering::SeqCst), "nothing of the layer was there before all of it was");
    assert_eq!(workspace.read("out/second"), "2");
    assert!(workspace.has("out/third"));
}

/// A file of that name anywhere below.
fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    entries.map(|entry| entry.path()).find_map(|path| match path.is_dir() {
        true => find(&path, name),
        false => (path.file_name()? == name).then_some(path),
    })
}
