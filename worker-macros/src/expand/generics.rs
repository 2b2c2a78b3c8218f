//! The actor's generics as generated items declare and use them.
//! Layer: bottom of `expand`.

use proc_macro2::TokenStream;
use syn::punctuated::Punctuated;
use syn::{
    GenericParam, Generics, Ident, Lifetime, Token, TypeParam, TypeParamBound, WhereClause, WherePredicate,
    parse_quote,
};

/// What generated items need of generics: the declaration, the use and the where clause.
pub(super) struct Declared {
    /// Without defaults, without attributes.
    parameters: Vec<GenericParam>,
    pub(super) where_clause: Option<WhereClause>,
}

impl Declared {
    /// The generics of the actor, with further parameters of a method, if any.
    ///
    /// Everything that travels is decoded into a value of its own, so type parameters are `'static` on top of what
    /// the user asks.
    pub(super) fn new(generics: &Generics, further: Option<&Generics>) -> Self {
        let all = [Some(generics), further];
        let not_lifetime = |parameter: &&GenericParam| !matches!(parameter, GenericParam::Lifetime(_));
        let mut parameters: Vec<GenericParam> = all
            .iter()
            .flatten()
            .flat_map(|generics| generics.params.iter())
            .filter(not_lifetime)
            .map(without_default)
            .collect();
        let written = all.iter().flatten().filter_map(|generics| generics.where_clause.as_ref());
        let about_types = |predicate: &&WherePredicate| !matches!(predicate, WherePredicate::Lifetime(_));
        let mut predicates: Vec<WherePredicate> =
            written.flat_map(|clause| clause.predicates.iter()).filter(about_types).cloned().collect();
        for parameter in &mut parameters {
            if let GenericParam::Type(parameter) = parameter {
                make_static(parameter, &mut predicates);
            }
        }
        let where_clause = (!predicates.is_empty()).then(|| parse_quote!(where #(#predicates),*));
        Self { parameters, where_clause }
    }

    /// `<'a, T: Bound, const N: usize>`, empty when there is nothing to declare.
    pub(super) fn declaration(&self, lifetime: Option<&Lifetime>) -> TokenStream {
        let lifetime = lifetime.into_iter();
        let parameters = self.parameters.iter();
        angle(emit!(#(#lifetime,)* #(#parameters),*))
    }

    /// `<'a, T, N>`, empty when there is nothing to name.
    pub(super) fn arguments(&self, lifetime: Option<&Lifetime>) -> TokenStream {
        let lifetime = lifetime.into_iter();
        let names = self.parameters.iter().map(name);
        angle(emit!(#(#lifetime,)* #(#names),*))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &Ident> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            _ => None,
        })
    }
}

fn angle(content: TokenStream) -> TokenStream {
    if content.is_empty() { content } else { emit!(<#content>) }
}

fn name(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    }
}

fn without_default(parameter: &GenericParam) -> GenericParam {
    let mut parameter = parameter.clone();
    match &mut parameter {
        GenericParam::Type(parameter) => parameter.default = None,
        GenericParam::Const(parameter) => parameter.default = None,
        GenericParam::Lifetime(_) => {}
    }
    parameter
}

/// Adds `'static` where the parameter has its bounds already, unless it is there.
fn make_static(parameter: &mut TypeParam, predicates: &mut [WherePredicate]) {
    let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static");
    let mut own: Vec<_> =
        predicates.iter_mut().filter_map(|predicate| bounds_of(predicate, parameter)).collect();
    let there =
        parameter.bounds.iter().any(is_static) || own.iter().any(|bounds| bounds.iter().any(is_static));
    if there {
        return;
    }
    match own.first_mut() {
        Some(bounds) if parameter.bounds.is_empty() => bounds.push(parse_quote!('static)),
        _ => {
            parameter.colon_token.get_or_insert_default();
            parameter.bounds.push(parse_quote!('static));
        }
    }
}

/// The bounds of `T: ..` for this parameter.
fn bounds_of<'p>(
    predicate: &'p mut WherePredicate,
    parameter: &TypeParam,
) -> Option<&'p mut Punctuated<TypeParamBound, Token![+]>> {
    match predicate {
        WherePredicate::Type(predicate) => {
            let bounded = &predicate.bounded_ty;
            let is_it = matches!(bounded, syn::Type::Path(path) if path.path.is_ident(&parameter.ident));
            is_it.then_some(&mut predicate.bounds)
        }
        _ => None,
    }
}
