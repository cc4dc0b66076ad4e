//! Makes xinetd read its files, asks it for its dump, and tells what it would lose.

use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::{Failed, ended, unknown};
use crate::apply::outcome::Verdict;
use crate::edit::xinetd::Config;
use crate::edit::xinetd::dump::{Difference, Dump};
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{
    Act, Came, Condition, Done, Executable, Existence, Found, ProcessId, Signal, WriteHost,
};
use crate::limits::xinetd::{self, DUMP};
use crate::model::{HostPath, known};
use crate::plan::{Expectation, Setting, Value};
use crate::report::text;

/// How long xinetd may take to write its dump.
pub(super) const DUMP_DEADLINE: Duration = Duration::from_secs(10);

/// What xinetd serves now and would end or restart on reading the files as they will be.
pub(super) fn losses(dump: &Dump, after: &Config) -> Vec<Diagnostic> {
    let hint = "nothing was changed; mend it, or reload xinetd by hand if that is meant";
    let differences = dump.differs(after).into_iter();
    differences
        .filter_map(|difference| match difference {
            Difference::Vanishes { id } => Some(format!("a reload of xinetd would end the service {id}")),
            Difference::Restarts { id, attribute, running, configured } => Some(format!(
                "a reload of xinetd would restart the service {id}, since its {attribute} differs ({running} runs, \
                 {configured} is in the files)"
            )),
            Difference::DaemonExits => Some("xinetd would exit when it reads its files".to_owned()),
            Difference::Appears { .. } | Difference::Limit { .. } => None,
        })
        .map(|what| Diagnostic::new(what).because("it is offered now, as xinetd's own dump says").hint(hint))
        .collect()
}

/// xinetd also drops a service whose server is missing (it checks at every SIGHUP); such a service must not be served now.
pub(super) fn missing_servers<H: WriteHost + ?Sized>(
    host: &mut H,
    dump: &Dump,
    after: &Config,
) -> Result<(), Box<Outcome>> {
    let mut batch = Batch::default();
    let mut asked = Vec::new();
    for entry in &after.services {
        let served = dump
            .services
            .iter()
            .any(|service| service.id.eq_ignore_ascii_case(&entry.id));
        let server = entry
            .attribute("server")
            .and_then(|assignment| assignment.values.first());
        let path =
            server.and_then(|path| HostPath::new(String::from_utf8(path.clone()).ok()?).ok());
        if let (true, Some(path)) = (served, path) {
            asked.push((entry, path.clone(), batch.exists(path)));
        }
    }
    let mut answers = batch.read(host).map_err(|error| unknown(&error))?;
    let mut lost = Vec::new();
    for (entry, path, ticket) in asked {
        let there = answers.exists(ticket).map_err(|error| unknown(&error))?;
        if there != Existence::File(Executable::Yes) {
            lost.push(
                Diagnostic::new(format!(
                    "a reload of xinetd would end the service {}",
                    entry.id
                ))
                .because(format!(
                    "its server {path} is missing or not executable ({}:{})",
                    entry.path, entry.line
                ))
                .hint("nothing was changed; bring the server back, then apply again"),
            );
        }
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(ended(Verdict::Refused, lost))
    }
}

/// Sends signals to xinetd, the last of which makes it write its dump, and reads the new part of it.
pub(in crate::apply) fn dump<H: WriteHost + ?Sized>(
    host: &mut H,
    process: ProcessId,
    first: &[Signal],
    deadline: Duration,
) -> Result<Dump, Failed> {
    let failed = |error: &dyn std::error::Error| Failed(vec![Diagnostic::of(error)]);
    let path = known(DUMP);
    let mut batch = Batch::default();
    let before = batch.file(path.clone());
    let size = match batch
        .read(host)
        .and_then(|mut answers| answers.file(before))
        .map_err(|e| failed(&e))?
    {
        Found::File(state) => state.bytes.len(),
        Found::Missing | Found::NotRegular | Found::Unreadable(_) => 0,
    };
    let mut acts: Vec<Act> = first
        .iter()
        .map(|signal| Act::Signal(process, *signal))
        .collect();
    acts.push(Act::Signal(process, Signal::User1));
    let beyond = size as u64;
    acts.push(Act::Await(
        Condition::Grown {
            path: path.clone(),
            beyond,
            end: "END OF DUMP",
        },
        deadline,
    ));
    let mut batch = Batch::default();
    let after = batch.file(path);
    let written = host
        .write(&acts, batch.requests())
        .map_err(|error| failed(&error))?;
    let found = Answers::new(written.replies)
        .file(after)
        .map_err(|error| failed(&error))?;
    let silent = || {
        Failed(vec![
            Diagnostic::new(format!(
                "xinetd (pid {}) did not write its state to {DUMP}",
                process.pid
            ))
            .because(format!(
                "it was asked with SIGUSR1 and had {} s",
                deadline.as_secs()
            )),
        ])
    };
    let Found::File(state) = found else {
        return Err(silent());
    };
    if written.done.last() != Some(&Done::Awaited(Came::InTime)) {
        return Err(silent());
    }
    state
        .bytes
        .get(size..)
        .and_then(Dump::last)
        .ok_or_else(silent)
}

/// Makes xinetd read its files, and compares its own dump with what is expected.
pub(in crate::apply) fn reload<H: WriteHost + ?Sized>(
    host: &mut H,
    process: ProcessId,
    expects: &[Expectation],
    deadline: Duration,
) -> Result<Dump, Failed> {
    let mut dumped = dump(
        host,
        process,
        &[Signal::Hangup],
        deadline.min(DUMP_DEADLINE),
    )?;
    // A signal that came while xinetd was busy may have been answered in the other order; a second dump tells.
    if !xinetd::unmet(expects, &dumped).is_empty() {
        dumped = dump(host, process, &[], deadline.min(DUMP_DEADLINE))?;
    }
    let unmet = xinetd::unmet(expects, &dumped);
    if unmet.is_empty() {
        return Ok(dumped);
    }
    let messages = unmet.into_iter().map(
        |Expectation {
             service,
             setting,
             value,
         }| {
            let wanted = text::value(*value);
            let what = format!(
                "xinetd did not take up {} = {wanted} for {service}",
                setting.name()
            );
            Diagnostic::new(what).because("its own dump after SIGHUP says otherwise")
        },
    );
    Err(Failed(messages.collect()))
}

/// The values of a dump for the services that some expectations are about.
pub(in crate::apply) fn dumped_values(expects: &[Expectation], dump: &Dump) -> Vec<Expectation> {
    let mut values = Vec::new();
    for Expectation {
        service,
        setting,
        value: _,
    } in expects
    {
        let value = if service == "defaults" {
            None
        } else {
            dump.services
                .iter()
                .find(|running| running.name == *service)
                .map(|running| match setting {
                    Setting::PerIp => Value::Count(dump.per_source(running)),
                    Setting::Total => Value::Count(dump.instances(running)),
                    Setting::Cps => Value::Rate(dump.cps(running)),
                })
        };
        values.extend(value.map(|value| Expectation {
            service: service.clone(),
            setting: *setting,
            value,
        }));
    }
    values
}
