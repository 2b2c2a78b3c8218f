//! The types of replies: what the frontend gives back, and how the backend answers.
//! Input: `fn name(&self) -> Option<&str>`
//! Output: `Option<::std::string::String>` on the frontend, and `call.reply_lent(self.name()).carry()` in the backend.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericArgument, Lifetime, PathArguments, PathSegment, Type, parse_quote, parse_quote_spanned};

use super::types::{self, Lifetimes, place};
use crate::model::{Fallible, Function, Method, Reply, Yields};
use crate::names::{self, generated_at};
use crate::parse::types::{bare, is_std, is_std_path, is_str};
use crate::words;

/// The value and the error of a reply as the frontend gives it back.
pub(super) fn reply(
    reply: &Reply,
    self_ty: &Type,
    runtime: &syn::Path,
) -> (TokenStream, Option<TokenStream>) {
    let placed = |ty: &Type| place(ty, &Lifetimes::Static, self_ty);
    match reply {
        Reply::Unit | Reply::Never => (emit!(()), None),
        Reply::Value(ty) | Reply::Stream(_, ty) => {
            let ty = placed(ty);
            (emit!(#ty), None)
        }
        Reply::Lent(ty) => {
            let ty = placed(&owned(ty));
            (emit!(#ty), None)
        }
        Reply::Result(value, error) => {
            let (value, error) = (placed(value), placed(error));
            (emit!(#value), Some(emit!(#error)))
        }
        Reply::LentResult(value, error) => {
            let (value, error) = (placed(&owned(value)), placed(error));
            (emit!(#value), Some(emit!(#error)))
        }
        Reply::Alias(ty) => {
            let ty = placed(ty);
            (part_of_alias(&ty, runtime, "Value"), Some(part_of_alias(&ty, runtime, "Error")))
        }
    }
}

/// The error of a constructor.
pub(super) fn constructor_error(
    fallible: &Fallible,
    self_ty: &Type,
    runtime: &syn::Path,
) -> Option<TokenStream> {
    match fallible {
        Fallible::Never => None,
        Fallible::Error(ty) => {
            let ty = place(ty, &Lifetimes::Static, self_ty);
            Some(emit!(#ty))
        }
        Fallible::Alias(ty) => {
            let ty = place(ty, &Lifetimes::Static, self_ty);
            Some(part_of_alias(&ty, runtime, "Error"))
        }
    }
}

/// A part of an alias of a result; a type of another sort is reported where it is written.
fn part_of_alias(ty: &Type, runtime: &syn::Path, part: &str) -> TokenStream {
    let span = generated_at(ty.span());
    let part = Ident::new(part, span);
    quote_spanned!(span=> <#ty as #runtime::__private::Fallible>::#part)
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

/// The user's call, its value handed to the runtime in the way its type asks for.
pub(super) fn answer(runtime: &syn::Path, method: &Method, user_call: TokenStream) -> TokenStream {
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
    let value = match &method.reply {
        Reply::Stream(..) => {
            let items = Ident::new(words::ITEMS, how.span());
            quote_spanned!(how.span()=> #items, #user_call)
        }
        // A type of another sort is to be refused in our words, at the type.
        Reply::Alias(_) => {
            let fallible = types::located(&parse_quote!(#runtime::__private::Fallible), how.span());
            quote_spanned!(how.span()=> #fallible::result(#user_call))
        }
        _ => user_call,
    };
    carried(&method.function, quote_spanned!(how.span()=> call.#how(#value)))
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
