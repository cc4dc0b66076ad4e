//! Reads what files, folders and paths are. What a file holds comes from the sections; nothing here cuts
//! those apart.

use memchr::memmem;

use super::ending::FileMetadata;
use super::{ReplyReader, ReplyResult, misfit};
use crate::host::rules::{FILE_CAP, TOO_LARGE};
use crate::host::{ExecutePermission, FileFound, FileState, FolderListing, LinkState, PathExistence};

impl ReplyReader<'_> {
    pub(super) fn file(&mut self, path: &[u8]) -> ReplyResult<FileFound> {
        let (kind, text) = self.record()?;
        Ok(match kind {
            b'f' => {
                let link = match text {
                    b"s" => LinkState::Symbolic,
                    _ => LinkState::Plain,
                };
                let (metadata, bytes) = self.end.take(path)?;
                match metadata {
                    // It went away between two looks.
                    None if bytes.is_empty() => FileFound::Missing,
                    None => return Err(misfit("a file has content, but no metadata")),
                    Some(FileMetadata { size, .. }) if size > FILE_CAP => {
                        FileFound::Unreadable(TOO_LARGE.to_owned())
                    }
                    Some(FileMetadata { size, .. })
                        if (bytes.len() as u64) < size && !is_of_the_kernel(path) =>
                    {
                        let got = bytes.len();
                        FileFound::Unreadable(format!("only {got} of its {size} bytes can be read"))
                    }
                    Some(FileMetadata { size, .. })
                        if (bytes.len() as u64) > size && !is_of_the_kernel(path) =>
                    {
                        FileFound::Unreadable("it grew while it was read".to_owned())
                    }
                    Some(FileMetadata { links, changed, .. }) => {
                        FileFound::File(FileState { bytes: bytes.to_vec(), link, links, changed })
                    }
                }
            }
            b'm' => FileFound::Missing,
            b'n' => FileFound::NotRegular,
            b'u' => FileFound::Unreadable(reason(text)),
            _ => return Err(misfit("a file's line is of no known kind")),
        })
    }

    pub(super) fn folder(
        &mut self,
        path: &str,
    ) -> ReplyResult<std::result::Result<Option<FolderListing>, String>> {
        match self.record()? {
            (b'm', _) => Ok(Ok(None)),
            (b'u', text) => Ok(Err(reason(text))),
            (b'd', _) => {
                let mut listing = Vec::new();
                while let Some(rest) = self.rest.strip_prefix(b"e ") {
                    // A name may hold a line's end, but never the byte before this one.
                    let end = memmem::find(rest, b"/\n").ok_or_else(|| misfit("half a name"))?;
                    self.rest = &rest[end + 2..];
                    let name = rest[..end].to_vec();
                    let full = [path.as_bytes(), b"/", &name].concat();
                    let found = self.file(&full)?;
                    listing.push((name, found));
                }
                match self.record()? {
                    (b'.', _) => {}
                    _ => return Err(misfit("a folder has no end")),
                }
                listing.sort_by(|(one, _), (other, _)| one.cmp(other));
                Ok(Ok(Some(listing)))
            }
            _ => Err(misfit("a folder's line is of no known kind")),
        }
    }

    pub(super) fn exists(&mut self) -> ReplyResult<PathExistence> {
        Ok(match self.record()? {
            (b'm', _) => PathExistence::Missing,
            (b'x', b"y") => PathExistence::File(ExecutePermission::Yes),
            (b'x', b"n") => PathExistence::File(ExecutePermission::No),
            (b'd', _) => PathExistence::Folder,
            (b'o', _) => PathExistence::Other,
            (b'u', text) => PathExistence::Unknown(reason(text)),
            _ => return Err(misfit("it does not say whether something exists")),
        })
    }
}

/// Files whose size the kernel makes up.
fn is_of_the_kernel(path: &[u8]) -> bool {
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

/// A tool's reason as the rest of mailward words it.
fn reason(text: &[u8]) -> String {
    let mut text = crate::model::printable::text(text);
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
