//! Paths as the bytes they are, so that one that is no UTF-8 crosses too.
//! Not here: paths inside the user's own types, where serde insists on UTF-8.
//! Layer 2: what serde's `with` names for fields that the attribute takes for paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::de::Deserializer;
use serde::ser::Serializer;

use super::bytes::Bytes;
use super::portable::Is;

/// A type that is a path.
///
/// A value comes in as a `V` that stands for `Self`, as in [`ByValue`](super::field::ByValue), so that a type that is none is
/// one error, at the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is taken for a `std::path::Path` and is none",
    label = "read by its name, since the attribute does not know types",
    note = "a `Path` of your own is known by its module: write `shapes::Path`"
)]
pub trait Paths<'de>: Sized {
    /// Encodes the path as one block of bytes.
    fn serialize<V: Is<Self>, S: Serializer>(path: &V, serializer: S) -> Result<S::Ok, S::Error>;
    /// Decodes it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl<'de: 'a, 'a> Paths<'de> for &'a Path {
    fn serialize<V: Is<Self>, S: Serializer>(path: &V, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(path.it().as_os_str().as_bytes())
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8] as Bytes<'de>>::deserialize(deserializer).map(|bytes| Path::new(OsStr::from_bytes(bytes)))
    }
}

impl<'de> Paths<'de> for PathBuf {
    fn serialize<V: Is<Self>, S: Serializer>(path: &V, serializer: S) -> Result<S::Ok, S::Error> {
        Paths::serialize(&path.it().as_path(), serializer)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&Path as Paths<'de>>::deserialize(deserializer).map(Path::to_path_buf)
    }
}

impl<'de> Paths<'de> for Option<PathBuf> {
    fn serialize<V: Is<Self>, S: Serializer>(path: &V, serializer: S) -> Result<S::Ok, S::Error> {
        Paths::serialize(&path.it().as_deref(), serializer)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Option<&Path> as Paths<'de>>::deserialize(deserializer).map(|path| path.map(Path::to_path_buf))
    }
}

impl<'de: 'a, 'a> Paths<'de> for Option<&'a Path> {
    fn serialize<V: Is<Self>, S: Serializer>(path: &V, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::serialize(&path.it().map(|path| path.as_os_str().as_bytes()), serializer)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <Option<&[u8]> as Bytes<'de>>::deserialize(deserializer)?;
        Ok(bytes.map(|bytes| Path::new(OsStr::from_bytes(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Places<'a> {
        #[serde(borrow, with = "Paths")]
        borrowed: &'a Path,
        #[serde(with = "Paths")]
        owned: PathBuf,
        #[serde(with = "Paths")]
        perhaps: Option<PathBuf>,
    }

    #[test]
    fn a_path_that_is_no_utf8_crosses() {
        let odd = Path::new(OsStr::from_bytes(b"/tmp/\xff\xfe"));
        let places = Places { borrowed: odd, owned: odd.to_path_buf(), perhaps: Some(odd.to_path_buf()) };
        let bytes = postcard::to_allocvec(&places).unwrap();
        assert_eq!(postcard::from_bytes::<Places<'_>>(&bytes).unwrap(), places);
    }
}
