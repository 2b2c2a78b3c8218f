//! The documentation of generated items: the user's words first, then what only the frontend adds.
//! Layer: bottom of `expand`.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

use super::Expansion;
use crate::model::{Function, Method};

/// Lines as doc attributes.
pub(super) fn lines(text: &str) -> TokenStream {
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    emit!(#(#[doc = #lines])*)
}

/// The user's first paragraph, or `otherwise` where there is none. Examples stay on the user's method and its
/// frontend twin, so that doc tests do not run once more for every generated item.
pub(super) fn summary(docs: &[Attribute], otherwise: &str) -> TokenStream {
    let mut paragraph = String::new();
    for doc in docs {
        let Some(text) = text(doc) else { continue };
        let ended = !paragraph.trim().is_empty() && text.trim().is_empty();
        if ended {
            break;
        }
        paragraph.push_str(text.strip_prefix(' ').unwrap_or(&text));
        paragraph.push('\n');
    }
    // A block comment is one attribute with many lines.
    let first = paragraph.trim_start().split("\n\n").next().unwrap_or_default().trim_end();
    lines(if first.is_empty() { otherwise } else { first })
}

fn text(doc: &Attribute) -> Option<String> {
    match &doc.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

fn has_text(docs: &[Attribute]) -> bool {
    docs.iter().any(|doc| matches!(doc.meta, Meta::NameValue(_)))
}

/// All of the user's words, or `otherwise`, then `added`.
fn carried(docs: &[Attribute], otherwise: &str, errors: &str) -> TokenStream {
    let has_errors = docs.iter().filter_map(text).any(|text| text.contains("# Errors"));
    let first = if has_text(docs) { TokenStream::new() } else { lines(otherwise) };
    let heading = if has_errors { lines("\n") } else { lines("\n# Errors\n\n") };
    let errors = lines(errors);
    emit!(#(#docs)* #first #heading #errors)
}

/// Of the blocking method.
pub(super) fn call(expansion: &Expansion<'_>, method: &Method, fallible: bool) -> TokenStream {
    let source = expansion.link(&method.function);
    let error = expansion.public_link("CallError");
    let otherwise = match (&method.oneway, has_text(&method.function.carried.docs)) {
        (_, true) => String::new(),
        (Some(_), false) => format!("Queues a call of {source}; nobody waits for it."),
        (None, false) => format!("Calls {source} in the backend and waits for the reply."),
    };
    let errors = if method.oneway.is_some() {
        format!("{error} when the request cannot be queued; what {source} makes of it is not reported.")
    } else if fallible {
        format!("{error}: what {source} returns as its error, or why there is no reply.")
    } else {
        format!("{error}: why there is no reply of {source}.")
    };
    carried(&method.function.carried.docs, &otherwise, &errors)
}

/// Of a method that streams.
pub(super) fn stream(expansion: &Expansion<'_>, method: &Method) -> TokenStream {
    let source = expansion.link(&method.function);
    let error = expansion.public_link("CallError");
    let otherwise = if has_text(&method.function.carried.docs) {
        String::new()
    } else {
        format!("Calls {source} in the backend; what it yields comes as a stream.")
    };
    // Whoever holds a stream is told where it calls, not only on the stream's own page.
    let meanwhile = match (expansion.actor.asyncness(), method.function.takes_all()) {
        (Some(_), false) => {
            "Until the stream has ended or is dropped, a method that takes `&mut self` waits, with all that is called \
             after it; those that take `&self` are served."
        }
        _ => {
            "Until the stream has ended or is dropped, the actor serves nobody else: a call by whoever holds the stream may \
             wait for ever."
        }
    };
    let errors =
        format!("{error} when the request cannot be queued; later errors come in the stream, as its last.");
    let docs = &method.function.carried.docs;
    let has_errors = docs.iter().filter_map(text).any(|text| text.contains("# Errors"));
    if has_errors {
        return carried(docs, &otherwise, &format!("{errors}\n\n{meanwhile}"));
    }
    let (first, meanwhile) = (lines(&otherwise), lines(&format!("\n{meanwhile}")));
    let added = carried(&[], "", &errors);
    emit!(#(#docs)* #first #meanwhile #added)
}

/// Of the method that does not wait.
pub(super) fn twin(expansion: &Expansion<'_>, method: &Method) -> TokenStream {
    let (frontend, name) = (&expansion.actor.frontend, &method.function.name);
    lines(&format!(
        "Like [`{frontend}::{name}`], but waits for no reply: it returns once the request is queued, and waits only while \
         there is no room for it."
    ))
}

/// Of `spawn` and its like.
pub(super) fn spawn(expansion: &Expansion<'_>, function: &Function, fallible: bool) -> TokenStream {
    let source = expansion.link(function);
    let error = expansion.public_link("SpawnError");
    let otherwise = format!("Starts a process and runs {source} there.");
    let errors = if fallible {
        format!("{error}: what {source} returns as its error, or why there is no process.")
    } else {
        format!("{error}: why there is no process.")
    };
    carried(&function.carried.docs, &otherwise, &errors)
}

/// Of `spawn_with` and its like.
pub(super) fn spawn_with(expansion: &Expansion<'_>, spawn: &syn::Ident) -> TokenStream {
    let frontend = &expansion.actor.frontend;
    let (builder, error) = (expansion.public_link("Builder"), expansion.public_link("SpawnError"));
    lines(&format!(
        "Like [`{frontend}::{spawn}`], as the {builder} says.\n\n# Errors\n\n{error}: why there is no actor."
    ))
}

impl Expansion<'_> {
    /// A link to the user's function.
    pub(super) fn link(&self, function: &Function) -> String {
        let (name, path, function) = (&self.actor.name, &self.actor_path, &function.name);
        if name == path {
            format!("[`{name}::{function}`]")
        } else {
            format!("[`{name}::{function}`]({path}::{function})")
        }
    }

    /// A link to the user's type.
    pub(super) fn actor_link(&self) -> String {
        let (name, path) = (&self.actor.name, &self.actor_path);
        if name == path { format!("[`{name}`]") } else { format!("[`{name}`]({path})") }
    }

    /// A link to a type of the runtime.
    pub(super) fn public_link(&self, name: &str) -> String {
        format!("[`{name}`]({}::{name})", self.runtime_text)
    }
}
