//! The allocator, and how it gives memory back.
#![expect(unsafe_code, reason = "the allocator's options are set by a function of C")]

use std::ffi::{c_int, c_long};

/// The allocator of musl takes a lock for every allocation, which threads that compress wait for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, in milliseconds.
const PURGE_DELAY: c_int = 15;

/// Lets what is freed go back to the system at once. It would stay for a second; one large buffer after another, such as the
/// dictionaries of xz streams, would then take the memory of all.
pub(crate) fn give_back_at_once() {
    const AT_ONCE: c_long = 0;
    // SAFETY: it stores a number in an option, which may be done at any time (mimalloc.h, "Runtime options").
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, AT_ONCE) }
}
