//! Keeps a Plesk mail server in the state that a TOML manifest declares.

pub mod edit;
pub mod failure;
pub mod host;
pub mod model;
