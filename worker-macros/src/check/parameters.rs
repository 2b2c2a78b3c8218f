//! Rules about the `Context` that the backend fills in.
//! Layer: part of `check`.

use syn::Type;

use crate::errors::Errors;
use crate::model::Parameter;
use crate::parse::types::bare;

/// `pub fn report(&self, cx: &mut Context<Self>)`, `pub fn report(&self, a: &Context<Self>, b: &Context<Self>)`
pub(super) fn contexts(errors: &mut Errors, parameters: &[Parameter]) {
    for (index, context) in all_contexts(parameters).enumerate() {
        if index > 0 {
            errors.at(context, "the backend fills in one `Context`: remove this one");
        }
        if let Type::Reference(reference) = bare(context)
            && let Some(mutability) = &reference.mutability
        {
            errors.at(mutability, "the `Context` is lent as `&Context<Self>`: remove `mut`");
        }
    }
}

pub(super) fn all_contexts(parameters: &[Parameter]) -> impl Iterator<Item = &Type> {
    parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Context(ty) => Some(ty),
        Parameter::Argument(_) | Parameter::Items(_) => None,
    })
}
