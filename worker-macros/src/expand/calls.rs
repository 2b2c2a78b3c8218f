//! The frontend's methods.
//! Input: `pub fn decode(&mut self, jpeg: &[u8]) -> Result<Image, DecodeError>`
//! Output: `decode` with `Result<Image, CallError<DecodeError>>`, which waits, and `decode_async` with
//! `Pending<Image, DecodeError>`, which does not; for a constructor, `spawn` and `spawn_with`.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Type;

use super::generics::Declared;
use super::types::{self, Lifetimes};
use super::{Expansion, docs, generic, replies};
use crate::model::{Argument, Carriage, Constructor, Fallible, Function, Method, Reply};
use crate::{names, words};

/// `spawn` and `spawn_with`, or `spawn_name` and `spawn_name_with`.
pub(super) fn constructor(expansion: &Expansion<'_>, constructor: &Constructor) -> TokenStream {
    let (runtime, function) = (expansion.runtime, &constructor.function);
    let (spawn, spawn_with) = (&constructor.spawn, &constructor.spawn_with);
    let error = replies::spawn_error(expansion, constructor);
    let docs = docs::spawn(expansion, function, !matches!(constructor.fallible, Fallible::Never));
    let docs_with = docs::spawn_with(expansion, spawn);
    let (attributes, visibility) = (attributes(function), names::generated_visibility(&function.visibility));
    let parameters = parameters(expansion, function);
    // Refused on a constructor, so this is for the skeleton only.
    let generics = Declared::new(&generic::own(expansion, function), None);
    let (declaration, where_clause) = (generics.declaration(None), &generics.where_clause);
    let message = message(expansion, &expansion.actor.constructor, function);
    let conditional = function.arguments().any(|argument| !argument.cfgs.is_empty());
    let names = function.arguments().map(|argument| &argument.name);
    // At the return type, where an error that cannot travel is reported.
    let span = names::at_output(function, words::SPAWN).span();
    let located = types::located(runtime, span);
    let made = |builder: TokenStream| match &constructor.fallible {
        Fallible::Never => emit!(#runtime::Handle::spawn(#builder, &#message).map(Self)),
        Fallible::Error(_) | Fallible::Alias(_) => {
            let spawning = quote_spanned!(span=> #located::Handle::spawn_fallible(#builder, &#message));
            let carried = replies::carried(function, spawning);
            emit!(#carried.map(Self))
        }
    };
    let plain = if conditional {
        // An argument of a call cannot carry a `#[cfg]`, a field of a literal can.
        made(emit!(&#runtime::Builder::new()))
    } else {
        emit!(Self::#spawn_with(&#runtime::Builder::new(), #(#names),*))
    };
    let body = expansion.body(plain);
    let body_with = expansion.body(made(emit!(builder)));
    emit! {
        #docs
        #attributes
        #visibility fn #spawn #declaration (#parameters) -> ::core::result::Result<Self, #error> #where_clause {
            #body
        }
        #docs_with
        #attributes
        #visibility fn #spawn_with #declaration (
            builder: &#runtime::Builder,
            #parameters
        ) -> ::core::result::Result<Self, #error> #where_clause {
            #body_with
        }
    }
}

/// The blocking method and its twin, or the one-way method alone.
pub(super) fn method(expansion: &Expansion<'_>, method: &Method) -> TokenStream {
    if let Reply::Stream(_, item) = &method.reply {
        return stream(expansion, method, &replies::item(expansion, item));
    }
    let function = &method.function;
    let (call, call_async) = senders(method);
    // Whatever the compiler has against these is about the return type.
    let at = call.span();
    let returned = replies::returned(expansion, method, &types::located(expansion.runtime, at));
    let docs = docs::call(expansion, method, returned.fallible);
    let (attributes, visibility) = (attributes(function), names::generated_visibility(&function.visibility));
    let (name, parameters) = (names::generated(&function.name), parameters(expansion, function));
    let generics = Declared::new(&generic::own(expansion, function), None);
    let (declaration, where_clause) = (generics.declaration(None), &generics.where_clause);
    let message = message(expansion, &expansion.actor.request, function);
    let sent = quote_spanned!(at=> self.0.#call(&#message));
    let body = if method.oneway.is_some() { sent } else { replies::carried(function, sent) };
    let queued = replies::carried(function, quote_spanned!(at=> self.0.#call_async(&#message)));
    let (body, body_async) = (expansion.body(body), expansion.body(queued));
    let (result, pending) = (&returned.result, &returned.pending);
    let blocking = quote_spanned! {at=>
        #docs
        #attributes
        #visibility fn #name #declaration (&self, #parameters) -> #result #where_clause {
            #body
        }
    };
    if method.oneway.is_some() {
        return blocking;
    }
    let (twin, docs) = (&method.twin, docs::twin(expansion, method));
    quote_spanned! {at=>
        #blocking
        #docs
        #attributes
        #visibility fn #twin #declaration (&self, #parameters) -> #pending #where_clause {
            #body_async
        }
    }
}

/// The method that gives a stream; it has no twin, for it does not wait.
fn stream(expansion: &Expansion<'_>, method: &Method, item: &Type) -> TokenStream {
    let (runtime, function) = (expansion.runtime, &method.function);
    let (docs, attributes, visibility) = (
        docs::stream(expansion, method),
        attributes(function),
        names::generated_visibility(&function.visibility),
    );
    let (name, parameters) = (names::generated(&function.name), parameters(expansion, function));
    let generics = Declared::new(&generic::own(expansion, function), None);
    let (declaration, where_clause) = (generics.declaration(None), &generics.where_clause);
    let message = message(expansion, &expansion.actor.request, function);
    let send = names::at_output(function, "stream");
    let (at, items) = (send.span(), Ident::new(words::ITEMS, send.span()));
    let runtime = types::located(runtime, at);
    let body = expansion.body(quote_spanned!(at=> self.0.#send(|#items| #message)));
    quote_spanned! {at=>
        #docs
        #attributes
        #visibility fn #name #declaration (&self, #parameters)
            -> ::core::result::Result<#runtime::Stream<#item>, #runtime::CallError> #where_clause {
            #body
        }
    }
}

/// The handle's methods that send: the one that waits, or the one-way one, and the one that does not wait.
fn senders(method: &Method) -> (Ident, Ident) {
    let (call, call_async) = match (method.oneway.is_some(), method.function.is_generic()) {
        (false, false) => ("call", "call_async"),
        (true, false) => ("send", "send"),
        (false, true) => ("call_generic", "call_generic_async"),
        (true, true) => ("send_generic", "send_generic"),
    };
    let function = &method.function;
    (names::at_output(function, call), names::at_output(function, call_async))
}

/// The attributes that the user's function shares with its frontend methods, docs apart.
fn attributes(function: &Function) -> TokenStream {
    let carried = &function.carried;
    let (cfgs, deprecated, must_use) = (&carried.cfgs, &carried.deprecated, &carried.must_use);
    emit!(#(#cfgs)* #deprecated #must_use)
}

/// `jpeg: &[u8], n: u32`, as the user wrote them.
fn parameters(expansion: &Expansion<'_>, function: &Function) -> TokenStream {
    let parameters = function.given().map(|argument| {
        let (cfgs, name) = (&argument.cfgs, &argument.name);
        let ty = types::place(&argument.ty, &Lifetimes::Elided, &expansion.actor.self_ty);
        emit!(#(#cfgs)* #name: #ty)
    });
    emit!(#(#parameters),*)
}

/// `DecoderRequest::Decode { jpeg }`, or for a generic method `DecoderPut { key, value }`.
fn message(expansion: &Expansion<'_>, message: &Ident, function: &Function) -> TokenStream {
    let fields: Vec<TokenStream> =
        function.arguments().map(|argument| field(argument, expansion.runtime)).collect();
    if function.is_generic() {
        return generic::literal(expansion, function, &fields);
    }
    let variant = &function.variant;
    if fields.is_empty() { emit!(#message::#variant) } else { emit!(#message::#variant { #(#fields),* }) }
}

/// A field of a message, from the parameter of the same name.
fn field(argument: &Argument, runtime: &syn::Path) -> TokenStream {
    let (cfgs, name) = (&argument.cfgs, &argument.name);
    let field = match argument.carriage {
        Carriage::Ref => emit!(#name: #runtime::Ref::Borrowed(#name)),
        Carriage::OptionalRef => emit!(#name: #name.map(#runtime::Ref::Borrowed)),
        Carriage::Descriptor => emit!(#name: #runtime::descriptor::Lent::Borrowed(#name)),
        Carriage::Plain | Carriage::Bytes | Carriage::Path => emit!(#name),
    };
    emit!(#(#cfgs)* #field)
}
