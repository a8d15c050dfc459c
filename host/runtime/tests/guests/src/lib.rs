//! Plugins that behave and misbehave on demand, for the tests of `windlass-runtime`; each is an example of this package.
