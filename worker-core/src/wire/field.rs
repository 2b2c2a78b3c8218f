//! How arguments of a user's own types are carried as fields of a message, so that one that cannot be is one error.
//! Not here: bytes and paths (`bytes`, `path`), and replies (`portable`).
//! Layer 2: over `borrowed` and `portable`.
//!
//! A field says `#[serde(with = "ByValue")]`, and what the derives make of it asks for a bound on the *trait*, once to
//! write and once to read: the same message at the same place, which the compiler shows once. Three turns see to that:
//!
//! * Both functions name the trait itself, so that neither "required by a bound in .." differs.
//! * The field comes in as a `V` that stands for `Self`, so that the compiler blames the path in the attribute, which
//!   the macro puts at the user's type, and not an expression inside the derive.
//! * There are two implementations for every type, so that the compiler names the type and does not descend into the
//!   bounds of the only one that there is.

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::borrowed::{Ref, Referent};
use super::portable::{BySerde, Each, Is, Native, Natively};

/// An argument taken by value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a process boundary",
    label = "an argument needs `serde::Serialize` and `serde::de::DeserializeOwned`, and so does each type inside it",
    note = "derive both for a type, or write both as bounds of a type parameter"
)]
pub trait ByValue<Form>: Sized {
    /// Writes the field.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    fn serialize<V: Is<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the field.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl<T: Serialize + DeserializeOwned> ByValue<BySerde> for T {
    fn serialize<V: Is<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error> {
        value.it().serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <T as Deserialize>::deserialize(deserializer)
    }
}

impl<T: Native> ByValue<Natively> for T {
    fn serialize<V: Is<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error> {
        value.it().to_wire().serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = <T::Wire as Deserialize>::deserialize(deserializer)?;
        T::from_wire(wire).map_err(D::Error::custom)
    }
}

/// An argument taken by reference, `&T` or `Option<&T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a process boundary",
    label = "an argument needs `serde::Serialize` and `serde::de::DeserializeOwned`, and so does each type inside it",
    note = "derive both for a type, or write both as bounds of a type parameter"
)]
pub trait ByRef<Form>: Referent {
    /// Writes the field.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    fn serialize<V: Holds<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the field.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    fn deserialize<'de, V: Holds<Self>, D: Deserializer<'de>>(deserializer: D) -> Result<V, D::Error>;
}

impl<T: Referent + Serialize + ?Sized> ByRef<BySerde> for T
where
    T::Owned: DeserializeOwned,
{
    fn serialize<V: Holds<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    fn deserialize<'de, V: Holds<Self>, D: Deserializer<'de>>(deserializer: D) -> Result<V, D::Error> {
        V::read(deserializer)
    }
}

/// What is lent natively: a duplicate goes, and is owned where it arrives.
pub trait LentNatively: Referent {
    /// What arrives in its place.
    type Wire: DeserializeOwned;

    /// What crosses.
    fn to_wire(&self) -> impl Serialize;

    /// The owned form, from what crossed.
    ///
    /// # Errors
    ///
    /// Why there is no such value.
    fn from_wire(wire: Self::Wire) -> Result<Self::Owned, &'static str>;
}

impl<T: Native> LentNatively for T {
    type Wire = <T as Native>::Wire;

    fn to_wire(&self) -> impl Serialize {
        Native::to_wire(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<T, &'static str> {
        Native::from_wire(wire)
    }
}

impl<T: Native> LentNatively for [T] {
    type Wire = Vec<T::Wire>;

    fn to_wire(&self) -> impl Serialize {
        Each(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<Vec<T>, &'static str> {
        Native::from_wire(wire)
    }
}

impl<T: LentNatively + ?Sized> ByRef<Natively> for T {
    fn serialize<V: Holds<Self>, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error> {
        value.write_natively(serializer)
    }

    fn deserialize<'de, V: Holds<Self>, D: Deserializer<'de>>(deserializer: D) -> Result<V, D::Error> {
        V::read_natively(deserializer)
    }
}

/// A field in which a borrowed argument travels.
pub trait Holds<T: Referent + ?Sized>: Sized {
    /// Writes the field.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize;

    /// Reads the field.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T::Owned: Deserialize<'de>;

    /// Writes the field natively.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    fn write_natively<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: LentNatively;

    /// Reads the field natively.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    fn read_natively<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T: LentNatively;
}

impl<T: Referent + ?Sized> Holds<T> for Ref<'_, T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        self.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T::Owned: Deserialize<'de>,
    {
        Self::deserialize(deserializer)
    }

    fn write_natively<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: LentNatively,
    {
        T::to_wire(self).serialize(serializer)
    }

    fn read_natively<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T: LentNatively,
    {
        let wire = T::Wire::deserialize(deserializer)?;
        T::from_wire(wire).map(Ref::Owned).map_err(D::Error::custom)
    }
}

impl<T: Referent + ?Sized> Holds<T> for Option<Ref<'_, T>> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        self.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T::Owned: Deserialize<'de>,
    {
        Self::deserialize(deserializer)
    }

    fn write_natively<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: LentNatively,
    {
        self.as_deref().map(T::to_wire).serialize(serializer)
    }

    fn read_natively<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T: LentNatively,
    {
        let wire = Option::<T::Wire>::deserialize(deserializer)?;
        let owned = wire.map(T::from_wire).transpose().map_err(D::Error::custom)?;
        Ok(owned.map(Ref::Owned))
    }
}
