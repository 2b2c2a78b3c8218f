//! Go-to-definition: what an editor finds under a name of the frontend is where the user wrote it.

use std::collections::BTreeMap;

use proc_macro2::{LineColumn, TokenStream};
use syn::{ImplItem, Item};

use super::golden;
use crate::pipeline;

/// Every function of the block's own and of the frontend, with the place of its name.
fn places(expansion: TokenStream) -> (BTreeMap<String, LineColumn>, Vec<(String, LineColumn)>) {
    let (mut written, mut generated) = (BTreeMap::new(), Vec::new());
    let file: syn::File = syn::parse2(expansion).unwrap();
    for (index, item) in file.items.iter().enumerate() {
        let Item::Impl(block) = item else { continue };
        if block.trait_.is_some() {
            continue;
        }
        for item in &block.items {
            let ImplItem::Fn(function) = item else { continue };
            let name = &function.sig.ident;
            let place = (name.to_string(), name.span().start());
            if index == 0 {
                written.insert(place.0, place.1);
            } else {
                generated.push(place);
            }
        }
    }
    (written, generated)
}

#[test]
fn names_on_the_frontend_are_where_the_user_wrote_them() {
    for input in golden::inputs() {
        let (args, block) = golden::read(&input);
        let (written, generated) = places(pipeline::run(args, block));
        let mut followed = 0;
        for (name, place) in &generated {
            let source = name.strip_suffix("_with").unwrap_or(name);
            let source = match source.strip_prefix("spawn") {
                Some("") => "new",
                Some(constructor) => constructor.trim_start_matches('_'),
                None => source.strip_suffix("_async").unwrap_or(source),
            };
            if let Some(wanted) = written.get(source).or_else(|| written.get(&format!("r#{source}"))) {
                assert_eq!(place, wanted, "{}: {name}", input.display());
                followed += 1;
            }
        }
        assert!(followed > 2, "{}: {generated:?}", input.display());
    }
}
