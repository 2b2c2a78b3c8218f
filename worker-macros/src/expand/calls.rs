//! The frontend's methods.
//! Input: `pub fn decode(&mut self, jpeg: &[u8]) -> Result<Image, DecodeError>`
//! Output: `decode` with `Result<Image, CallError<DecodeError>>`, which waits, and `decode_async` with
//! `Pending<Image, DecodeError>`, which does not; for a constructor, `spawn` and `spawn_with`.

use proc_macro2::TokenStream;

use super::types::{self, Lifetimes};
use super::{Expansion, docs};
use crate::model::{Argument, Carriage, Constructor, Function, Method};
use crate::names;

/// `spawn` and `spawn_with`, or `spawn_name` and `spawn_name_with`.
pub(super) fn constructor(expansion: &Expansion<'_>, constructor: &Constructor) -> TokenStream {
    let (runtime, function) = (expansion.runtime, &constructor.function);
    let (spawn, spawn_with) = (&constructor.spawn, &constructor.spawn_with);
    let error = types::constructor_error(&constructor.fallible, &expansion.actor.self_ty, runtime);
    let docs = docs::spawn(expansion, function, error.is_some());
    let docs_with = docs::spawn_with(expansion, spawn);
    let error = error.map(|error| emit!(<#error>));
    let (attributes, visibility) = (Attributes(function).tokens(), &function.visibility);
    let parameters = parameters(expansion, function);
    let message = message(&expansion.actor.constructor, function, expansion.runtime);
    emit! {
        #docs
        #attributes
        #visibility fn #spawn(#parameters) -> ::core::result::Result<Self, #runtime::SpawnError #error> {
            #runtime::Handle::spawn(&#runtime::Builder::new(), &#message).map(Self)
        }
        #docs_with
        #attributes
        #visibility fn #spawn_with(
            builder: &#runtime::Builder,
            #parameters
        ) -> ::core::result::Result<Self, #runtime::SpawnError #error> {
            #runtime::Handle::spawn(builder, &#message).map(Self)
        }
    }
}

/// The blocking method and its twin, or the one-way method alone.
pub(super) fn method(expansion: &Expansion<'_>, method: &Method) -> TokenStream {
    let (runtime, function) = (expansion.runtime, &method.function);
    let (value, error) = types::reply(&method.reply, &expansion.actor.self_ty, runtime);
    let docs = docs::call(expansion, method, error.is_some());
    let call_error = error.as_ref().map(|error| emit!(<#error>));
    let (attributes, visibility) = (Attributes(function).tokens(), &function.visibility);
    let (name, parameters) = (
        names::generated(&function.name),
        parameters(expansion, function),
    );
    let message = message(&expansion.actor.request, function, runtime);
    let how = if method.oneway.is_some() {
        emit!(send)
    } else {
        emit!(call)
    };
    let blocking = emit! {
        #docs
        #attributes
        #visibility fn #name(&self, #parameters) -> ::core::result::Result<#value, #runtime::CallError #call_error> {
            self.0.#how(&#message)
        }
    };
    if method.oneway.is_some() {
        return blocking;
    }
    let (twin, docs) = (&method.twin, docs::twin(expansion, method));
    let pending_error = error.map(|error| emit!(, #error));
    emit! {
        #blocking
        #docs
        #attributes
        #visibility fn #twin(&self, #parameters) -> #runtime::Pending<#value #pending_error> {
            self.0.call_async(&#message)
        }
    }
}

/// The attributes that the user's function shares with its frontend methods, docs apart.
struct Attributes<'m>(&'m Function);

impl Attributes<'_> {
    fn tokens(&self) -> TokenStream {
        let carried = &self.0.carried;
        let (cfgs, deprecated, must_use) = (&carried.cfgs, &carried.deprecated, &carried.must_use);
        emit!(#(#cfgs)* #deprecated #must_use)
    }
}

/// `jpeg: &[u8], n: u32`, as the user wrote them.
fn parameters(expansion: &Expansion<'_>, function: &Function) -> TokenStream {
    let lifetimes = if function.is_generic() {
        Lifetimes::Written
    } else {
        Lifetimes::Elided
    };
    let parameters = function.arguments().map(|argument| {
        let (cfgs, name) = (&argument.cfgs, &argument.name);
        let ty = types::place(&argument.ty, &lifetimes, &expansion.actor.self_ty);
        emit!(#(#cfgs)* #name: #ty)
    });
    emit!(#(#parameters),*)
}

/// `DecoderRequest::Decode { jpeg }`.
fn message(message: &syn::Ident, function: &Function, runtime: &syn::Path) -> TokenStream {
    let variant = &function.variant;
    let fields: Vec<TokenStream> = function
        .arguments()
        .map(|argument| field(argument, runtime))
        .collect();
    if fields.is_empty() {
        emit!(#message::#variant)
    } else {
        emit!(#message::#variant { #(#fields),* })
    }
}

/// A field of a message, from the parameter of the same name.
fn field(argument: &Argument, runtime: &syn::Path) -> TokenStream {
    let (cfgs, name) = (&argument.cfgs, &argument.name);
    let field = match argument.carriage {
        Carriage::Ref => emit!(#name: #runtime::Ref::Borrowed(#name)),
        Carriage::OptionalRef => emit!(#name: #name.map(#runtime::Ref::Borrowed)),
        Carriage::Plain | Carriage::Bytes | Carriage::Path => emit!(#name),
    };
    emit!(#(#cfgs)* #field)
}
