//! What the panel's command does besides, on a real MariaDB: every row of every table before is compared with
//! every row after, by a judge that knows neither the program's queries nor its comparison.
//!
//! `MAILWARD_PANEL_TIMES=10` has the random cases run ten times longer.

mod judge;
mod kinds;
mod memory;
mod random;
mod redacted;
mod settings;
mod sides;
