//! What every host must do alike: each case runs on the host in memory, on a stand-in's folder and, where
//! that makes sense, on this machine.

/// Makes a test of a case for each of the named benches.
macro_rules! contract {
    ($case:ident: $($bench:ident),+) => {
        mod $case {
            $(
                #[test]
                fn $bench() {
                    super::$case(&crate::host_contract::test_hosts::$bench());
                }
            )+
        }
    };
}

mod alike;
mod commands;
pub mod connection;
mod decide;
mod errors;
mod files;
mod full;
mod imitation;
mod leaves_alone;
mod locks;
mod lost_connection;
mod many_files;
mod metadata;
mod nobody;
mod processes;
mod put;
mod remote;
mod replace;
mod signals;
mod state;
mod test_hosts;
mod unseen;
mod untouched;

use mailward::host::{
    Digest, FileFound, FileReplacement, FileState, HostCommand, HostOperation, OperationResult, ReadReply,
    ReadRequest, WriteHost,
};
use mailward::model::HostPath;
use std::time::Duration;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

/// The one answer to one request.
fn ask(host: &dyn WriteHost, request: ReadRequest) -> ReadReply {
    let mut replies = host.read(&[request]).unwrap();
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

fn found(host: &dyn WriteHost, path: HostPath) -> FileFound {
    match ask(host, ReadRequest::File(path)) {
        ReadReply::File(found) => found,
        other => panic!("a file was asked for: {other:?}"),
    }
}

fn file(host: &dyn WriteHost, path: HostPath) -> FileState {
    match found(host, path) {
        FileFound::File(file) => file,
        other => panic!("a file should be there: {other:?}"),
    }
}

/// Does one act that reports nothing, or gives its failure's text with all causes.
fn act(host: &mut dyn WriteHost, act: HostOperation) -> Result<(), String> {
    match host.write(&[act], &[]) {
        Ok(written) => {
            assert_eq!(written.done, [OperationResult::Quietly]);
            Ok(())
        }
        Err(failure) => {
            assert_eq!(failure.index, 0);
            Err(format!("{failure}: {}", failure.source))
        }
    }
}

fn replacing(path: HostPath, before: &[u8], bytes: &[u8]) -> HostOperation {
    let before = Digest::of(before);
    let bytes = bytes.to_vec();
    HostOperation::Replace(FileReplacement { path, before, bytes })
}

fn command(program: HostPath, arguments: &[&str]) -> HostCommand {
    let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
    HostCommand::new(program, arguments, Duration::from_secs(20))
}
