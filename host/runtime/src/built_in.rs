//! Plugins that are part of the program.

/// A plugin that was compiled when the program was built.
#[derive(Clone, Copy)]
pub struct BuiltIn {
    /// Its name, which must be the one that it gives itself.
    pub name: &'static str,
    /// The SHA-256 digest of its component, 64 lower-case hexadecimal digits.
    pub wasm_sha256: &'static str,
    /// Its native code, as `windlass-precompile` made it.
    pub cwasm: &'static [u8],
}

impl std::fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltIn").field("name", &self.name).field("wasm_sha256", &self.wasm_sha256).finish_non_exhaustive()
    }
}
