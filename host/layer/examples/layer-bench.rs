//! Measures the crate on a tree like a large context, or on a given layer: `layer-bench DIRECTORY [LAYER]`.
//!
//! DIRECTORY, on the disk to be measured, is filled with 20,000 files of 200 MB in all unless it is there, and is used for
//! what the measurements write. Without LAYER, the layer that the first measurement wrote is unpacked.

#![expect(clippy::print_stdout, reason = "a program that prints its results")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use windlass_layer::{
    Compression, Entry, Layer, LayerOptions, Snapshot, SnapshotFormat, UnpackOptions, View, diff, materialise, unpack,
    write_layer,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let root = arguments.next().ok_or("usage: layer-bench DIRECTORY [LAYER]")?;
    let context = Snapshot::open(root.join("context"), SnapshotFormat::default());
    if !context.root().exists() {
        Snapshot::create(context.root(), context.format())?;
        fill(&context.files())?;
    }
    let entries = timed("walk", || Ok(View::new(vec![Layer::directory(&context)?]).entries().collect::<Result<Vec<_>, _>>()?))?;
    for (name, compression) in
        [("none", Compression::None), ("gzip-1", Compression::Gzip { level: 1 }), ("zstd-1", Compression::Zstd { level: 1 })]
    {
        timed(&format!("write_layer {name}"), || write(&entries, compression, &root.join(name)))?;
    }
    let layer = arguments.next().unwrap_or_else(|| root.join("gzip-1"));
    // Removed at the end only: ext4 looks long for inodes that were not freed within the last seconds.
    let unpacked = Snapshot::create(root.join("unpacked"), SnapshotFormat::default())?;
    timed("unpack", || Ok(unpack(File::open(&layer)?, &unpacked, &UnpackOptions::default())?))?;
    let copied = Snapshot::create(root.join("copied"), SnapshotFormat::default())?;
    timed("materialise", || Ok(materialise(&entries, &copied, None)?))?;
    timed("diff", || Ok(diff(&unpacked, &View::empty(), &[])?.count()))?;
    std::fs::remove_dir_all(unpacked.root())?;
    std::fs::remove_dir_all(copied.root())?;
    Ok(())
}

fn timed<T>(name: &str, work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let (start, busy) = (Instant::now(), processor_seconds());
    let result = work()?;
    let (wall, busy) = (start.elapsed().as_secs_f64(), processor_seconds() - busy);
    println!("{name:20} {:8.1} ms, {:8.1} ms of processor time", wall * 1000.0, busy * 1000.0);
    Ok(result)
}

/// What all threads have used so far, which other programs on the machine disturb less than the wall clock.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn write(entries: &[Entry], compression: Compression, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let layer = write_layer(entries, &LayerOptions { compression, ..LayerOptions::default() }, &mut file)?;
    file.flush()?;
    println!("{:20} {:8.1} MB of {:.1} MB", "", layer.size as f64 / 1e6, layer.uncompressed_size as f64 / 1e6);
    Ok(())
}

/// 200 directories of 100 files of 10 kB, which compress about as source code does.
fn fill(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut state = 1u64;
    for directory in 0..200 {
        let directory = root.join(format!("directory-{directory:03}"));
        std::fs::create_dir(&directory)?;
        for number in 0..100 {
            let mut text = Vec::with_capacity(10_100);
            while text.len() < 10_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let word = (state >> 33) % 4096;
                text.extend_from_slice(format!("{:x}word{} ", word * 7919, word % 61).as_bytes());
            }
            std::fs::write(directory.join(format!("file-{number:03}.txt")), &text)?;
        }
    }
    Ok(())
}
