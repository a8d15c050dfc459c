//! The stages of writing a layer and the threads they run on: one reads, one hashes, several compress, and the caller's
//! own hashes what comes out and writes it in order. The number of blocks in circulation bounds the memory.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use sha2::{Digest as _, Sha256};

use super::blocks::{Block, Blocks, Ship, Stopped};
use super::compress::BlockCompressor;
use super::contents::{Halt, Produce};
use super::{Compression, LayerOptions, WriteError};

/// More threads than this would need more memory than a layer may take.
const MOST_THREADS: usize = 10;

/// What the stages know at the end.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) diff_id: [u8; 32],
    pub(crate) digest: [u8; 32],
    pub(crate) size: u64,
    pub(crate) uncompressed_size: u64,
}

/// The end of the pipeline: hashes and writes compressed blocks.
struct Output<'s> {
    hash: Sha256,
    size: u64,
    sink: &'s mut dyn io::Write,
    compression: Compression,
}

impl<'s> Output<'s> {
    fn new(compression: Compression, sink: &'s mut dyn io::Write) -> Self {
        Self { hash: Sha256::new(), size: 0, sink, compression }
    }

    fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        let bytes = if self.compression == Compression::None {
            block.input()
        } else {
            self.hash.update(&block.output);
            &block.output
        };
        self.size += bytes.len() as u64;
        self.sink.write_all(bytes).map_err(|source| WriteError::Sink { source })
    }

    fn finish(self, diff_id: [u8; 32], uncompressed_size: u64) -> Result<Written, WriteError> {
        self.sink.flush().map_err(|source| WriteError::Sink { source })?;
        let digest = if self.compression == Compression::None { diff_id } else { self.hash.finalize().into() };
        Ok(Written { diff_id, digest, size: self.size, uncompressed_size })
    }
}

/// All stages on the caller's thread, for layers of about one block.
pub(crate) fn write_inline(
    content: impl Produce,
    options: &LayerOptions,
    sink: &mut dyn io::Write,
) -> Result<Written, WriteError> {
    let compressor = BlockCompressor::new(options.compression).map_err(|source| WriteError::Compress { source })?;
    let output = Output::new(options.compression, sink);
    let mut stages = Inline { hash: Sha256::new(), uncompressed_size: 0, compressor, output, failure: None };
    let produced = content.produce(Blocks::new(Block::new(), &mut stages));
    match (produced, stages.failure) {
        (_, Some(failure)) | (Err(Halt::Failed(failure)), None) => Err(failure),
        (Ok(()) | Err(Halt::Stopped), None) => stages.output.finish(stages.hash.finalize().into(), stages.uncompressed_size),
    }
}

struct Inline<'s> {
    hash: Sha256,
    uncompressed_size: u64,
    compressor: BlockCompressor,
    output: Output<'s>,
    failure: Option<WriteError>,
}

impl Ship for Inline<'_> {
    fn ship(&mut self, mut block: Block) -> Result<Block, Stopped> {
        self.hash.update(block.input());
        self.uncompressed_size += block.input().len() as u64;
        let done = self.compressor.compress(&mut block).map_err(|source| WriteError::Compress { source });
        match done.and_then(|()| self.output.write(&block)) {
            Ok(()) => Ok(block),
            Err(failure) => {
                self.failure = Some(failure);
                Err(Stopped)
            }
        }
    }
}

/// The stages on threads of their own.
pub(crate) fn write_threaded(
    content: impl Produce,
    options: &LayerOptions,
    sink: &mut dyn io::Write,
) -> Result<Written, WriteError> {
    let threads = thread_count(options);
    let (to_hash, hashable) = bounded::<Block>(1);
    let (to_compress, compressible) = bounded::<Block>(threads);
    let (to_write, writable) = unbounded::<io::Result<Block>>();
    let (to_reuse, reusable) = unbounded::<Block>();
    thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut line = Line { to_hash, reusable, spare: 2 * threads + 2 };
            content.produce(Blocks::new(Block::new(), &mut line))
        });
        let hasher = scope.spawn(move || hash_all(&hashable, &to_compress));
        for _ in 0..threads {
            let (compressible, to_write) = (compressible.clone(), to_write.clone());
            scope.spawn(move || compress_all(options.compression, &compressible, &to_write));
        }
        drop((compressible, to_write));
        let mut output = Output::new(options.compression, sink);
        let collected = collect(&writable, &to_reuse, &mut output);
        // Ends the other threads, whose next block finds no taker.
        drop((writable, to_reuse));
        let produced = joined(producer.join());
        let (diff_id, uncompressed_size) = joined(hasher.join());
        collected?;
        match produced {
            Err(Halt::Failed(failure)) => Err(failure),
            Ok(()) | Err(Halt::Stopped) => output.finish(diff_id, uncompressed_size),
        }
    })
}

fn thread_count(options: &LayerOptions) -> usize {
    match options.threads {
        0 => thread::available_parallelism().map_or(2, usize::from),
        threads => threads,
    }
    .clamp(1, MOST_THREADS)
}

/// A thread's result; its panic goes on in the caller.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The producer's way to the hasher, and the way back of blocks that have been written.
struct Line {
    to_hash: Sender<Block>,
    reusable: Receiver<Block>,
    /// How many blocks may still be made.
    spare: usize,
}

impl Ship for Line {
    fn ship(&mut self, block: Block) -> Result<Block, Stopped> {
        self.to_hash.send(block).map_err(|_| Stopped)?;
        if let Ok(block) = self.reusable.try_recv() {
            return Ok(block);
        }
        if self.spare > 0 {
            self.spare -= 1;
            return Ok(Block::new());
        }
        self.reusable.recv().map_err(|_| Stopped)
    }
}

fn hash_all(hashable: &Receiver<Block>, to_compress: &Sender<Block>) -> ([u8; 32], u64) {
    let mut hash = Sha256::new();
    let mut size = 0;
    for block in hashable {
        hash.update(block.input());
        size += block.input().len() as u64;
        if to_compress.send(block).is_err() {
            break;
        }
    }
    (hash.finalize().into(), size)
}

fn compress_all(compression: Compression, compressible: &Receiver<Block>, to_write: &Sender<io::Result<Block>>) {
    let mut compressor = match BlockCompressor::new(compression) {
        Ok(compressor) => compressor,
        Err(error) => {
            let _ = to_write.send(Err(error));
            return;
        }
    };
    for mut block in compressible {
        let done = compressor.compress(&mut block).map(|()| block);
        if to_write.send(done).is_err() {
            break;
        }
    }
}

/// Puts the blocks back into their order and writes them.
fn collect(writable: &Receiver<io::Result<Block>>, to_reuse: &Sender<Block>, output: &mut Output<'_>) -> Result<(), WriteError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for block in writable {
        let block = block.map_err(|source| WriteError::Compress { source })?;
        waiting.insert(block.number, block);
        while let Some(block) = waiting.remove(&next) {
            output.write(&block)?;
            next += 1;
            // The producer may have ended already.
            let _ = to_reuse.send(block);
        }
    }
    Ok(())
}
