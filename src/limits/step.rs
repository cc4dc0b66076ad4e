//! Changes of connection limits: edits of files, the panel's own command, and why.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::edit::EditKind;
use crate::host::Digest;
use crate::model::{ConnectionLimit, ConnectionRate, HostPath, ManifestOrigin};

/// Edits of managed lines in one file, written in one atomic replacement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEdit {
    /// The file.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// The sha256 of what it holds before.
    #[schemars(with = "String")]
    pub before: Digest,
    /// The lines that differ, in the file's order.
    pub lines: Vec<EditedLine>,
    /// Every effective value that changes by it, managed or not.
    pub effects: Vec<LimitEffect>,
    /// Why.
    pub causes: Vec<StepCause>,
    /// What the file holds afterwards; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub bytes: Vec<u8>,
    /// What it holds before; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub old: Vec<u8>,
}

/// A managed line that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditedLine {
    /// How it comes to differ.
    #[schemars(with = "String")]
    pub kind: EditKind,
    /// Its number in the edited file, counted from 1.
    pub line: u32,
    /// The enclosing block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// The line before; none where it is new. Bytes that are not UTF-8 or would control a terminal are
    /// escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The line afterwards, escaped likewise.
    pub after: String,
}

/// An effective value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitEffect {
    /// The service: `pop3`, …, an xinetd service's name, or `defaults`.
    pub service: String,
    /// Which of its settings.
    pub setting: LimitSetting,
    /// Before.
    pub from: LimitValue,
    /// Afterwards.
    pub to: LimitValue,
    /// Whether the manifest names it, or it changes along with something named.
    pub named: SettingNamed,
}

/// Whether the manifest names a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SettingNamed {
    /// By itself.
    ByManifest,
    /// It inherits from something that the manifest names.
    Inherits,
}

/// A limit, in the words of `[limits]`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitSetting {
    /// Connections at once from one address.
    PerIp,
    /// Connections at once in all.
    Total,
    /// Connections a second, and the pause above it.
    Cps,
}

impl LimitSetting {
    /// The name in the manifest and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerIp => "per_ip",
            Self::Total => "total",
            Self::Cps => "cps",
        }
    }
}

/// An effective value.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(untagged)]
pub enum LimitValue {
    /// A number or `"unlimited"`.
    Count(#[schemars(with = "serde_json::Value")] ConnectionLimit),
    /// A rate.
    Rate(#[schemars(with = "serde_json::Value")] ConnectionRate),
    /// Nothing that the daemon could use, or nothing that can be told.
    Nothing,
}

/// The panel's own command, which owns a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelLimitStep {
    /// The command's program and arguments.
    pub argv: Vec<String>,
    /// The same command with the value before; none where that cannot be told.
    pub undo: Option<Vec<String>>,
    /// Every effective value that changes by it.
    pub effects: Vec<LimitEffect>,
    /// Why.
    pub causes: Vec<StepCause>,
}

/// Why a step is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum StepCause {
    /// The manifest declares another value than the files have.
    Declared {
        /// The service.
        service: String,
        /// The setting.
        setting: LimitSetting,
        /// The declared value.
        value: LimitValue,
        /// The place in the manifest.
        #[schemars(with = "serde_json::Value")]
        origin: ManifestOrigin,
    },
    /// A line was broken for the daemon, so that its value was not in force.
    NotInForce {
        /// The service.
        service: String,
        /// The native key.
        key: String,
        /// What the daemon made of the line.
        effect: String,
    },
    /// The running daemon has another value than its files.
    RunningDiffers {
        /// The service.
        service: String,
        /// The setting.
        setting: LimitSetting,
        /// What it runs with.
        running: LimitValue,
        /// What its files say.
        value: LimitValue,
    },
    /// Files have changed since the daemon read them, and what it runs with cannot be read.
    RunningUnknown {
        /// The files.
        #[schemars(with = "Vec<String>")]
        paths: Vec<HostPath>,
    },
    /// The daemon still executes a file that was replaced or removed since it started, as by the upgrade of a
    /// package.
    ProgramReplaced {
        /// The service.
        service: String,
    },
    /// An earlier run wrote the action down and did not complete it.
    Owed,
}

/// Why a daemon is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// None of its running values changes.
    NothingChanges,
    /// The manifest does not name it.
    NotNamed,
}

impl FileEdit {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { path: _, before: _, lines, effects, causes: _, bytes: _, old: _ } = self;
        json!({
            "edit": lines.iter().map(|line| json!(line.kind)).collect::<Vec<_>>(),
            "effects": effects.iter().map(LimitEffect::fingerprinted).collect::<Vec<_>>(),
        })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        let Self { path, before: _, lines, effects, causes: _, bytes: _, old: _ } = self;
        let line = |line: &EditedLine| json!({ "kind": line.kind, "before": line.before, "after": line.after, "block": line.block });
        json!({ "path": path, "lines": lines.iter().map(line).collect::<Vec<_>>(), "effects": effects })
    }
}

impl PanelLimitStep {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { argv: _, undo: _, effects, causes: _ } = self;
        json!({ "panel": effects.iter().map(LimitEffect::fingerprinted).collect::<Vec<_>>() })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        let Self { argv, undo, effects, causes: _ } = self;
        json!({ "argv": argv, "undo": undo, "effects": effects })
    }
}

impl LimitEffect {
    fn fingerprinted(&self) -> Json {
        let Self { service, setting, from, to, named: _ } = self;
        json!({ "service": service, "setting": setting, "from": from, "to": to })
    }
}
