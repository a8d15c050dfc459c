//! Free ports.

use std::net::TcpListener;

/// A port of 127.0.0.1 that nothing listens on. Another process may take it before it is used, so whoever starts a server there
/// tries again with another one.
#[must_use]
pub fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// `127.0.0.1:PORT`, where nothing listens.
#[must_use]
pub fn nobody_there() -> String {
    format!("127.0.0.1:{}", free())
}
