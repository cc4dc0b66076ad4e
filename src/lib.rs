//! Keeps a Plesk mail server in the state that a TOML manifest declares.

pub mod capability;
pub mod cli;
pub mod edit;
pub mod engine;
pub mod facts;
pub mod failure;
pub mod firewall;
pub mod host;
pub mod limits;
pub mod manifest;
pub mod model;
pub mod panel_access;
pub mod plan;
pub mod report;
