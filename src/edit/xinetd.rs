//! xinetd's configuration: read with xinetd's own meaning, edited without losing a byte.
//!
//! [`Config::read`] says what the daemon makes of a set of files: which services it offers, which limits are in force and
//! which line each comes from, and every line, service and file that it does not take as written. [`ensure`] changes one
//! attribute in one block. Nothing here reads a file; the caller brings a [`Tree`].
//!
//! The meaning is that of xinetd 2.3.15.3 (Debian, openSUSE). The original 2.3.14 and 2.3.15 differ in reading on behind
//! `disable = yes`, which matters where `enabled` names the service ([`ProblemKind::BuildsDiffer`]); very old ones have
//! the INTERNAL services `servers`, `services` and `xadmin`, which count as [`ProblemKind::NotBuiltIn`].
//!
//! What only the host can tell counts as fine: whether a server, user, group, protocol, address or a name in
//! `/etc/services` exists, and whether an address is free. A service whose port is only in `/etc/services` is a
//! duplicate of one with the same name, never of one with a number. Two `dgram` services on one port count as
//! duplicates, although Linux lets both listen.
//!
//! A file whose last line is a bare word in a block makes xinetd scan the heap behind its buffer, and write there: such a
//! configuration [is unforeseeable](Config::is_unforeseeable), and nothing that is said of it is certain.

mod attribute;
mod config;
pub mod dump;
mod ensure;
mod file;
mod parser;
mod problem;
mod reader;
mod reading;
mod services;
mod style;
mod tree;

pub use attribute::Attribute;
pub use config::{Assignment, At, Config, Defaults, Effective, ServiceEntry, ServiceState, Source};
pub use ensure::{BlockRef, Refusal, ensure, ensure_defaults_block};
pub use file::File;
pub use problem::{Effect, Problem, ProblemKind};
pub use reader::Operator;
pub use tree::{Entry, Tree, Wanted};
