//! Cuts apart the sections that follow the records: metadata, contents and sockets. What they mean is not
//! decided here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use memchr::memmem;

use super::{ReplyResult, misfit, number};
use crate::host::proc::listening;

/// What follows the records.
#[derive(Default)]
pub(super) struct ReplyEnding<'r> {
    pub(super) metadata: VecDeque<FileMetadata<'r>>,
    pub(super) contents: VecDeque<&'r [u8]>,
    /// The inodes of each process's sockets; none where they cannot be told.
    pub(super) sockets: Option<BTreeMap<u32, Vec<u64>>>,
    /// Address by inode; none where they cannot be told.
    pub(super) listening: Option<BTreeMap<u64, SocketAddr>>,
}

pub(super) struct FileMetadata<'r> {
    pub(super) links: u64,
    pub(super) changed: i64,
    pub(super) size: u64,
    pub(super) path: &'r [u8],
}

impl<'r> ReplyEnding<'r> {
    pub(super) fn read(key: &str, tag: &str, mut rest: &'r [u8]) -> ReplyResult<Self> {
        let mut end = Self::default();
        let mark = format!("{key} ");
        let tag = format!("{tag} ");
        while let Some(after) = rest.strip_prefix(mark.as_bytes()) {
            let line = memchr::memchr(b'\n', after).ok_or_else(|| misfit("half a section"))?;
            let (section, body) = (&after[..line], &after[line + 1..]);
            let length = memmem::find(body, mark.as_bytes()).unwrap_or(body.len());
            rest = &body[length..];
            let body = &body[..length];
            match section {
                b"stat" => end
                    .metadata
                    .extend(metadata(tag.as_bytes(), body).ok_or_else(|| misfit("half a file's metadata"))?),
                b"cat" => contents(key, body, &mut end.contents)?,
                b"sockets" => end.sockets = sockets(body),
                b"tables" => end.listening = listening_of(body),
                _ => return Err(misfit("a section is of no known kind")),
            }
        }
        if rest.is_empty() { Ok(end) } else { Err(misfit("something follows the last section")) }
    }

    /// The next content, and the metadata if there is a file.
    pub(super) fn take(&mut self, path: &[u8]) -> ReplyResult<(Option<FileMetadata<'r>>, &'r [u8])> {
        let bytes = self.contents.pop_front().ok_or_else(|| misfit("a file's content is missing"))?;
        let metadata = self.metadata.pop_front_if(|metadata| metadata.path == path);
        Ok((metadata, bytes))
    }
}

/// The lines of a `stat`, if they are whole. A name may hold line ends; each line begins with the tag.
fn metadata<'r>(tag: &[u8], body: &'r [u8]) -> Option<Vec<FileMetadata<'r>>> {
    let starts: Vec<usize> =
        memmem::find_iter(body, tag).filter(|&place| place == 0 || body[place - 1] == b'\n').collect();
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let line = body[start + tag.len()..end].strip_suffix(b"\n")?;
            let mut fields = line.splitn(4, |&byte| byte == b' ');
            Some(FileMetadata {
                size: number(fields.next()?)?,
                links: number(fields.next()?)?,
                changed: number(fields.next()?)?,
                path: fields.next()?,
            })
        })
        .collect()
}

/// The contents between markers: twice the marker, then each content with a marker after it.
fn contents<'r>(key: &str, body: &'r [u8], all: &mut VecDeque<&'r [u8]>) -> ReplyResult<()> {
    let why = || misfit("cat cannot show its own environment, so contents cannot be told apart");
    let mut places = memmem::find_iter(body, key.as_bytes());
    let (Some(first), Some(second)) = (places.next(), places.next()) else {
        return Err(why());
    };
    let length = second - first;
    let (marker, rest) = body.split_at_checked(length).ok_or_else(why)?;
    let mut rest = rest.strip_prefix(marker).ok_or_else(why)?;
    let finder = memmem::Finder::new(marker);
    while let Some(end) = finder.find(rest) {
        all.push_back(&rest[..end]);
        rest = &rest[end + length..];
    }
    if rest.is_empty() { Ok(()) } else { Err(why()) }
}

/// The inodes of the sockets among the files that processes have open; none where a line is not whole.
fn sockets(body: &[u8]) -> Option<BTreeMap<u32, Vec<u64>>> {
    let mut sockets: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for line in body.split(|&byte| byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let mode = std::str::from_utf8(fields.next()?).ok()?;
        let mode = u32::from_str_radix(mode, 16).ok()?;
        let inode = number::<u64>(fields.next()?)?;
        let mut path = fields.next()?.strip_prefix(b"/proc/")?.split(|&byte| byte == b'/');
        let (pid, b"fd", _) = (number::<u32>(path.next()?)?, path.next()?, number::<u32>(path.next()?)?)
        else {
            return None;
        };
        // S_IFSOCK, inode(7).
        if mode & 0o170_000 == 0o140_000 {
            sockets.entry(pid).or_default().push(inode);
        }
    }
    Some(sockets)
}

/// Address by inode; none where a line is not whole.
fn listening_of(body: &[u8]) -> Option<BTreeMap<u64, SocketAddr>> {
    // The reader of whole tables skips their first line, which grep has left out.
    let table = [b"\n", body].concat();
    let sockets: Vec<_> = listening(&table).collect();
    let lines = body.split(|&byte| byte == b'\n');
    let whole = lines.filter(|line| !line.is_empty()).count() == sockets.len();
    whole.then(|| sockets.into_iter().collect())
}
