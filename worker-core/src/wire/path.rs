//! Paths as the bytes they are, so that one that is no UTF-8 crosses too.
//! Not here: paths inside the user's own types, where serde insists on UTF-8.
//! Layer 2: a serde `with` module for fields that the attribute knows to be paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::de::Deserializer;
use serde::ser::Serializer;

use super::bytes::Bytes;

/// A type that is a path.
pub trait Paths<'de>: Sized {
    /// Encodes the path as one block of bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Decodes it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Encodes a field that is a path.
pub fn serialize<'de, T: Paths<'de>, S: Serializer>(path: &T, serializer: S) -> Result<S::Ok, S::Error> {
    path.serialize(serializer)
}

/// Decodes a field that is a path.
pub fn deserialize<'de, T: Paths<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}

impl<'de: 'a, 'a> Paths<'de> for &'a Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_os_str().as_bytes())
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8] as Bytes<'de>>::deserialize(deserializer).map(|bytes| Path::new(OsStr::from_bytes(bytes)))
    }
}

impl<'de> Paths<'de> for PathBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Paths::serialize(&self.as_path(), serializer)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&Path as Paths<'de>>::deserialize(deserializer).map(Path::to_path_buf)
    }
}

impl<'de> Paths<'de> for Option<PathBuf> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Paths::serialize(&self.as_deref(), serializer)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Option<&Path> as Paths<'de>>::deserialize(deserializer).map(|path| path.map(Path::to_path_buf))
    }
}

impl<'de: 'a, 'a> Paths<'de> for Option<&'a Path> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::serialize(&self.map(|path| path.as_os_str().as_bytes()), serializer)
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
        #[serde(borrow, with = "crate::wire::path")]
        borrowed: &'a Path,
        #[serde(with = "crate::wire::path")]
        owned: PathBuf,
        #[serde(with = "crate::wire::path")]
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
