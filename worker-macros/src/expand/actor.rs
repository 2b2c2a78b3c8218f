//! The backend's side: the implementation of `Actor`, which turns messages back into the user's calls.
//! Input: `pub fn read(&mut self, n: usize) -> io::Result<Vec<u8>>`
//! Output: `DecoderRequest::Read { n } => call.reply_result(self.read(n)).carry(),`

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Lifetime;
use syn::ext::IdentExt as _;

use super::arms::Pattern;
use super::messages::Marker;
use super::{Expansion, arms, replies, tasks};
use crate::model::{Constructor, Function, Hook, HookKind, Method, Parameter};
use crate::{names, words};

/// `impl Actor for Decoder`.
pub(super) fn implementation(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, message) = (expansion.actor, expansion.runtime, &expansion.message);
    let (cfgs, self_ty, name) = (expansion.cfgs(), &actor.self_ty, actor.name.unraw().to_string());
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    let constructors = Message::constructors(expansion);
    let requests = Message::requests(expansion);
    let (constructor_ty, request_ty) = (constructors.ty(expansion, message), requests.ty(expansion, message));
    let make = make(expansion, &constructors);
    let tasks = tasks::implementation(expansion, &requests);
    let run = if tasks.is_some() { tasks::life(expansion) } else { run(expansion, &requests) };
    let hooks = actor.hooks.iter().map(|hook| self::hook(expansion, hook));
    emit! {
        #cfgs
        impl #declaration #runtime::Actor for #self_ty #where_clause {
            type Constructor<#message> = #constructor_ty;
            type Request<#message> = #request_ty;
            const NAME: &'static str = #name;
            #make
            #run
            #(#hooks)*
        }
        #tasks
    }
}

/// What makes a type with mistakes in its block still an actor, without messages.
pub(super) fn skeleton(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, message) = (expansion.actor, expansion.runtime, &expansion.message);
    let (cfgs, self_ty, name) = (expansion.cfgs(), &actor.self_ty, actor.name.unraw().to_string());
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    emit! {
        #cfgs
        impl #declaration #runtime::Actor for #self_ty #where_clause {
            type Constructor<#message> = ();
            type Request<#message> = ();
            const NAME: &'static str = #name;
            fn make(_: (), _: &#runtime::Birth<Self>) {}
            fn run(&mut self, _: (), _: &#runtime::Call<'_, Self>) {}
        }
    }
}

/// One of the two message enums, as its match needs it.
pub(super) struct Message<'m> {
    pub(super) name: &'m Ident,
    borrows: bool,
    marker: Option<Marker>,
}

impl<'m> Message<'m> {
    fn constructors(expansion: &Expansion<'m>) -> Self {
        let functions = expansion.actor.constructors.iter().map(|constructor| &constructor.function);
        Self::new(expansion, &expansion.actor.constructor, functions.collect())
    }

    fn requests(expansion: &Expansion<'m>) -> Self {
        let functions = expansion.plain_methods().map(|method| &method.function);
        Self::new(expansion, &expansion.actor.request, functions.collect())
    }

    fn new(expansion: &Expansion<'_>, name: &'m Ident, functions: Vec<&Function>) -> Self {
        let borrows = Expansion::borrows(functions.iter().copied());
        Self { name, borrows, marker: Marker::of(expansion, &functions) }
    }

    fn ty(&self, expansion: &Expansion<'_>, lifetime: &Lifetime) -> TokenStream {
        let (name, arguments) = (self.name, expansion.generics.arguments(self.borrows.then_some(lifetime)));
        emit!(#name #arguments)
    }

    pub(super) fn never(&self) -> Option<TokenStream> {
        let name = self.name;
        self.marker.as_ref().map(|_| emit!(#name::__Marker(never, _) => match never {},))
    }
}

fn make(expansion: &Expansion<'_>, constructors: &Message<'_>) -> TokenStream {
    let (runtime, never) = (expansion.runtime, constructors.never());
    let all = &expansion.actor.constructors;
    let arms = all.iter().map(|constructor| make_arm(expansion, constructors.name, constructor));
    let allow = allow_deprecated(all.iter().map(|constructor| &constructor.function));
    emit! {
        #allow
        fn make(constructor: Self::Constructor<'_>, birth: &#runtime::Birth<Self>) {
            match constructor {
                #(#arms)*
                #never
            }
        }
    }
}

fn make_arm(expansion: &Expansion<'_>, message: &Ident, constructor: &Constructor) -> TokenStream {
    let function = &constructor.function;
    let name = &function.name;
    let at = names::at_output(function, words::NEW).span();
    arms::arms(&Pattern::variant(message, function), function, &TokenStream::new(), |values| {
        replies::made(expansion, constructor, quote_spanned!(at=> Self::#name(#values)))
    })
}

fn run(expansion: &Expansion<'_>, requests: &Message<'_>) -> TokenStream {
    let (runtime, never) = (expansion.runtime, requests.never());
    let arms = expansion.plain_methods().map(|method| run_arm(expansion, requests.name, method));
    let allow = allow_deprecated(expansion.plain_methods().map(|method| &method.function));
    emit! {
        #allow
        fn run(&mut self, request: Self::Request<'_>, call: &#runtime::Call<'_, Self>) {
            match request {
                #(#arms)*
                #never
            }
        }
    }
}

fn run_arm(expansion: &Expansion<'_>, message: &Ident, method: &Method) -> TokenStream {
    let name = &method.function.name;
    // What the compiler has against the call is about what comes of it, or about the bounds that it asks for.
    let at = names::at_output(&method.function, words::NEW).span();
    arms::arms(
        &Pattern::variant(message, &method.function),
        &method.function,
        &emit!(call.context()),
        // Not `self.#name()`: that would find the trait's own method of the same name before one that takes `&self`.
        |values| replies::answer(expansion, method, quote_spanned!(at=> Self::#name(self, #values))),
    )
}

/// The user's deprecation is for callers, not for the code that carries a call over.
pub(super) fn allow_deprecated<'f>(functions: impl IntoIterator<Item = &'f Function>) -> Option<TokenStream> {
    let deprecated = functions.into_iter().any(|function| function.carried.deprecated.is_some());
    deprecated.then(|| emit!(#[allow(deprecated, reason = "the caller is told, the way in between is not")]))
}

fn hook(expansion: &Expansion<'_>, hook: &Hook) -> TokenStream {
    let (runtime, cfgs, name) = (expansion.runtime, &hook.cfgs, &hook.original.ident);
    let trait_method = match hook.kind {
        HookKind::Started => "started",
        HookKind::Stopped => "stopped",
        HookKind::Activate => "activate",
        HookKind::Deactivate => "deactivate",
    };
    let trait_method = Ident::new(trait_method, names::generated_at(name.span()));
    let takes_context = hook.parameters.iter().any(|parameter| matches!(parameter, Parameter::Context(_)));
    let (parameter, value) =
        if takes_context { (emit!(context), emit!(context)) } else { (emit!(_context), emit!()) };
    emit! {
        #(#cfgs)*
        fn #trait_method(&mut self, #parameter: &#runtime::Context<Self>) {
            Self::#name(self, #value);
        }
    }
}
