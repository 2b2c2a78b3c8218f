//! The user's types as they stand in messages and on the frontend: lifetimes and `Self` put in place.
//! Layer: bottom of `expand`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    ExprPath, Lifetime, LitStr, ParenthesizedGenericArguments, QSelf, Type, TypeFnPtr, TypeReference,
    parse_quote,
};

use crate::model::{Argument, Carriage};
use crate::names::generated_at;
use crate::parse::types::{bare, is_known, is_str, optional, shared_borrow};

/// What becomes of the lifetimes in a type.
pub(super) enum Lifetimes<'a> {
    /// All borrow from the message.
    Message(&'a Lifetime),
    /// Left out, as in a hand-written signature.
    Elided,
    /// Nothing to borrow from: the value was decoded here.
    Static,
    /// As they are: those of `for<'a>` and `'static` in bounds.
    Kept,
}

struct Place<'a> {
    lifetimes: &'a Lifetimes<'a>,
    self_ty: &'a Type,
}

/// The type with its lifetimes and every `Self` put in place.
pub(super) fn placed<T>(
    ty: &T,
    lifetimes: &Lifetimes<'_>,
    self_ty: &Type,
    visit: fn(&mut Visitor<'_>, &mut T),
) -> T
where
    T: Clone,
{
    let mut ty = ty.clone();
    visit(&mut Visitor(Place { lifetimes, self_ty }), &mut ty);
    ty
}

/// [`placed`] for a type.
pub(super) fn place(ty: &Type, lifetimes: &Lifetimes<'_>, self_ty: &Type) -> Type {
    placed(ty, lifetimes, self_ty, |visitor, ty| visitor.visit_type_mut(ty))
}

pub(super) struct Visitor<'a>(Place<'a>);

impl VisitMut for Visitor<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "static" {
            return;
        }
        match self.0.lifetimes {
            Lifetimes::Message(message) => *lifetime = (*message).clone(),
            Lifetimes::Elided => *lifetime = Lifetime::new("'_", lifetime.span()),
            Lifetimes::Static => *lifetime = Lifetime::new("'static", lifetime.span()),
            Lifetimes::Kept => {}
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.visit_type_mut(&mut reference.elem);
        if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
            return;
        }
        match self.0.lifetimes {
            Lifetimes::Message(message) => reference.lifetime = Some((*message).clone()),
            Lifetimes::Elided => reference.lifetime = None,
            Lifetimes::Kept => {}
            Lifetimes::Static => reference.lifetime = Some(Lifetime::new("'static", Span::mixed_site())),
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(path) = ty else { return };
        if path.qself.is_some() || path.path.segments.first().is_none_or(|first| first.ident != "Self") {
            return;
        }
        if path.path.segments.len() == 1 {
            *ty = self.0.self_ty.clone();
        } else {
            (path.qself, path.path) = qualified(&path.path, self.0.self_ty);
        }
    }

    fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
        visit_mut::visit_expr_path_mut(self, expr);
        let starts = expr.path.segments.first().is_some_and(|first| first.ident == "Self");
        if expr.qself.is_none() && starts && expr.path.segments.len() > 1 {
            (expr.qself, expr.path) = qualified(&expr.path, self.0.self_ty);
        }
    }

    // Lifetimes in here belong to the function type itself.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// `Self::X` as `<Actor>::X`.
