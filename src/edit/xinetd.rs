//! xinetd's configuration: read with xinetd's own meaning, edited without losing a byte.
//!
//! [`XinetdConfig::read`] says what the daemon makes of a set of files: which services it offers, which
//! limits are in force and which line each comes from, and every line, service and file that it does not take
//! as written. [`ensure`] changes one attribute in one block. Nothing here reads a file; the caller brings a
//! [`FileTree`].
//!
//! The meaning is that of xinetd 2.3.14 to 2.3.15.4, as their sources have it; where these differ
//! ([`VersionChange`]), that of the version in [`XinetdHost`], and without one that of 2.3.15.3, with a
//! [`XinetdDoubt`]. Very old ones have the INTERNAL services `servers`, `services` and `xadmin`, which count
//! as [`XinetdProblemKind::NotBuiltIn`].
//!
//! What only the host can tell (whether a server, user, group, protocol or a name in `/etc/services` exists)
//! is asked of [`XinetdHost`]. What that does not know counts as fine, and is a [`XinetdDoubt`] of the
//! service.
//!
//! A file whose last line is a bare word in a block makes xinetd scan the heap behind its buffer, and write
//! there: such a configuration [is unforeseeable](XinetdConfig::is_unforeseeable), and nothing that is said
//! of it is certain.

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

pub use attribute::{Attribute, AttributePlace, DocumentedAttribute, attributes, words};
pub use config::{
    AttributeAssignment, EffectiveValue, FilePosition, ServiceEntry, ServiceState, ValueSource, XinetdConfig,
    XinetdDefaults,
};
pub use ensure::{BlockRef, XinetdRefusal, ensure, ensure_defaults_block};
pub use file::XinetdFile;
pub use host::{NameDatabases, NameFiles, PathStanding, VersionChange, XinetdHost, XinetdVersion};
pub use problem::{ProblemEffect, XinetdDoubt, XinetdProblem, XinetdProblemKind};
pub use reader::AssignOperator;
pub use services::{ServiceSocket, SocketFit, built_in};
pub use tree::{FileTree, TreeEntry, WantedPath};
