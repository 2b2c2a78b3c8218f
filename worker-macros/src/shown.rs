//! Tokens as messages quote them: spaced as a person would, whoever made the tokens.
//! Layer: bottom.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// `&mut Image` rather than `& mut Image`.
pub(crate) fn shown(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(&mut text, tokens.to_token_stream());
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    let mut glued = true;
    for tree in tokens {
        match &tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(if open.starts_with('{') && !glued { " " } else { "" });
                text.push_str(open);
                write(text, group.stream());
                text.push_str(close);
                glued = false;
            }
            TokenTree::Punct(punct) => {
                let is_operator =
                    matches!(punct.as_char(), '=' | '+' | '|') && !text.ends_with(['-', '=', ' ']);
                let starts_arrow = punct.as_char() == '-' && punct.spacing() == Spacing::Joint;
                if (is_operator || starts_arrow) && !text.is_empty() {
                    text.push(' ');
                }
                text.push(punct.as_char());
                let ends_word = matches!(punct.as_char(), ',' | ';' | '=' | '+' | '|')
                    || punct.as_char() == ':' && !text.ends_with("::");
                if text.ends_with("->") || ends_word && punct.spacing() == Spacing::Alone {
                    text.push(' ');
                }
                glued = true;
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let after_word =
                    text.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '"'));
                text.push_str(if after_word && !glued { " " } else { "" });
                text.push_str(&tree.to_string());
                glued = false;
            }
        }
    }
    text.truncate(text.trim_end().len());
}
