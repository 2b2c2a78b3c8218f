//! Bytes as one block: what serde would otherwise take element by element.
//! Not here: results, which are blocks by themselves (`portable`).
//! Layer 2: a serde `with` module for fields that the attribute knows to be bytes.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::Serializer;
use std::fmt;

/// A type that is a run of bytes.
pub trait Bytes<'de>: Sized {
    /// Encodes the bytes as one block.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Decodes them as one block.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Encodes a field of bytes.
pub fn serialize<'de, T: Bytes<'de>, S: Serializer>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.serialize(serializer)
}

/// Decodes a field of bytes.
pub fn deserialize<'de, T: Bytes<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}

impl<'de: 'a, 'a> Bytes<'de> for &'a [u8] {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8] as Deserialize>::deserialize(deserializer)
    }
}

impl<'de> Bytes<'de> for Vec<u8> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(IntoVec)
    }
}

impl<'de> Bytes<'de> for Box<[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Vec<u8> as Bytes<'de>>::deserialize(deserializer).map(Vec::into_boxed_slice)
    }
}

impl<'de, T: Bytes<'de>> Bytes<'de> for Option<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(bytes) => serializer.serialize_some(&AsBlock(bytes, std::marker::PhantomData)),
            None => serializer.serialize_none(),
        }
    }

    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(IntoOption(std::marker::PhantomData))
    }
}

struct AsBlock<'bytes, 'de, T>(&'bytes T, std::marker::PhantomData<&'de ()>);

impl<'de, T: Bytes<'de>> serde::Serialize for AsBlock<'_, 'de, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct IntoOption<T>(std::marker::PhantomData<T>);

impl<'de, T: Bytes<'de>> Visitor<'de> for IntoOption<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("optional bytes")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::deserialize(deserializer).map(Some)
    }
}

struct IntoVec;

impl<'de> Visitor<'de> for IntoVec {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Block<'a> {
        #[serde(with = "crate::wire::bytes")]
        borrowed: &'a [u8],
        #[serde(with = "crate::wire::bytes")]
        owned: Vec<u8>,
        #[serde(borrow, with = "crate::wire::bytes")]
        perhaps: Option<&'a [u8]>,
        #[serde(with = "crate::wire::bytes")]
        not: Option<Vec<u8>>,
    }

    #[test]
    fn blocks_come_back_as_they_were() {
        let block = Block { borrowed: &[1, 2], owned: vec![3], perhaps: Some(&[4]), not: None };
        let bytes = postcard::to_allocvec(&block).unwrap();
        assert_eq!(postcard::from_bytes::<Block<'_>>(&bytes).unwrap(), block);
    }
}
