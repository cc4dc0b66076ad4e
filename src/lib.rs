//! Keeps a Plesk mail server in the state that a TOML manifest declares.

pub mod access;
pub mod apply;
pub mod cli;
pub mod edit;
pub mod facts;
pub mod failure;
pub mod host;
pub mod limits;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod panel_access;
pub mod plan;
pub mod report;
