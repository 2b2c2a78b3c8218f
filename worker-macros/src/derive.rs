//! `#[derive(Frontend)]`: what every frontend can do, for a struct that wraps a `Handle`.
//! Not here: calls and constructors, which are each frontend's own (`expand`).
//! Layer: beside `pipeline`.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Fields, Path, Type, parse_quote};

/// The traits of a frontend, or one error at what is no frontend.
pub(crate) fn frontend(item: TokenStream) -> TokenStream {
    let expanded = syn::parse2::<DeriveInput>(item).and_then(|input| {
        let handle = handle(&input)?;
        Ok(traits(&input, handle))
    });
    expanded.unwrap_or_else(|error| error.to_compile_error())
}

/// The only field, which is a `Handle<Actor>`.
fn handle(input: &DeriveInput) -> syn::Result<&Type> {
    let refused = || {
        let message = format!(
            "a frontend wraps the handle of its actor and nothing else: write `struct {}(Handle<Actor>);`",
            input.ident
        );
        Err(syn::Error::new_spanned(&input.ident, message))
    };
    match &input.data {
        Data::Struct(structure) => match &structure.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(&fields.unnamed[0].ty),
            _ => refused(),
        },
        _ => refused(),
    }
}

/// `::worker_core` of `::worker_core::Handle<Actor>`; the handle stands there under the path that its crate has here.
fn runtime(handle: &Type) -> Path {
    let usual = parse_quote!(::worker_core);
    let Type::Path(handle) = handle else { return usual };
    let mut path = handle.path.clone();
    path.segments.pop();
    path.segments.pop_punct();
    if path.segments.is_empty() { usual } else { path }
}

fn traits(input: &DeriveInput, handle: &Type) -> TokenStream {
    let (name, visibility, runtime) = (&input.ident, &input.vis, runtime(handle));
    let (declaration, arguments, where_clause) = input.generics.split_for_impl();
    // Lints look at where an item comes from: this one is generated.
    let span = Span::mixed_site().located_at(name.span());
    let target = quote::quote_spanned!(handle.span()=> #runtime::Remote);
    quote::quote_spanned! {span=>
        #[allow(dead_code, reason = "calls may do without")]
        impl #declaration #name #arguments #where_clause {
            /// The same actor, with calls that fail after `timeout`.
            #[must_use]
            #visibility fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self(self.0.with_timeout(timeout))
            }
        }
        #[automatically_derived]
        impl #declaration ::core::clone::Clone for #name #arguments #where_clause {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }
        #[automatically_derived]
        impl #declaration ::core::fmt::Debug for #name #arguments #where_clause {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_tuple(::core::stringify!(#name)).field(&self.0).finish()
            }
        }
        #[automatically_derived]
        impl #declaration ::core::ops::Deref for #name #arguments #where_clause {
            type Target = #target;
            fn deref(&self) -> &#target {
                &self.0
            }
        }
        #[automatically_derived]
        impl #declaration #runtime::Frontend for #name #arguments #where_clause {}
        #[automatically_derived]
        impl #declaration ::core::convert::From<#handle> for #name #arguments #where_clause {
            fn from(handle: #handle) -> Self {
                Self(handle)
            }
        }
    }
}
