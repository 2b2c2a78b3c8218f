//! Sorts the attributes of a function: ours, those repeated on generated items, and the rest, which stays put.
//! Layer: bottom of `parse`.

use syn::{Attribute, Meta};

use super::block::helper;
use crate::errors::Errors;
use crate::model::Carried;

/// The attributes that generated items repeat.
pub(crate) fn carried(attributes: &[Attribute]) -> Carried {
    Carried {
        cfgs: cfgs(attributes),
        docs: named(attributes, "doc").collect(),
        deprecated: named(attributes, "deprecated").next(),
        must_use: named(attributes, "must_use").next(),
    }
}

/// The `#[cfg]`s among these.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    named(attributes, "cfg").collect()
}

fn named<'all>(attributes: &'all [Attribute], name: &'static str) -> impl Iterator<Item = Attribute> + 'all {
    attributes.iter().filter(move |attribute| attribute.path().is_ident(name)).cloned()
}

/// Our helper attribute on a function, if there is one; a second one and arguments are reported.
pub(crate) fn only_helper(
    errors: &mut Errors,
    attributes: &[Attribute],
) -> Option<(&'static str, Attribute)> {
    let mut helpers = attributes.iter().filter_map(|attribute| Some((helper(attribute)?, attribute)));
    let (word, first) = helpers.next()?;
    if !matches!(first.meta, Meta::Path(_)) {
        errors.at(&first.meta, format!("`#[{word}]` takes no arguments: write `#[{word}]`"));
    }
    for (other, attribute) in helpers {
        let message = if other == word {
            format!("`#[{word}]` is given twice: remove this one")
        } else {
            format!("`#[{other}]` cannot stand beside `#[{word}]`: keep one of the two")
        };
        errors.at(attribute, message);
    }
    Some((word, first.clone()))
}
