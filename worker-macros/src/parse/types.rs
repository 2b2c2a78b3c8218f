//! Reads types by their syntax: what is a borrow, bytes, a path, a result, the actor itself.
//! A macro sees names only; whatever it cannot know stays as written. Layer: bottom of `parse`.

use std::borrow::Cow;

use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Type, TypeParamBound, TypeReference,
    parse_quote_spanned,
};

use crate::model::{Carriage, Fallible, Reply, Said, Yields};
use crate::words;

/// The type without the invisible groups of `macro_rules!` fragments and without parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

fn path(ty: &Type) -> Option<&Path> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => Some(&path.path),
        _ => None,
    }
}

/// The last segment of a path type.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    path(ty)?.segments.last()
}

/// The type arguments of the last segment; `None` when it has arguments of another kind.
fn type_arguments(segment: &PathSegment) -> Option<Vec<&Type>> {
    match &segment.arguments {
        PathArguments::None => Some(Vec::new()),
        PathArguments::Parenthesized(_) => None,
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
    }
}

/// `name<T>`, whatever stands before it: this `T`.
pub(crate) fn only_argument<'ty>(ty: &'ty Type, name: &str) -> Option<&'ty Type> {
    let segment = last_segment(ty)?;
    match type_arguments(segment)?.as_slice() {
        [argument] if segment.ident == name => Some(argument),
        _ => None,
    }
}

/// `name` alone or `module::name` (so that a user's own `shapes::Path` is not taken for it).
pub(crate) fn is_std(ty: &Type, module: &str, name: &str) -> bool {
    let Some(path) = path(ty) else { return false };
    let mut segments = path.segments.iter().rev();
    let is_name = segments.next().is_some_and(|last| last.ident == name && last.arguments.is_empty());
    is_name && segments.next().is_none_or(|before| before.ident == module)
}

/// `BorrowedFd<'_>`, alone or behind `fd::`.
fn is_borrowed_descriptor(ty: &Type) -> bool {
    let Some(path) = path(ty) else { return false };
    let mut segments = path.segments.iter().rev();
    let is_name = segments.next().is_some_and(|last| last.ident == "BorrowedFd");
    is_name && segments.next().is_none_or(|before| matches!(before.ident.to_string().as_str(), "fd" | "io"))
}

fn is_word(ty: &Type, name: &str) -> bool {
    path(ty).is_some_and(|path| path.is_ident(name))
}

pub(crate) fn is_str(ty: &Type) -> bool {
    is_word(ty, "str")
}

/// `[u8]`.
pub(crate) fn is_byte_slice(ty: &Type) -> bool {
    matches!(bare(ty), Type::Slice(slice) if is_word(&slice.elem, "u8"))
}

/// `Path` of the standard library.
pub(crate) fn is_std_path(ty: &Type) -> bool {
    is_std(ty, "path", "Path")
}

fn is_owned_bytes(ty: &Type) -> bool {
    let is_vec = only_argument(ty, "Vec").is_some_and(|element| is_word(element, "u8"));
    is_vec || only_argument(ty, "Box").is_some_and(is_byte_slice)
}

/// The shared borrow in `&T`.
pub(crate) fn shared_borrow(ty: &Type) -> Option<&TypeReference> {
    match bare(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Some(reference),
        _ => None,
    }
}

/// Whether this is `&Context<..>`, which never travels.
pub(crate) fn is_context(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => only_argument(&reference.elem, words::CONTEXT).is_some(),
        _ => false,
    }
}

/// The `T` of an `Option<T>`, or the type itself.
pub(crate) fn optional(ty: &Type) -> &Type {
    only_argument(ty, "Option").unwrap_or(ty)
}

/// How an argument of this type sits in its message.
pub(crate) fn carriage(ty: &Type) -> Carriage {
    match only_argument(ty, "Option") {
        Some(inner) => match direct(inner) {
            Carriage::Ref => Carriage::OptionalRef,
            Carriage::Descriptor => Carriage::Plain,
            carriage => carriage,
        },
        None => direct(ty),
    }
}

fn direct(ty: &Type) -> Carriage {
    if let Some(reference) = shared_borrow(ty) {
        return match &*reference.elem {
            element if is_str(element) => Carriage::Plain,
            element if is_byte_slice(element) => Carriage::Bytes,
            element if is_std_path(element) => Carriage::Path,
            _ => Carriage::Ref,
        };
    }
    match ty {
        _ if is_owned_bytes(ty) => Carriage::Bytes,
        _ if is_std(ty, "path", "PathBuf") => Carriage::Path,
        _ if is_borrowed_descriptor(ty) => Carriage::Descriptor,
        _ => Carriage::Plain,
    }
}

/// Whether serde certainly knows this type: a plain one of the language or the standard library, or made of such.
pub(crate) fn is_known(ty: &Type) -> bool {
    match bare(ty) {
        Type::Tuple(tuple) => tuple.elems.iter().all(is_known),
        Type::Slice(slice) => is_known(&slice.elem),
        Type::Path(path) if path.qself.is_none() => match path.path.segments.last() {
            Some(last)
                if path.path.segments.len() == 1
                    && words::KNOWN_TYPES.iter().any(|known| last.ident == known) =>
            {
                type_arguments(last).is_some_and(|arguments| arguments.into_iter().all(is_known))
            }
            _ => false,
        },
        _ => false,
    }
}

