//! The one test binary: every module is a group of cases against the public library or the built program.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod access;
mod access_apply;
mod access_busybox;
mod access_docs;
mod access_faults;
mod access_lists;
mod access_lockout;
mod access_nat;
mod access_neighbours;
mod access_plesk;
mod access_show;
mod access_size;
mod all_at_once;
mod bounds;
mod deadline;
mod faults;
mod firewall_fixture;
mod fresh;
mod generated;
mod host_contract;
mod hosts;
mod in_time;
mod injection;
mod manifest;
mod manifest_docs;
mod manifest_properties;
mod manifest_schema;
mod misbehaving;
mod network_fixture;
mod notes;
mod office;
mod office_access;
mod office_apply;
mod office_panel;
mod one_host;
mod own_files;
mod panel_access;
mod panel_effects;
mod panel_fixture;
mod panel_real;
mod real_apply;
mod real_daemons;
mod revert_model;
mod revert_timer;
mod saved_plan;
mod shellvars;
mod shellvars_differential;
mod shellvars_upgrade;
mod shown;
mod size;
mod ssh_apply;
mod ssh_docs;
mod ssh_hosts;
mod ssh_panel;
mod ssh_reach;
mod support;
mod surroundings;
mod trust_docs;
mod truthful;
mod upgrade;
mod xinetd_differential;
mod xinetd_edit;
mod xinetd_read;
mod xinetd_refused;
