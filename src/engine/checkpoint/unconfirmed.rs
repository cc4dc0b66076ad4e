//! Own rules that are in force and that nobody has confirmed, while no change waits: others have brought them
//! back.

use super::context::WindowContext;
use super::load::{self, LoadContext};
use crate::engine::ApplyFailure;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::failure::Diagnostic;
use crate::firewall::PortAllowlist;
use crate::firewall::plan::{back_to_confirmed, unconfirmed};
use crate::host::ReadHost;
use crate::model::Desired;
use crate::plan::FilterBackend;

/// Each way whose own rules were never confirmed, with the allowlists that were confirmed last.
pub(super) type UnconfirmedBackends = Vec<(FilterBackend, Vec<PortAllowlist>)>;

/// Looks for them.
pub(super) fn look(host: &dyn ReadHost, survey: &HostSurvey) -> Result<UnconfirmedBackends, ApplyFailure> {
    observe(host, survey).map(|(found, _)| found)
}

fn observe(
    host: &dyn ReadHost,
    survey: &HostSurvey,
) -> Result<(UnconfirmedBackends, Option<Observed>), ApplyFailure> {
    // Without anything of access in the state there was no change.
    if !survey.recalled.firewall.has_state {
        return Ok((Vec::new(), None));
    }
    let observed = Observed::read(host, survey, ObserveScope::Of(&Desired::default()))?;
    let (Some(access), Some(boot)) = (&observed.firewall, &observed.boot) else {
        return Ok((Vec::new(), None));
    };
    let found = [FilterBackend::Nftables, FilterBackend::Iptables]
        .into_iter()
        .filter_map(|way| {
            Some((way, unconfirmed(&survey.facts, &survey.recalled.firewall, access, boot, way)?))
        })
        .collect();
    Ok((found, Some(observed)))
}

/// Makes own rules that nobody has confirmed those that were confirmed last, and looks whether they are;
/// returns which they were.
pub(super) fn take_back(cx: &mut WindowContext<'_>) -> Result<UnconfirmedBackends, ApplyFailure> {
    let (found, observed) = observe(cx.host, cx.survey)?;
    let Some(observed) = observed else {
        return Ok(found);
    };
    let (Some(access), Some(boot)) = (&observed.firewall, &observed.boot) else {
        return Ok(found);
    };
    for (way, allowlists) in &found {
        let how = back_to_confirmed(
            &cx.survey.facts,
            &cx.survey.recalled.firewall,
            access,
            boot,
            (*way, allowlists.as_slice()),
            cx.deadline,
        )?;
        if let Some(how) = how {
            load::own(&mut LoadContext::of_run(cx.host, cx.deadline), &how)?;
        }
    }
    // Loading them may have changed what the kernel shows.
    if !found.is_empty() && !look(cx.host, &HostSurvey::read(cx.host)?)?.is_empty() {
        return Err(Diagnostic::new("the rules that were confirmed last are not in the kernel")
            .hint("look at the rules with `nft list ruleset` or `iptables-save`, then run it again")
            .into());
    }
    Ok(found)
}

/// Which rules they are, in a sentence.
pub(super) fn words(found: &UnconfirmedBackends) -> String {
    let ways: Vec<&str> = found.iter().map(|(way, _)| way.words()).collect();
    format!("{} was never confirmed as it is", ways.join(" and "))
}
