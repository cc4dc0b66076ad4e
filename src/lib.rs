//! Keeps a Plesk mail server in the state that a TOML manifest declares.

pub mod edit;
pub mod failure;
pub mod manifest;
pub mod host;
pub mod model;
pub mod report;
