//! The arguments of the commands that read a manifest or a host; where the host is stands one folder up.

use std::path::PathBuf;

use clap::Args;

use super::OutputFormat;
use super::allow::Allowance;
use super::host::HostArgs;
use crate::report::text::AccountDetail;

/// A manifest's layers.
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// Manifest files, later ones over earlier ones; `-` is standard input
    #[arg(required = true, value_name = "MANIFEST")]
    pub(super) manifest: Vec<PathBuf>,
}

/// How accounts are shown.
#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// Name every account, not only the first few of each domain
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Name no account on the screen, only how many each domain has, for public reviews
    #[arg(long, conflicts_with = "verbose")]
    pub(super) redact_accounts: bool,
}

/// What is allowed beyond the safety rules.
#[derive(Debug, Args)]
pub(super) struct AllowArgs {
    /// Allow for once what a safety rule refuses: account-changes=N, panel-command, inbound-mail, docker,
    /// own-rules, unseen-metadata
    #[arg(long, value_name = "NAME")]
    pub(super) allow: Vec<Allowance>,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) manifest: ManifestArgs,

    #[command(flatten)]
    pub(super) accounts: AccountArgs,

    #[command(flatten)]
    pub(super) allow: AllowArgs,

    #[command(flatten)]
    pub(super) host: HostArgs,

    /// Save the plan to a file that `apply` takes; mode 0600
    ///
    /// A file that was changed since is refused, but it is not signed: who may write it can forge it. Keep it
    /// where only you write.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Manifest files, later ones over earlier ones, or one saved plan; `-` is standard input
    #[arg(required = true, value_name = "MANIFEST|PLAN")]
    pub(super) manifest: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) host: HostArgs,

    #[command(flatten)]
    pub(super) accounts: AccountArgs,

    #[command(flatten)]
    pub(super) allow: AllowArgs,

    /// Do not ask; without a terminal nothing is asked, and this is needed
    #[arg(short, long)]
    pub(super) yes: bool,

    /// Accept only a plan with this fingerprint, or one with nothing to do
    ///
    /// It binds what is done. `[host]`, `must_reach` and `max_account_changes` can only refuse, and are those
    /// of what is applied.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) expect: Option<String>,

    /// Stay until a change of who may reach services is confirmed from elsewhere, or has gone back
    #[arg(long, conflicts_with = "host")]
    pub(super) wait: bool,

    /// Change files and leave service actions owed; a later apply runs them
    #[arg(long)]
    pub(super) defer_restarts: bool,

    /// Write the outcome to a file as JSON, however the run ends
    #[arg(long, value_name = "FILE")]
    pub(super) outcome: Option<PathBuf>,

    /// How to print the outcome
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    #[command(flatten)]
    pub(super) decide: DecideArgs,

    /// Allow for once what a safety rule refuses: unproven-confirm
    #[arg(long, value_name = "NAME")]
    pub(super) allow: Vec<Allowance>,
}

/// What `confirm` and `revert` both take.
#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    #[command(flatten)]
    pub(super) host: HostArgs,

    /// How to print the outcome
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) manifest: ManifestArgs,

    #[command(flatten)]
    pub(super) host: HostArgs,

    /// Name no account, only how many each domain has
    #[arg(long)]
    pub(super) redact_accounts: bool,

    #[command(flatten)]
    pub(super) allow: AllowArgs,

    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Manifest files whose declarations are shown beside the values
    #[arg(value_name = "MANIFEST")]
    pub(super) manifest: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) host: HostArgs,

    /// List the panel's mail accounts, not only how many each domain has
    #[arg(long)]
    pub(super) accounts: bool,

    /// Name no account, only how many each domain has
    #[arg(long, conflicts_with = "accounts")]
    pub(super) redact_accounts: bool,

    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Manifest files, each judged by itself; `-` is standard input
    #[arg(required = true, value_name = "MANIFEST")]
    pub(super) manifest: Vec<PathBuf>,

    /// Judge the files as the layers of one manifest, later ones over earlier ones
    #[arg(long)]
    pub(super) layered: bool,
}

impl AccountArgs {
    pub(super) const fn detail(&self) -> AccountDetail {
        if self.redact_accounts {
            AccountDetail::Counts
        } else if self.verbose {
            AccountDetail::Full
        } else {
            AccountDetail::Brief
        }
    }
}
