//! The rules over the whole actor: a list of calls, each reporting all it finds, one sentence a mistake: what was
//! found, what is allowed, the way out. Changes nothing. What rustc reports better is left to rustc: unknown types,
//! missing traits, functions defined twice. Layer: above `model`.

mod block;
mod functions;
mod hooks;
mod names;
mod parameters;
mod types;

use crate::errors::Errors;
use crate::model::Actor;

/// Reports every broken rule.
pub(crate) fn check(errors: &mut Errors, actor: &Actor) {
    if let Some(implemented) = &actor.implemented {
        // The other rules are about inherent impls and would only repeat this one.
        return block::trait_impl(errors, actor, implemented);
    }
    block::lifetimes(errors, actor);
    block::constructors(errors, actor);
    block::options(errors, actor);
    for function in actor.functions() {
        functions::qualifiers(errors, function);
        functions::arguments(errors, function);
        types::output(errors, &function.original.output);
    }
    for constructor in &actor.constructors {
        functions::constructor(errors, &constructor.function);
    }
    for method in &actor.methods {
        functions::bounds(errors, &method.function);
        functions::receiver(errors, &method.function.original);
        functions::oneway(errors, method);
        functions::stream(errors, method);
        functions::said(errors, method);
        parameters::contexts(errors, &method.function.parameters);
    }
    for misplaced in &actor.misplaced {
        functions::misplaced(errors, misplaced);
    }
    hooks::hooks(errors, actor);
    names::frontend(errors, actor);
    names::messages(errors, actor);
}
