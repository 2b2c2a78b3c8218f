//! The types of replies: what the frontend gives back, and how the backend answers.
//! Input: `fn name(&self) -> Option<&str>`
//! Output: `Option<::std::string::String>` on the frontend, and `call.reply_lent(self.name()).carry()` in the backend.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericArgument, GenericParam, Lifetime, PathArguments, PathSegment, Type, parse_quote_spanned};

use super::Expansion;
use super::messages::mentions;
use super::types::{self, Lifetimes, place};
use crate::model::{Constructor, Fallible, Function, Method, Reply, Yields};
use crate::names::{self, generated_at};
use crate::parse::types::{bare, is_std, is_std_path, is_str};
use crate::words;

/// The reply of a method as the frontend gives it back.
pub(super) struct Returned {
    /// From the method that waits.
    pub(super) result: TokenStream,
    /// From its twin.
    pub(super) pending: TokenStream,
    /// The backend's method can fail.
    pub(super) fallible: bool,
}

/// What the frontend's method and its twin return, every type of the runtime at the user's return type.
pub(super) fn returned(expansion: &Expansion<'_>, method: &Method, runtime: &TokenStream) -> Returned {
    let placed = |ty: &Type| place(ty, &Lifetimes::Static, &expansion.actor.self_ty);
    let (value, error) = match &method.reply {
        Reply::Unit | Reply::Never => (emit!(()), None),
        Reply::Value(ty) | Reply::Stream(_, ty) => (placed(ty).into_token_stream(), None),
        Reply::Lent(ty) => (placed(&owned(ty)).into_token_stream(), None),
        Reply::Result(value, error) => (placed(value).into_token_stream(), Some(placed(error))),
        Reply::LentResult(value, error) => (placed(&owned(value)).into_token_stream(), Some(placed(error))),
        Reply::Alias(ty) => {
            let ty = placed(ty);
            let (result, pending) = (
                alias(expansion, &method.function, &ty, "ResultOf"),
                alias(expansion, &method.function, &ty, "PendingOf"),
            );
            return Returned { result, pending, fallible: true };
        }
    };
    let call_error = error.as_ref().map(|error| emit!(<#error>));
    let pending_error = error.as_ref().map(|error| emit!(, #error));
    let at = names::at_output(&method.function, words::RESULT).span();
    Returned {
        result: quote_spanned!(at=> ::core::result::Result<#value, #runtime::CallError #call_error>),
        pending: quote_spanned!(at=> #runtime::Pending<#value #pending_error>),
        fallible: error.is_some(),
    }
}

/// The item of a stream as the frontend gives it back.
pub(super) fn item(expansion: &Expansion<'_>, item: &Type) -> Type {
    place(item, &Lifetimes::Static, &expansion.actor.self_ty)
}

/// Why a constructor gave no actor: `SpawnError<OpenError>`.
pub(super) fn spawn_error(expansion: &Expansion<'_>, constructor: &Constructor) -> TokenStream {
    let (runtime, self_ty) = (expansion.runtime, &expansion.actor.self_ty);
    match &constructor.fallible {
        Fallible::Never => emit!(#runtime::SpawnError),
        Fallible::Error(ty) => {
            let ty = place(ty, &Lifetimes::Static, self_ty);
            emit!(#runtime::SpawnError<#ty>)
        }
        Fallible::Alias(ty) => {
            let ty = place(ty, &Lifetimes::Static, self_ty);
            alias(expansion, &constructor.function, &ty, "SpawnErrorOf")
        }
    }
}

/// `ResultOf<MyResult<T>>`: the parts of an alias of a result, for the compiler to see through. A type of another sort is
/// reported where it is written, and by its constant nowhere else; types that are chosen later can stand in none.
fn alias(expansion: &Expansion<'_>, function: &Function, ty: &Type, name: &str) -> TokenStream {
    let span = generated_at(ty.span());
    let runtime = types::located(expansion.runtime, span);
    let name = Ident::new(name, span);
    if is_chosen_later(expansion, function, ty) {
        quote_spanned!(span=> #runtime::__private::#name<#ty>)
    } else {
        let it = shown_at(ty, span);
        quote_spanned!(span=> #runtime::__private::#name<#ty, { <#it as #runtime::__private::Fallible>::TAKEN }>)
    }
}

/// Whether a type has parameters of the actor or of the method in it.
fn is_chosen_later(expansion: &Expansion<'_>, function: &Function, ty: &Type) -> bool {
    let tokens = ty.to_token_stream();
    let mut parameters = expansion.actor.generics.params.iter().chain(&function.original.generics.params);
    parameters.any(|parameter| match parameter {
        GenericParam::Type(parameter) => mentions(&tokens, &parameter.ident),
        GenericParam::Const(parameter) => mentions(&tokens, &parameter.ident),
        GenericParam::Lifetime(_) => false,
    })
}

/// What an alias of a result stands for. A type of another sort is refused in our words, and in the same as by its
/// signature, so that the compiler says so once.
fn seen_through(
    expansion: &Expansion<'_>,
    function: &Function,
    ty: &Type,
    user_call: TokenStream,
) -> TokenStream {
    let span = generated_at(ty.span());
    let runtime = types::located(expansion.runtime, span);
    let ty = place(ty, &Lifetimes::Static, &expansion.actor.self_ty);
    if is_chosen_later(expansion, function, &ty) {
        quote_spanned!(span=> #runtime::__private::Fallible::<true>::result(#user_call))
    } else {
        let it = shown_at(&ty, span);
        quote_spanned!(span=> <#it as #runtime::__private::Fallible>::result(#user_call))
    }
}

/// The type with all that the compiler says of it at one place. `$crate` stays, as only its own span tells which crate.
fn shown_at(ty: &Type, span: Span) -> TokenStream {
    let shown = |mut tree: TokenTree| {
        if tree.to_string() != "$crate" {
            tree.set_span(span);
        }
        tree
    };
    ty.to_token_stream().into_iter().map(shown).collect()
}

/// The owned form of what a method lends, as it would be written by hand.
fn owned(ty: &Type) -> Type {
    struct Owning;
    impl VisitMut for Owning {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            match bare(ty) {
                Type::Reference(reference) => *ty = owned_referent(&reference.elem),
                _ => visit_mut::visit_type_mut(self, ty),
            }
        }

        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            match &mut segment.arguments {
                PathArguments::AngleBracketed(arguments) if segment.ident == words::COW => {
                    let lifetime = Lifetime::new("'static", generated_at(segment.ident.span()));
                    let borrowed =
                        arguments.args.iter().filter(|argument| matches!(argument, GenericArgument::Type(_)));
                    let all = std::iter::once(GenericArgument::Lifetime(lifetime)).chain(borrowed.cloned());
                    arguments.args = all.collect();
                }
                _ => visit_mut::visit_path_segment_mut(self, segment),
            }
        }
    }
    let mut ty = ty.clone();
    Owning.visit_type_mut(&mut ty);
    ty
}

/// `String` for `str`, `Vec<T>` for `[T]`; any other type is its own.
fn owned_referent(ty: &Type) -> Type {
    let span = generated_at(ty.span());
    match ty {
        Type::Slice(slice) => {
            let element = &slice.elem;
            parse_quote_spanned!(span=> ::std::vec::Vec<#element>)
        }
        _ if is_str(ty) => parse_quote_spanned!(span=> ::std::string::String),
        _ if is_std_path(ty) => parse_quote_spanned!(span=> ::std::path::PathBuf),
        _ if is_std(ty, "ffi", "OsStr") => parse_quote_spanned!(span=> ::std::ffi::OsString),
        _ if is_std(ty, "ffi", "CStr") => parse_quote_spanned!(span=> ::std::ffi::CString),
        _ => ty.clone(),
    }
}

/// The user's call, its value handed to the runtime in the way its type asks for. Types that were read by their names
/// are named again, so that what leaves is what the frontend decodes.
pub(super) fn answer(expansion: &Expansion<'_>, method: &Method, user_call: TokenStream) -> TokenStream {
    let how = match &method.reply {
        _ if method.oneway.is_some() => return user_call,
        Reply::Never => return user_call,
        Reply::Unit | Reply::Value(_) => "reply",
        Reply::Lent(_) => "reply_lent",
        Reply::Stream(..) => "stream",
        Reply::Result(..) | Reply::Alias(_) => "reply_result",
        Reply::LentResult(..) => "reply_lent_result",
    };
    let how = names::at_output(&method.function, how);
    let (mut types, mut value) = (None, user_call);
    match &method.reply {
        Reply::Stream(..) => {
            let items = Ident::new(words::ITEMS, how.span());
            value = quote_spanned!(how.span()=> #items, #value);
        }
        Reply::Alias(ty) => value = seen_through(expansion, &method.function, ty, value),
        Reply::Result(ok, error) => {
            let (ok, error) = (elided(ok), elided(error));
            types = Some(emit!(::<#ok, #error>));
        }
        Reply::LentResult(ok, error) => {
            let (ok, error) =
                (lent_as(ok).map_or_else(|| emit!(_), ToTokens::into_token_stream), elided(error));
            types = Some(emit!(::<#ok, #error>));
        }
        Reply::Lent(ty) => types = lent_as(ty).map(|ty| emit!(::<#ty>)),
        _ => {}
    }
    carried(&method.function, quote_spanned!(how.span()=> call.#how #types(#value)))
}

/// A constructor's result, handed over like a method's.
pub(super) fn made(
    expansion: &Expansion<'_>,
    constructor: &Constructor,
    user_call: TokenStream,
) -> TokenStream {
    let how = names::at_output(&constructor.function, "result");
    let made = match &constructor.fallible {
        Fallible::Never => return emit!(birth.value(#user_call)),
        Fallible::Alias(ty) => {
            let result = seen_through(expansion, &constructor.function, ty, user_call);
            quote_spanned!(how.span()=> birth.#how(#result))
        }
        Fallible::Error(error) => {
            let error = elided(error);
            quote_spanned!(how.span()=> birth.#how::<#error>(#user_call))
        }
    };
    carried(&constructor.function, made)
}

/// A type as it stands in a body, where lifetimes of the signature have no names.
fn elided(ty: &Type) -> Type {
    struct Elided;
    impl VisitMut for Elided {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                *lifetime = Lifetime::new("'_", lifetime.span());
            }
        }
    }
    let mut ty = ty.clone();
    Elided.visit_type_mut(&mut ty);
    ty
}

/// What a method lends, by its full name, if its owned form was chosen by the name.
fn lent_as(ty: &Type) -> Option<Type> {
    struct Named(bool);
    impl VisitMut for Named {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            let full: Option<Type> = match bare(ty) {
                path if is_std_path(path) => {
                    Some(parse_quote_spanned!(generated_at(path.span())=> ::std::path::Path))
                }
                path if is_std(path, "ffi", "OsStr") => {
                    Some(parse_quote_spanned!(generated_at(path.span())=> ::std::ffi::OsStr))
                }
                path if is_std(path, "ffi", "CStr") => {
                    Some(parse_quote_spanned!(generated_at(path.span())=> ::std::ffi::CStr))
                }
                _ => None,
            };
            match full {
                Some(full) => (*ty, self.0) = (full, true),
                None => visit_mut::visit_type_mut(self, ty),
            }
        }
    }
    let (mut ty, mut named) = (elided(ty), Named(false));
    named.visit_type_mut(&mut ty);
    named.0.then_some(ty)
}

/// The same for what a method of an actor with a runtime yields: whoever waits for room keeps no task from running.
pub(super) fn streamed(method: &Method, yields: Yields, user_call: TokenStream) -> TokenStream {
    let how = match yields {
        Yields::Iterator => "stream_iter",
        Yields::Stream(_) => "stream_async",
    };
    let how = names::at_output(&method.function, how);
    let items = Ident::new(words::ITEMS, how.span());
    carried(&method.function, quote_spanned!(how.span()=> call.#how(#items, #user_call).await))
}

/// `crossing.carry()`, which is blamed for a type that cannot cross: all of it stands at the user's return type.
pub(super) fn carried(function: &Function, crossing: TokenStream) -> TokenStream {
    let carry = names::at_output(function, "carry");
    quote_spanned!(carry.span()=> #crossing.#carry())
}
