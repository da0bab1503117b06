//! Reads files as objects, for libraries that read from object stores.
//!
//! The libraries' own way to files takes any path and follows links. This one opens what lies below a directory, and gives
//! the open file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use deltalake::logstore::object_store::path::Path as Location;
use deltalake::logstore::object_store::{
    Attributes, Error, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result,
};

/// How the store is called in errors.
pub(crate) const NAME: &str = "lake";

/// Says what went wrong with an object.
pub(crate) fn object_error(location: &Location) -> impl Fn(io::Error) -> Error + use<> {
    let path = location.to_string();
    move |error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: path.clone(), source: error.into() },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: path.clone(), source: error.into() },
        _ => Error::Generic { store: NAME, source: error.into() },
    }
}

/// What is known of an open file.
pub(crate) fn object_meta(file: &File, location: &Location) -> io::Result<ObjectMeta> {
    let about = file.metadata()?;
    Ok(ObjectMeta {
        location: location.clone(),
        last_modified: about.modified()?.into(),
        size: about.len(),
        e_tag: None,
        version: None,
    })
}

/// An open file as it was asked for. `path` is what errors call it.
pub(crate) fn get_result(
    file: File,
    path: &Path,
    location: &Location,
    options: &GetOptions,
) -> Result<GetResult> {
    let meta = object_meta(&file, location).map_err(object_error(location))?;
    options.check_preconditions(&meta)?;
    let whole = 0..meta.size;
    let range = options.range.as_ref().map_or(Ok(whole), |range| range.as_range(meta.size));
    let range = range.map_err(|wrong| Error::Generic { store: NAME, source: Box::new(wrong) })?;
    let payload = GetResultPayload::File(file, path.to_owned());
    Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
}

/// Stretches of an open file of that length.
pub(crate) fn read_ranges(file: &File, length: u64, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
    ranges.iter().map(|range| read_range(file, length, range)).collect()
}

fn read_range(file: &File, length: u64, range: &Range<u64>) -> io::Result<Bytes> {
    let inside = range.start <= range.end && range.end <= length;
    let size = range.end.checked_sub(range.start).and_then(|size| usize::try_from(size).ok());
    // A damaged file may claim any length.
    let Some(size) = size.filter(|_| inside) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    let mut bytes = vec![0; size];
    let mut read = 0;
    while read < size {
        match read_at(file, &mut bytes[read..], range.start + read as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes.into())
}

/// Reads from some place on, without moving the place that all handles of the file share.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], place: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, bytes, place);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, bytes, place);
}