/// What a method with this return type gives back, by what the user says of it or else by its name.
pub(crate) fn reply(output: &ReturnType, said: Option<&Said>) -> Reply {
    let ReturnType::Type(_, ty) = output else {
        return Reply::Unit;
    };
    match bare(ty) {
        Type::Never(_) => return Reply::Never,
        Type::Tuple(tuple) if tuple.elems.is_empty() => return Reply::Unit,
        _ => {}
    }
    if let Some((yields, item)) = streamed(ty) {
        return Reply::Stream(yields, item.clone());
    }
    match result(ty, said) {
        Some(Outcome::Parts(value, error)) if lent(value).is_some() => {
            Reply::LentResult(value.clone(), error.into_owned())
        }
        Some(Outcome::Parts(value, error)) => Reply::Result(value.clone(), error.into_owned()),
        Some(Outcome::Alias(_)) => Reply::Alias((**ty).clone()),
        None if lent(ty).is_some() => Reply::Lent((**ty).clone()),
        None => Reply::Value((**ty).clone()),
    }
}

/// The `T` of `impl Iterator<Item = T>` and of `impl Stream<Item = T>`, with which of them it is.
pub(crate) fn streamed(ty: &Type) -> Option<(Yields, &Type)> {
    let Type::ImplTrait(imp) = bare(ty) else {
        return None;
    };
    let (yields, source) = imp.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last()?;
            match () {
                () if last.ident == words::ITERATOR => Some((Yields::Iterator, last)),
                () if last.ident == words::STREAM => Some((Yields::Stream(last.ident.span()), last)),
                () => None,
            }
        }
        _ => None,
    })?;
    let PathArguments::AngleBracketed(arguments) = &source.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == words::ITEM => Some((yields, &item.ty)),
        _ => None,
    })
}

/// What a reply of this type lends: the `T` of `&T` and of `Cow<'_, T>`, also inside `Option` and `Vec`.
pub(crate) fn lent(ty: &Type) -> Option<&Type> {
    if let Some(reference) = shared_borrow(ty) {
        return Some(&reference.elem);
    }
    if let Some(segment) = last_segment(ty).filter(|segment| segment.ident == words::COW) {
        return lent_by_cow(segment);
    }
    only_argument(ty, "Option").or_else(|| only_argument(ty, "Vec")).and_then(lent)
}

/// The `T` of `Cow<'_, T>` and of `Cow<T>`, but not of `Cow<'static, T>`, which is owned as far as anybody can tell.
fn lent_by_cow(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    let mut arguments = arguments.args.iter();
    let first = match arguments.next()? {
        GenericArgument::Lifetime(lifetime) if lifetime.ident == "static" => return None,
        GenericArgument::Lifetime(_) => arguments.next()?,
        first => first,
    };
    match (first, arguments.next()) {
        (GenericArgument::Type(ty), None) => Some(ty),
        _ => None,
    }
}

/// A return type that is taken for a result.
#[expect(clippy::large_enum_variant, reason = "looked at once, and not kept")]
pub(crate) enum Outcome<'ty> {
    /// `Result<T, E>`, or `io::Result<T>`, whose error everybody knows.
    Parts(&'ty Type, Cow<'ty, Type>),
    /// An alias, with its type arguments.
    Alias(Vec<&'ty Type>),
}

/// `Result<T, E>`; else a name that ends in `Result`, with at least one type; or what the user says.
pub(crate) fn result<'ty>(ty: &'ty Type, said: Option<&Said>) -> Option<Outcome<'ty>> {
    if said.is_some_and(|said| !said.fallible) {
        return None;
    }
    let is_said = said.is_some();
    let Some(segment) = last_segment(ty) else {
        return is_said.then(|| Outcome::Alias(Vec::new()));
    };
    let arguments = type_arguments(segment).unwrap_or_default();
    match arguments.as_slice() {
        [value, error] if !is_said && segment.ident == words::RESULT => {
            Some(Outcome::Parts(value, Cow::Borrowed(error)))
        }
        [value] if !is_said && is_io_result(ty) => {
            let error = Type::Path(parse_quote_spanned!(ty.span()=> ::std::io::Error));
            Some(Outcome::Parts(value, Cow::Owned(error)))
        }
        arguments => {
            let named = segment.ident.to_string().ends_with(words::RESULT) && !arguments.is_empty();
            (is_said || named).then(|| Outcome::Alias(arguments.to_vec()))
        }
    }
}

/// `io::Result<T>` or `std::io::Result<T>`: an alias in any other module is for the compiler to see through.
fn is_io_result(ty: &Type) -> bool {
    let Some(path) = path(ty) else { return false };
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    matches!(names.as_slice(), ["io", words::RESULT] | ["std", "io", words::RESULT])
}

/// Whether a function with this return type makes the actor, and how it can fail.
pub(crate) fn constructs(output: &ReturnType, self_ty: &Type, said: Option<&Said>) -> Option<Fallible> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    if is_self(ty, self_ty) {
        return Some(Fallible::Never);
    }
    match result(ty, said)? {
        Outcome::Parts(value, error) if is_self(value, self_ty) => Some(Fallible::Error(error.into_owned())),
        Outcome::Alias(arguments) if arguments.iter().any(|argument| is_self(argument, self_ty)) => {
            Some(Fallible::Alias((**ty).clone()))
        }
        _ => None,
    }
}

fn is_self(ty: &Type, self_ty: &Type) -> bool {
    is_word(ty, "Self")
        || bare(ty).to_token_stream().to_string() == bare(self_ty).to_token_stream().to_string()
}
