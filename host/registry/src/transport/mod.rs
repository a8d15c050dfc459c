//! HTTP, as registries need it: who is asked, over what connection, with which patience.

pub(crate) mod body;
pub(crate) mod clients;
pub(crate) mod endpoint;
pub(crate) mod fault;
pub(crate) mod host;
pub(crate) mod payload;
pub(crate) mod redirect;
pub(crate) mod retry;
pub(crate) mod route;
pub(crate) mod tls;
