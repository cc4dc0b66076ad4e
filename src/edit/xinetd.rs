//! xinetd's configuration: read with xinetd's own meaning, edited without losing a byte.
//!
//! [`Config::read`] says what the daemon makes of a set of files: which services it offers, which limits are in force and
//! which line each comes from, and every line, service and file that it does not take as written. [`ensure`] changes one
//! attribute in one block. Nothing here reads a file; the caller brings a [`Tree`].
//!
//! The meaning is that of xinetd 2.3.14 to 2.3.15.4, as their sources have it; where these differ ([`Change`]), that of
//! the version in [`Host`], and without one that of 2.3.15.3, with a [`Doubt`]. Very old ones have the INTERNAL services
//! `servers`, `services` and `xadmin`, which count as [`ProblemKind::NotBuiltIn`].
//!
//! What only the host can tell (whether a server, user, group, protocol or a name in `/etc/services` exists) is asked of
//! [`Host`]. What that does not know counts as fine, and is a [`Doubt`] of the service.
//!
//! A file whose last line is a bare word in a block makes xinetd scan the heap behind its buffer, and write there: such a
//! configuration [is unforeseeable](Config::is_unforeseeable), and nothing that is said of it is certain.

mod attribute;
mod config;
pub mod dump;
mod ensure;
mod file;
mod host;
mod parser;
mod problem;
mod reader;
mod reading;
mod services;
mod style;
mod tree;

pub use attribute::{Attribute, Documented, Place, attributes, words};
pub use config::{Assignment, At, Config, Defaults, Effective, ServiceEntry, ServiceState, Source};
pub use ensure::{BlockRef, Refusal, ensure, ensure_defaults_block};
pub use file::File;
pub use host::{Change, Databases, Host, Sources, Standing, Version};
pub use problem::{Doubt, Effect, Problem, ProblemKind};
pub use reader::Operator;
pub use services::{Fit, Socket, built_in};
pub use tree::{Entry, Tree, Wanted};
