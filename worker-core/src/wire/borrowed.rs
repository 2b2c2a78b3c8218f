//! Borrowed arguments: lent by the caller, owned once they have crossed.
//! Not here: `&str`, `&[u8]` and `&Path`, which are borrowed on both sides.
//! Layer 2: serde only.

use std::borrow::{Borrow, Cow};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// What a borrowed argument becomes on the other side.
pub trait Referent {
    /// The owned form.
    type Owned: Borrow<Self>;
}

impl<T> Referent for T {
    type Owned = T;
}

impl<T> Referent for [T] {
    type Owned = Vec<T>;
}

impl Referent for str {
    type Owned = String;
}

impl Referent for Path {
    type Owned = PathBuf;
}

impl Referent for OsStr {
    type Owned = OsString;
}

impl Referent for CStr {
    type Owned = CString;
}

/// An argument `&T` inside a request: borrowed from the caller, owned in the backend.
///
/// It is encoded as `T` is, without a copy on the caller's side, and decoded as `T`'s owned form.
pub enum Ref<'a, T: Referent + ?Sized> {
    /// On the caller's side.
    Borrowed(&'a T),
    /// In the backend.
    Owned(T::Owned),
}

impl<T: Referent + ?Sized> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value.borrow(),
        }
    }
}

impl<'a, T: Referent + ?Sized> From<&'a T> for Ref<'a, T> {
    fn from(value: &'a T) -> Self {
        Self::Borrowed(value)
    }
}

impl<T: Referent + fmt::Debug + ?Sized> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: Referent + Serialize + ?Sized> Serialize for Ref<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Referent + ?Sized> Deserialize<'de> for Ref<'_, T>
where
    T::Owned: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::Owned::deserialize(deserializer).map(Self::Owned)
    }
}

/// What a method may lend as its reply: the caller gets the owned form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be lent to another process",
    label = "a reply can lend `&T`, and `Option`, `Vec` and `Cow` of what it can lend",
    note = "return an owned value"
)]
pub trait Lent {
    /// What the caller gets.
    type Kept;

    /// Makes it.
    fn owned(self) -> Self::Kept;
}

impl<T> Lent for &T
where
    T: Referent + ToOwned<Owned = <T as Referent>::Owned> + ?Sized,
{
    type Kept = <T as Referent>::Owned;

    fn owned(self) -> Self::Kept {
        self.to_owned()
    }
}

impl<T: ToOwned + ?Sized + 'static> Lent for Cow<'_, T> {
    type Kept = Cow<'static, T>;

    fn owned(self) -> Self::Kept {
        Cow::Owned(self.into_owned())
    }
}

impl<L: Lent> Lent for Option<L> {
    type Kept = Option<L::Kept>;

    fn owned(self) -> Self::Kept {
        self.map(Lent::owned)
    }
}

impl<L: Lent> Lent for Vec<L> {
    type Kept = Vec<L::Kept>;

    fn owned(self) -> Self::Kept {
        self.into_iter().map(Lent::owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrowed_slice_arrives_owned() {
        let numbers = [1_u32, 2, 3];
        let bytes = postcard::to_allocvec(&Ref::from(&numbers[..])).unwrap();
        let arrived: Ref<'_, [u32]> = postcard::from_bytes(&bytes).unwrap();
        assert!(matches!(&arrived, Ref::Owned(_)));
        assert_eq!(*arrived, [1, 2, 3]);
    }
}
