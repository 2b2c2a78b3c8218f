//! The rules over the whole actor: a list of calls, each reporting all it finds.
//! Changes nothing. Layer: above `model`.

use crate::errors::Errors;
use crate::model::Actor;

/// Reports every broken rule.
pub(crate) fn check(errors: &mut Errors, actor: &Actor) {
    let _ = (errors, actor);
}
