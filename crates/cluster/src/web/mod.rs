//! What the master and agents have in common as web servers: bodies, methods, forms, compression, the machine they are on.

pub(crate) mod body;
pub(crate) mod form;
pub(crate) mod gzip;
pub(crate) mod method;
pub(crate) mod system;
