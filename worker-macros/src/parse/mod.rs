//! Tokens in, model out. Recovers per option, per item and per function, and reports each mistake of syntax.
//! Rules are the business of `check`. Layer: above `model`.

pub(crate) mod attributes;
pub(crate) mod block;
mod function;
pub(crate) mod types;

use proc_macro2::{Ident, TokenStream};
use syn::{Token, Type};

use self::block::{Block, Item};
use crate::args::{self, Options};
use crate::errors::Errors;
use crate::model::Actor;
use crate::{names, words};

/// What could be read.
pub(crate) enum Parsed {
    /// A block with a name to hang a frontend on.
    Actor(Box<Actor>, Block),
    /// A block without one.
    Block(Block),
    /// No block at all.
    Nothing,
}

/// Reads the attribute and the item below it.
pub(crate) fn parse(errors: &mut Errors, args: TokenStream, item: TokenStream) -> Parsed {
    let options = args::parse(errors, args);
    let block = match block::cut(errors, item) {
        Ok(block) => block,
        Err(error) => {
            errors.push(error);
            return Parsed::Nothing;
        }
    };
    let Some(name) = actor_name(&block.header.self_ty) else {
        errors.at(
            &block.header.self_ty,
            "an actor must be a named type, such as a struct or an enum: write `impl Name { .. }`",
        );
        return Parsed::Block(block);
    };
    let mut actor = Box::new(empty(&block, options, &name));
    for item in &block.items {
        if let Item::Function(function) = item {
            function::add(errors, &mut actor, function);
        }
    }
    Parsed::Actor(actor, block)
}

fn actor_name(self_ty: &Type) -> Option<Ident> {
    let segment = types::last_segment(self_ty)?;
    let keyword = ["Self", "self", "super", "crate"].iter().any(|keyword| segment.ident == keyword);
    if keyword || matches!(segment.arguments, syn::PathArguments::Parenthesized(_)) {
        return None;
    }
    Some(segment.ident.clone())
}

fn empty(block: &Block, options: Options, name: &Ident) -> Actor {
    let runtime = options.runtime();
    let named = |chosen: Option<Ident>, suffix: &str| chosen.unwrap_or_else(|| names::suffixed(name, suffix));
    Actor {
        runtime,
        cfgs: attributes::cfgs(&block.header.attrs),
        implemented: block.header.trait_.as_ref().map(|(path, _): &(_, Token![for])| path.clone()),
        self_ty: types::bare(&block.header.self_ty).clone(),
        name: name.clone(),
        generics: block.header.generics.clone(),
        frontend: named(options.frontend, words::FRONTEND_SUFFIX),
        request: named(options.request, words::REQUEST_SUFFIX),
        constructor: named(options.constructor, words::CONSTRUCTOR_SUFFIX),
        incomplete: block.incomplete,
        constructors: Vec::new(),
        hidden_constructors: Vec::new(),
        methods: Vec::new(),
        hooks: Vec::new(),
        misplaced: Vec::new(),
    }
}
