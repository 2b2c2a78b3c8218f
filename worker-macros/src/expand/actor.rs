//! The backend's side: the implementation of `Actor`, which turns messages back into the user's calls.
//! Input: `pub fn read(&mut self, n: usize) -> io::Result<Vec<u8>>`
//! Output: `DecoderRequest::Read { n } => call.reply_result(self.read(n)),`

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt as _;
use syn::{Lifetime, parse_quote};

use super::arms::Pattern;
use super::messages::Marker;
use super::{Expansion, arms, types};
use crate::model::{Constructor, Fallible, Function, Hook, HookKind, Method, Parameter, Reply};
use crate::names;

/// `impl Actor for Decoder`.
pub(super) fn implementation(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, message) = (expansion.actor, expansion.runtime, &expansion.message);
    let (cfgs, self_ty, name) = (expansion.cfgs(), &actor.self_ty, actor.name.unraw().to_string());
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    let constructors = Message::constructors(expansion);
    let requests = Message::requests(expansion);
    let (constructor_ty, request_ty) = (constructors.ty(expansion, message), requests.ty(expansion, message));
    let (construct, dispatch) = (construct(expansion, &constructors), dispatch(expansion, &requests));
    let hooks = actor.hooks.iter().map(|hook| self::hook(expansion, hook));
    emit! {
        #cfgs
        impl #declaration #runtime::Actor for #self_ty #where_clause {
            type Constructor<#message> = #constructor_ty;
            type Request<#message> = #request_ty;
            const NAME: &'static str = #name;
            #construct
            #dispatch
            #(#hooks)*
        }
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
            fn construct(_: (), _: &#runtime::__private::Construction) -> #runtime::__private::Constructed<Self> {
                loop {}
            }
            fn dispatch(&mut self, _: (), _: &#runtime::__private::Call<'_, Self>) -> #runtime::__private::Replied {
                loop {}
            }
        }
    }
}

/// One of the two message enums, as its match needs it.
struct Message<'m> {
    name: &'m Ident,
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

    fn elided(&self, expansion: &Expansion<'_>) -> TokenStream {
        self.ty(expansion, &Lifetime::new("'_", proc_macro2::Span::mixed_site()))
    }

    fn never(&self) -> Option<TokenStream> {
        let name = self.name;
        self.marker.as_ref().map(|_| emit!(#name::__Marker(never, _) => match never {},))
    }
}

fn construct(expansion: &Expansion<'_>, constructors: &Message<'_>) -> TokenStream {
    let (runtime, ty, never) = (expansion.runtime, constructors.elided(expansion), constructors.never());
    let all = &expansion.actor.constructors;
    let arms = all.iter().map(|constructor| construct_arm(constructors.name, constructor));
    let allow = allow_deprecated(all.iter().map(|constructor| &constructor.function));
    emit! {
        #allow
        fn construct(
            constructor: #ty,
            construction: &#runtime::__private::Construction,
        ) -> #runtime::__private::Constructed<Self> {
            match constructor {
                #(#arms)*
                #never
            }
        }
    }
}

fn construct_arm(message: &Ident, constructor: &Constructor) -> TokenStream {
    let function = &constructor.function;
    let name = &function.name;
    let method = match constructor.fallible {
        Fallible::Never => "value",
        Fallible::Error(_) | Fallible::Alias(_) => "result",
    };
    let method = names::at_output(function, method);
    arms::arms(
        &Pattern::variant(message, function),
        function,
        &TokenStream::new(),
        |values| emit!(construction.#method(Self::#name(#values))),
    )
}

fn dispatch(expansion: &Expansion<'_>, requests: &Message<'_>) -> TokenStream {
    let (runtime, ty, never) = (expansion.runtime, requests.elided(expansion), requests.never());
    let arms = expansion.plain_methods().map(|method| dispatch_arm(runtime, requests.name, method));
    let allow = allow_deprecated(expansion.plain_methods().map(|method| &method.function));
    emit! {
        #allow
        fn dispatch(&mut self, request: #ty, call: &#runtime::__private::Call<'_, Self>) -> #runtime::__private::Replied {
            match request {
                #(#arms)*
                #never
            }
        }
    }
}

fn dispatch_arm(runtime: &syn::Path, message: &Ident, method: &Method) -> TokenStream {
    let name = &method.function.name;
    arms::arms(
        &Pattern::variant(message, &method.function),
        &method.function,
        &emit!(call.context()),
        |values| answer(runtime, method, emit!(self.#name(#values))),
    )
}

/// The user's call, its value handed to the runtime in the way its type asks for.
pub(super) fn answer(runtime: &syn::Path, method: &Method, user_call: TokenStream) -> TokenStream {
    let how = match &method.reply {
        Reply::Never => return user_call,
        _ if method.oneway.is_some() => "finish",
        Reply::Unit | Reply::Value(_) => "reply",
        Reply::Borrowed(_) => "reply_borrowed",
        Reply::Result(..) | Reply::Alias(_) => "reply_result",
    };
    let how = names::at_output(&method.function, how);
    match &method.reply {
        // A type of another sort is to be refused in our words, at the type.
        Reply::Alias(ty) if !types::is_result(ty) => {
            let fallible = types::located(&parse_quote!(#runtime::__private::Fallible), how.span());
            quote_spanned!(how.span()=> call.#how(#fallible::result(#user_call)))
        }
        _ => emit!(call.#how(#user_call)),
    }
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
            self.#name(#value);
        }
    }
}
