//! Buffers that are used again, by whichever stream comes next.
//!
//! Each stream has threads of its own. What one of them allocates, others free once it has ended, and allocators are slow to
//! take that back: without this, hundreds of layers would cost as much memory as if all were open at the same time.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// The size of a buffer in bytes.
pub(super) const SIZE: usize = 256 << 10;
/// How many are kept for later.
const MOST_SPARE: usize = 48;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes in a buffer that goes back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// A buffer of [`SIZE`] bytes, whatever they are.
    pub(super) fn full() -> Self {
        let mut bytes = spare().pop().unwrap_or_default();
        bytes.resize(SIZE, 0);
        Self(bytes)
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() == SIZE {
            let mut spare = spare();
            if spare.len() < MOST_SPARE {
                spare.push(std::mem::take(&mut self.0));
            }
        }
    }
}

fn spare() -> std::sync::MutexGuard<'static, Vec<Vec<u8>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}