fn qualified(path: &syn::Path, self_ty: &Type) -> (Option<QSelf>, syn::Path) {
    let rest = path.segments.iter().skip(1);
    let whole: syn::TypePath = parse_quote!(<#self_ty>::#(#rest)::*);
    (whole.qself, whole.path)
}

/// Whether a type borrows from its message.
pub(super) fn borrows(ty: &Type) -> bool {
    struct Finder(bool);
    impl Visit<'_> for Finder {
        fn visit_lifetime(&mut self, lifetime: &Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_reference(&mut self, reference: &TypeReference) {
            self.0 = true;
            visit::visit_type_reference(self, reference);
        }
        fn visit_type_fn_ptr(&mut self, _: &TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments(&mut self, _: &ParenthesizedGenericArguments) {}
    }
    let mut finder = Finder(false);
    finder.visit_type(ty);
    finder.0
}

/// The type of an argument's field, from `by: &Point` the `::worker_core::Ref<'a, Point>`.
pub(super) fn field(
    argument: &Argument,
    message: &Lifetime,
    self_ty: &Type,
    runtime: &syn::Path,
) -> TokenStream {
    let ty = place(&argument.ty, &Lifetimes::Message(message), self_ty);
    // Where the wrapper cannot be sent, it is because of the type inside.
    let span = generated_at(argument.ty.span());
    let runtime = &located(runtime, span);
    match (argument.carriage, bare(&ty)) {
        (Carriage::Ref, Type::Reference(reference)) => {
            let element = &reference.elem;
            quote_spanned!(span=> #runtime::Ref<#message, #element>)
        }
        (Carriage::OptionalRef, Type::Path(option)) => {
            let mut option = option.clone();
            struct Wrap<'a>(&'a Lifetime, &'a TokenStream, Span);
            impl VisitMut for Wrap<'_> {
                // Only the outermost borrow, so no further descent.
                fn visit_type_mut(&mut self, ty: &mut Type) {
                    let Wrap(message, runtime, span) = self;
                    let span = *span;
                    match bare(ty) {
                        Type::Reference(reference) => {
                            let element = &reference.elem;
                            *ty = Type::Verbatim(quote_spanned!(span=> #runtime::Ref<#message, #element>));
                        }
                        _ => visit_mut::visit_type_mut(self, ty),
                    }
                }
            }
            Wrap(message, runtime, span).visit_path_mut(&mut option.path);
            emit!(#option)
        }
        (Carriage::Descriptor, _) => quote_spanned!(span=> #runtime::descriptor::Lent<#message>),
        // Serde's derive would write `&Option<&T>`, which clippy::pedantic reports; by another name it is silent.
        _ if is_lent_option(argument) => emit!(<#ty as #runtime::__private::Referent>::Owned),
        _ => emit!(#ty),
    }
}

/// The serde attribute of an argument's field.
pub(super) fn field_attribute(argument: &Argument, runtime: &str) -> TokenStream {
    let is_borrow = borrows(&argument.ty);
    // At the type, where a type that cannot travel is reported.
    let with = |name: &str, at: &Type| {
        LitStr::new(&format!("{runtime}::__private::{name}"), generated_at(at.span()))
    };
    match argument.carriage {
        Carriage::Bytes if is_lent_option(argument) => {
            let bytes = with("bytes", &argument.ty);
            emit!(#[serde(borrow, with = #bytes)])
        }
        Carriage::Bytes => {
            let bytes = with("bytes", &argument.ty);
            emit!(#[serde(with = #bytes)])
        }
        Carriage::Path if is_borrow => {
            let path = with("Paths", &argument.ty);
            emit!(#[serde(borrow, with = #path)])
        }
        Carriage::Path => {
            let path = with("Paths", &argument.ty);
            emit!(#[serde(with = #path)])
        }
        Carriage::Plain if is_borrow && !borrowed_by_serde(&argument.ty) => emit!(#[serde(borrow)]),
        Carriage::Plain if !is_borrow && !is_known(&argument.ty) => {
            let by_value = with("ByValue", &argument.ty);
            emit!(#[serde(with = #by_value)])
        }
        Carriage::Ref | Carriage::OptionalRef => match shared_borrow(optional(&argument.ty)) {
            Some(reference) if borrows(&reference.elem) => emit!(#[serde(borrow)]),
            Some(reference) if !is_known(&reference.elem) => {
                let by_ref = with("ByRef", &reference.elem);
                emit!(#[serde(with = #by_ref)])
            }
            _ => TokenStream::new(),
        },
        Carriage::Plain | Carriage::Descriptor => TokenStream::new(),
    }
}

/// Whether this is an optional borrow that a `with` module writes.
fn is_lent_option(argument: &Argument) -> bool {
    let has_module = matches!(argument.carriage, Carriage::Bytes | Carriage::Path);
    has_module
        && !std::ptr::eq(&argument.ty, optional(&argument.ty))
        && shared_borrow(optional(&argument.ty)).is_some()
}

/// Serde itself borrows `&str` and `Option<&str>`; to say so again would be noise.
fn borrowed_by_serde(ty: &Type) -> bool {
    let inner = shared_borrow(optional(ty));
    inner.is_some_and(|reference| is_str(&reference.elem))
}

/// A path as serde's attributes want it.
pub(super) fn path_text(path: &syn::Path) -> String {
    emit!(#path).to_string().replace(' ', "")
}

/// A path of the macro's, shown where the user's type is.
pub(super) fn located(path: &syn::Path, span: Span) -> TokenStream {
    let moved = |mut tree: TokenTree| {
        tree.set_span(tree.span().located_at(span));
        tree
    };
    path.to_token_stream().into_iter().map(moved).collect()
}
