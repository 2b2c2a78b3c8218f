//! The user's block, cut into functions and the rest, with bodies left as the tokens they are.
//! Bodies are never parsed: that keeps the macro fast, and the frontend alive while a body is being typed.
//! Layer: bottom of `parse`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, ItemImpl, Signature, Token, Visibility};

use crate::errors::Errors;
use crate::words;

/// The impl block: `header` for questions, the rest for giving it back unchanged.
pub(crate) struct Block {
    /// The impl with an empty body.
    pub(crate) header: ItemImpl,
    /// Everything before the braces, as written.
    prefix: TokenStream,
    braces: Group,
    pub(crate) items: Vec<Item>,
    /// A function among the items could not be read.
    pub(crate) incomplete: bool,
}

/// One item of the block.
pub(crate) enum Item {
    Function(Box<Function>),
    Other(TokenStream),
}

/// A function whose signature could be read.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    body: TokenTree,
}

/// Cuts an impl block; `Err` when the tokens are none.
pub(crate) fn cut(errors: &mut Errors, tokens: TokenStream) -> syn::Result<Block> {
    let mut trees: Vec<TokenTree> = unwrap_invisible(tokens).into_iter().collect();
    let braces = match trees.pop() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
        last => {
            trees.extend(last);
            return Err(not_an_impl(trees.into_iter().collect()));
        }
    };
    let prefix: TokenStream = trees.into_iter().collect();
    let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
    empty.set_span(braces.span());
    let mut whole = prefix.clone();
    whole.append(empty);
    let header = match syn::parse2::<ItemImpl>(whole) {
        Ok(header) => header,
        Err(error) if has_impl(&prefix) => return Err(error),
        Err(_) => return Err(not_an_impl(prefix)),
    };
    let mut items = Vec::new();
    let mut incomplete = false;
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            items.push(item(errors, &mut incomplete, input)?);
        }
        Ok(())
    };
    read.parse2(braces.stream())?;
    Ok(Block { header, prefix, braces, items, incomplete })
}

/// A whole item that came through a `macro_rules!` fragment sits in invisible delimiters.
fn unwrap_invisible(tokens: TokenStream) -> TokenStream {
    let mut trees = tokens.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            unwrap_invisible(group.stream())
        }
        _ => tokens,
    }
}

fn has_impl(prefix: &TokenStream) -> bool {
    prefix.clone().into_iter().any(|tree| matches!(tree, TokenTree::Ident(word) if word == "impl"))
}

fn not_an_impl(tokens: TokenStream) -> syn::Error {
    let keywords = ["struct", "enum", "union", "trait", "mod", "fn", "type", "const", "static", "use"];
    let keyword = tokens.clone().into_iter().find_map(|tree| match tree {
        TokenTree::Ident(word) if keywords.iter().any(|keyword| word == keyword) => Some(word),
        _ => None,
    });
    let message =
        format!("`#[{}]` expects an inherent impl block: write it on `impl Type {{ .. }}`", words::ATTRIBUTE);
    match keyword {
        Some(keyword) => syn::Error::new_spanned(
            &keyword,
            format!(
                "`#[{}]` expects an inherent impl block, found `{keyword}`: write it on `impl Type {{ .. }}`",
                words::ATTRIBUTE
            ),
        ),
        None if tokens.is_empty() => syn::Error::new(proc_macro2::Span::call_site(), message),
        None => syn::Error::new_spanned(tokens, message),
    }
}

fn item(errors: &mut Errors, incomplete: &mut bool, input: ParseStream<'_>) -> syn::Result<Item> {
    let ahead = input.fork();
    if !is_function(&ahead) {
        return other(input).map(Item::Other);
    }
    let ahead = input.fork();
    match function(&ahead) {
        Ok(function) => {
            input.advance_to(&ahead);
            Ok(Item::Function(Box::new(function)))
        }
        Err(error) => {
            errors.push(error);
            *incomplete = true;
            other(input).map(Item::Other)
        }
    }
}

fn is_function(input: ParseStream<'_>) -> bool {
    if input.call(Attribute::parse_outer).is_err() || input.parse::<Visibility>().is_err() {
        return false;
    }
    // What may stand before `fn`, with the name of an ABI among it.
    for _ in 0..6 {
        if input.peek(Token![fn]) {
            return true;
        }
        let qualifiers = ["default", "const", "async", "unsafe", "safe", "extern"];
        let is_qualifier = match input.fork().call(syn::Ident::parse_any) {
            Ok(word) => qualifiers.iter().any(|qualifier| word == qualifier),
            Err(_) => input.peek(syn::LitStr),
        };
        if !is_qualifier || input.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    false
}

fn function(input: ParseStream<'_>) -> syn::Result<Function> {
    let attributes = input.call(Attribute::parse_outer)?;
    let visibility = input.parse()?;
    let defaultness = input.parse()?;
    let signature = input.parse()?;
    let body: TokenTree = input.parse()?;
    match &body {
        TokenTree::Group(_) => {}
        TokenTree::Punct(punct) if punct.as_char() == ';' => {}
        _ => {
            return Err(syn::Error::new_spanned(body, "expected the body of the function: write `{ .. }`"));
        }
    }
    Ok(Function { attributes, visibility, defaultness, signature, body })
}

/// An item that is no function, or one that cannot be read: up to its braces or semicolon.
fn other(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let ahead = input.fork();
    let _ = (ahead.call(Attribute::parse_outer), ahead.parse::<Visibility>());
    let to_semicolon = ahead.peek(Token![type]) || ahead.peek(Token![const]) && ahead.peek3(Token![:]);
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let tree: TokenTree = input.parse()?;
        let ends = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !to_semicolon,
            _ => false,
        };
        tokens.append(tree);
        if ends {
            break;
        }
    }
    Ok(tokens)
}

impl ToTokens for Block {
    /// The block as written, without our helper attributes.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all([&self.prefix]);
        let mut content = TokenStream::new();
        content.append_all(&self.items);
        let mut braces = Group::new(Delimiter::Brace, content);
        braces.set_span(self.braces.span());
        tokens.append(braces);
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Item::Other(other) => tokens.append_all([other]),
            Item::Function(function) => {
                tokens.append_all(function.attributes.iter().filter(|attribute| helper(attribute).is_none()));
                function.visibility.to_tokens(tokens);
                function.defaultness.to_tokens(tokens);
                function.signature.to_tokens(tokens);
                tokens.append(function.body.clone());
            }
        }
    }
}

/// Which of our helper attributes this is.
pub(crate) fn helper(attribute: &Attribute) -> Option<&'static str> {
    words::HELPERS.into_iter().find(|word| attribute.path().is_ident(word))
}
