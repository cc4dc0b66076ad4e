//! What changes for each service, and why a file is edited.

use super::super::{BlockTarget, XinetdWanted, declared, default_of, in_force, setting};
use super::entries;
use super::problems::{counts, problems_of};
use crate::edit::xinetd::{Attribute, ServiceState, ValueSource, XinetdConfig};
use crate::limits::step::{LimitEffect, LimitValue, SettingNamed, StepCause};
use crate::model::HostPath;

/// Every effective value that changes, with the file whose edit changes it.
pub(super) fn effects(
    wants: &[XinetdWanted],
    before: &XinetdConfig,
    after: &XinetdConfig,
) -> Vec<(HostPath, LimitEffect)> {
    let mut effects = Vec::new();
    let wanted = |target: &str, attribute: Attribute| {
        wants.iter().any(|want| want.target.name() == target && want.attribute == attribute)
    };
    for attribute in Attribute::ALL {
        let (from, to) = (default_of(before, attribute), default_of(after, attribute));
        let assigned = after.defaults.attribute(attribute.name());
        if from != to
            && let Some(assigned) = assigned
        {
            let named =
                if wanted("defaults", attribute) { SettingNamed::ByManifest } else { SettingNamed::Inherits };
            let effect =
                LimitEffect { service: "defaults".to_owned(), setting: setting(attribute), from, to, named };
            effects.push((assigned.at.path.clone(), effect));
        }
    }
    // An edit adds and removes no block, so the entries stand in the same order.
    for (old, new) in before.services.iter().zip(&after.services) {
        for attribute in Attribute::ALL {
            let dropped = matches!(old.state, ServiceState::Dropped(_));
            let from = if dropped { LimitValue::Nothing } else { in_force(old, attribute) };
            let to = in_force(new, attribute);
            let gone = matches!(new.state, ServiceState::Dropped(_));
            // A service that is switched off has no value in force; it is listed only where the manifest
            // names it.
            let silent = new.state == ServiceState::Disabled && !wanted(&new.name, attribute);
            if from == to || gone || silent {
                continue;
            }
            let source = match attribute {
                Attribute::PerSource => &new.per_source.from,
                Attribute::Instances => &new.instances.from,
                Attribute::Cps => &new.cps.from,
            };
            let path = match source {
                ValueSource::Own(at) | ValueSource::Defaults(at) => at.path.clone(),
                ValueSource::BuiltIn => new.path.clone(),
            };
            let path = if dropped { new.path.clone() } else { path };
            let named =
                if wanted(&new.name, attribute) { SettingNamed::ByManifest } else { SettingNamed::Inherits };
            effects.push((
                path,
                LimitEffect { service: new.name.clone(), setting: setting(attribute), from, to, named },
            ));
        }
    }
    effects
}

/// Why a file is edited.
pub(super) fn causes(
    wants: &[XinetdWanted],
    before: &XinetdConfig,
    after: &XinetdConfig,
    path: &HostPath,
) -> Vec<StepCause> {
    let mut causes = Vec::new();
    for want in wants {
        let here: Vec<u32> = match &want.target {
            BlockTarget::Defaults => {
                let blocks = before.defaults.blocks.iter().filter(|at| at.path == *path);
                let blocks: Vec<u32> = blocks.map(|at| at.line).collect();
                let decides =
                    after.defaults.attribute(want.attribute.name()).is_some_and(|a| a.at.path == *path);
                if blocks.is_empty() && decides { vec![0] } else { blocks }
            }
            BlockTarget::Service(_) => entries(want, before)
                .iter()
                .filter(|entry| entry.path == *path)
                .map(|entry| entry.line)
                .collect(),
        };
        if here.is_empty() {
            continue;
        }
        let differs = match &want.target {
            BlockTarget::Defaults => default_of(before, want.attribute) != want.value,
            BlockTarget::Service(_) => {
                entries(want, before).iter().any(|entry| in_force(entry, want.attribute) != want.value)
            }
        };
        if differs {
            causes.push(declared(want));
        }
        for heading in here {
            let problem = problems_of(before, path, heading, want.attribute).find(|problem| counts(problem));
            causes.extend(problem.map(|problem| StepCause::NotInForce {
                service: want.target.name().to_owned(),
                key: want.attribute.name().to_owned(),
                effect: problem.kind.to_string(),
            }));
        }
    }
    causes
}
