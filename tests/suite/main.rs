//! The one test binary: every module is a group of cases against the public library or the built program.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod manifest;
mod manifest_docs;
mod manifest_properties;
mod manifest_schema;
