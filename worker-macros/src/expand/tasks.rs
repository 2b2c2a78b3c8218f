//! An actor with `async` methods: its requests run as tasks.
//! Input: `pub async fn fetch(&self, url: String) -> Page`
//! Output: `FetcherRequest::Fetch { url } => call.reply(access.beside().fetch(url).await).carry(),`
//! Not here: what answers are made of (`replies`).

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;

use super::actor::{Message, allow_deprecated};
use super::arms::Pattern;
use super::{Expansion, arms, replies, types};
use crate::model::{Method, Reply};
use crate::names::generated_at;
use crate::{names, words};

/// Instead of `run`: a life with a runtime.
pub(super) fn life(expansion: &Expansion<'_>) -> TokenStream {
    let runtime = expansion.runtime;
    emit! {
        fn live(backend: #runtime::__private::Backend<'_, Self>) -> i32 {
            backend.live_async()
        }
    }
}

/// `impl AsyncActor for Fetcher`, if there is an `async` method.
pub(super) fn implementation(expansion: &Expansion<'_>, requests: &Message<'_>) -> Option<TokenStream> {
    let (actor, runtime) = (expansion.actor, expansion.runtime);
    // A build without tokio refuses it there.
    let at = generated_at(actor.asyncness()?);
    let located = types::located(runtime, at);
    let check = quote_spanned! {at=>
        const _: fn() = #located::__private::has_runtime::<#located::__private::Tasks>;
    };
    let (cfgs, self_ty) = (expansion.cfgs(), &actor.self_ty);
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    let methods = || expansion.plain_methods();
    let exclusive = methods().map(|method| exclusive(requests.name, method));
    let arms = methods().map(|method| arm(expansion, requests.name, method));
    let (never, never_run) = (requests.never(), requests.never());
    let allow = allow_deprecated(methods().map(|method| &method.function));
    let mutability = methods().any(|method| method.function.takes_all()).then(|| emit!(mut));
    Some(emit! {
        #cfgs
        #check
        #cfgs
        impl #declaration #runtime::__private::AsyncActor for #self_ty #where_clause {
            fn is_exclusive(request: &Self::Request<'_>) -> bool {
                match request {
                    #(#exclusive)*
                    #never
                }
            }
            #allow
            async fn run_async(
                #mutability access: #runtime::__private::Access<'_, Self>,
                request: Self::Request<'_>,
                call: &#runtime::Call<'_, Self>,
            ) {
                match request {
                    #(#arms)*
                    #never_run
                }
            }
        }
    })
}

fn exclusive(message: &Ident, method: &Method) -> TokenStream {
    let (cfgs, variant) = (&method.function.carried.cfgs, &method.function.variant);
    let takes_all = method.function.takes_all();
    emit!(#(#cfgs)* #message::#variant { .. } => #takes_all,)
}

fn arm(expansion: &Expansion<'_>, message: &Ident, method: &Method) -> TokenStream {
    let function = &method.function;
    let name = &function.name;
    // What the compiler has against the call is about what comes of it, or about the bounds that it asks for.
    let at = names::at_output(function, words::NEW).span();
    let access = if function.takes_all() { Ident::new("alone", at) } else { Ident::new("beside", at) };
    let wait = function.original.asyncness.map(|_| quote_spanned!(at=> .await));
    arms::arms(&Pattern::variant(message, function), function, &emit!(call.context()), |values| {
        let user_call = quote_spanned!(at=> access.#access().#name(#values) #wait);
        match method.reply {
            Reply::Stream(yields, _) => replies::streamed(method, yields, user_call),
            _ => replies::answer(expansion, method, user_call),
        }
    })
}
