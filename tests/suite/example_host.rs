//! The host tree of `examples/office`: its stand-ins, driven directly, do what the real programs do.
//!
//! Each case runs with dash and Debian's tools, and again with nothing but busybox. mailward itself has no
//! part here.

mod files;
mod filter;
mod harness;
mod listeners;
mod oracle;
mod panel;
mod xinetd;
