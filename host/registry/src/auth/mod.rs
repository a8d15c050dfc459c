//! Authentication as registries demand it: RFC 7617 (Basic), and the distribution project's token specification
//! (Bearer).

mod challenge;
mod grant;
mod token;

pub(crate) use grant::{Asked, Grant, Grants, unauthorized};
