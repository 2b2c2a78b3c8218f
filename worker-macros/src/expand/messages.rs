//! The two message enums.
//! Input: `pub fn decode(&mut self, jpeg: &[u8], by: &Point) -> Image`
//! Output: `Decode { #[serde(with = "..")] jpeg: &'a [u8], by: ::worker_core::Ref<'a, Point> },`

use proc_macro2::{Ident, TokenStream};

use super::{Expansion, docs, types};
use crate::model::{Argument, Function};

/// The requests: one variant per method.
pub(super) fn requests(expansion: &Expansion<'_>) -> TokenStream {
    let functions: Vec<&Function> = expansion.plain_methods().map(|method| &method.function).collect();
    let frontend = &expansion.actor.frontend;
    let purpose = format!(
        "What a [`{frontend}`] asks of its {}: one variant per exported method.",
        expansion.actor_link()
    );
    message(expansion, &expansion.actor.request, &functions, &purpose)
}

/// The ways to make the actor: one variant per constructor.
pub(super) fn constructors(expansion: &Expansion<'_>) -> TokenStream {
    let functions: Vec<&Function> =
        expansion.actor.constructors.iter().map(|constructor| &constructor.function).collect();
    let frontend = &expansion.actor.frontend;
    let purpose =
        format!("How a [`{frontend}`] makes its {}: one variant per constructor.", expansion.actor_link());
    message(expansion, &expansion.actor.constructor, &functions, &purpose)
}

fn message(expansion: &Expansion<'_>, name: &Ident, functions: &[&Function], purpose: &str) -> TokenStream {
    let (cfgs, runtime) = (expansion.cfgs(), expansion.runtime);
    let serde = format!("{}::__private::serde", expansion.runtime_text);
    let lifetime = Expansion::borrows(functions.iter().copied()).then_some(&expansion.message);
    let declaration = expansion.generics.declaration(lifetime);
    let where_clause = &expansion.generics.where_clause;
    let purpose = docs::lines(purpose);
    let variants = functions.iter().map(|function| variant(expansion, function));
    let marker = Marker::of(expansion, functions).map(|marker| marker.variant(expansion));
    // Inferred bounds would stand twice beside the actor's own, and then neither is chosen.
    let bound = (!expansion.generics.is_empty()).then(|| emit!(, bound = ""));
    emit! {
        #cfgs
        #purpose
        #[allow(private_interfaces, reason = "the actor may be private")]
        #[derive(#runtime::__private::Serialize, #runtime::__private::Deserialize)]
        #[serde(crate = #serde #bound)]
        pub enum #name #declaration #where_clause {
            #(#variants,)*
            #marker
        }
    }
}

fn variant(expansion: &Expansion<'_>, function: &Function) -> TokenStream {
    let (cfgs, name) = (&function.carried.cfgs, &function.variant);
    let summary = docs::summary(&function.carried.docs, &format!("Runs {}.", expansion.link(function)));
    let fields = fields(expansion, function);
    let fields = if fields.is_empty() { emit!() } else { emit!({ #(#fields),* }) };
    emit!(#(#cfgs)* #summary #name #fields)
}

/// The arguments of a function as fields.
pub(super) fn fields(expansion: &Expansion<'_>, function: &Function) -> Vec<TokenStream> {
    let field = |argument: &Argument| {
        let (cfgs, name, ty) = (&argument.cfgs, &argument.name, expansion.field(argument));
        let doc = docs::lines(&format!("Argument `{name}` of {}.", expansion.link(function)));
        let attribute = types::field_attribute(argument, &expansion.runtime_text);
        emit!(#(#cfgs)* #doc #attribute #name: #ty)
    };
    function.arguments().map(field).collect()
}

/// What a message enum declares but none of its variants certainly uses.
pub(super) struct Marker {
    lifetime: bool,
    types: Vec<Ident>,
}

impl Marker {
    pub(super) fn of(expansion: &Expansion<'_>, functions: &[&Function]) -> Option<Self> {
        let certain = || functions.iter().filter(|function| function.carried.cfgs.is_empty());
        let arguments = || certain().flat_map(|function| function.arguments());
        let certain_arguments = || arguments().filter(|argument| argument.cfgs.is_empty());
        let borrows = Expansion::borrows(functions.iter().copied());
        let lifetime = borrows && !certain_arguments().any(|argument| types::borrows(&argument.ty));
        let fields: Vec<TokenStream> =
            certain_arguments().map(|argument| expansion.field(argument)).collect();
        let unused = |name: &&Ident| !fields.iter().any(|field| mentions(field, name));
        let types: Vec<Ident> = expansion.generics.types().filter(unused).cloned().collect();
        (lifetime || !types.is_empty()).then_some(Self { lifetime, types })
    }

    /// A variant that cannot be built and is never sent.
    fn variant(&self, expansion: &Expansion<'_>) -> TokenStream {
        let (types, message) = (&self.types, &expansion.message);
        let lifetime = self.lifetime.then(|| emit!(&#message (),));
        emit! {
            #[doc(hidden)]
            #[serde(skip)]
            __Marker(::core::convert::Infallible, ::core::marker::PhantomData<(#lifetime #(fn() -> #types,)*)>),
        }
    }
}

/// Whether a name occurs among these tokens.
pub(super) fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(&group.stream(), name),
        _ => false,
    })
}
