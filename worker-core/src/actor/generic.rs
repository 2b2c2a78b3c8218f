//! Generic methods: the frontend knows the types, so it says which instance of the method to run.
//! Not here: the methods of the request enum, which need no such thing.
//! Layer 6: over `sys::module`.
//!
//! # Safety
//!
//! * G1: an offset is only sent if the instance lies in the same module as the backend's own entry,
//!   whose identity the fork server has checked by fingerprint. So the same offset from the same
//!   anchor is the same instance in the backend.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::contract::Actor;
use super::reply::Call;
use super::serving;
use crate::errors::DecodeError;
use crate::sys::module::same_module;
use crate::wire::codec::{self, WriteError};
use crate::wire::writer::Writer;

/// The arguments of one generic method, for types known at the call.
pub trait GenericRequest<A: Actor>: Serialize {
    /// The same arguments in the backend, borrowed from the message.
    type Decoded<'a>: Deserialize<'a>;

    /// Runs the method, in the backend.
    fn invoke(request: Self::Decoded<'_>, actor: &mut A, call: &Call<'_, A>);
}

type Instance<A> = fn(&[u8], &mut A, &Call<'_, A>) -> Result<(), DecodeError>;

/// Bytes before the arguments: the offset of the instance.
const OFFSET_BYTES: usize = 8;

fn instance<A: Actor, G: GenericRequest<A>>(
    bytes: &[u8],
    actor: &mut A,
    call: &Call<'_, A>,
) -> Result<(), DecodeError> {
    let request = codec::decode::<G::Decoded<'_>>(bytes)?;
    G::invoke(request, actor, call);
    Ok(())
}

/// Distance of an instance from the entry of its actor, where both sides can measure it.
pub(super) fn offset_of<A: Actor, G: GenericRequest<A>>() -> Result<u64, String> {
    let anchor = serving::serve::<A> as *const () as usize;
    let instance: Instance<A> = instance::<A, G>;
    let address = instance as usize;
    if !checked_same_module(anchor, address) {
        return Err("a generic method must be compiled into the same module as its actor".to_owned());
    }
    Ok(address.wrapping_sub(anchor) as u64)
}

/// Writes a generic request.
pub(super) fn write<A: Actor, G: GenericRequest<A>>(
    request: &G,
    offset: u64,
    writer: &mut Writer<'_>,
) -> Result<(), WriteError> {
    writer.extend(&offset.to_le_bytes()).map_err(|_| WriteError::OutOfRoom)?;
    codec::encode(request, writer)
}

/// Runs the instance that a request names.
pub(super) fn invoke<A: Actor>(bytes: &[u8], actor: &mut A, call: &Call<'_, A>) -> Result<(), DecodeError> {
    let (offset, arguments) = bytes
        .split_first_chunk::<OFFSET_BYTES>()
        .ok_or_else(|| DecodeError::new::<A::Request<'_>>("the request of a generic method is cut off"))?;
    let anchor = serving::serve::<A> as *const () as usize;
    let offset = usize::try_from(u64::from_le_bytes(*offset))
        .map_err(|_| DecodeError::new::<A::Request<'_>>("the offset of a generic method is too large"))?;
    let address = anchor.wrapping_add(offset);
    // SAFETY: G1: our frontend, which a backend trusts, measured this as an `Instance` of this actor.
    let instance = unsafe { std::mem::transmute::<usize, Instance<A>>(address) };
    instance(arguments, actor, call)
}

/// Asks the loader once for each pair of addresses.
fn checked_same_module(anchor: usize, address: usize) -> bool {
    static KNOWN: Mutex<Option<HashMap<(usize, usize), bool>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.get_or_insert_default().entry((anchor, address)).or_insert_with(|| same_module(anchor, address))
}
