//! The actor as plain data: what was written, digested, with the user's own tokens kept for later messages.
//! Answers simple questions; builds no tokens and knows no rule. Layer: between `parse` and `check`/`expand`.

use proc_macro2::{Ident, Span};
use syn::{Attribute, GenericParam, Generics, Path, ReceiverKind, Signature, Type, Visibility};

use crate::parse::types::bare;

/// Everything the attribute knows about one annotated block.
pub(crate) struct Actor {
    /// The path of the runtime crate.
    pub(crate) runtime: Path,
    /// `#[cfg]`s of the block itself, copied to every generated item.
    pub(crate) cfgs: Vec<Attribute>,
    /// The trait of a trait impl, which is refused.
    pub(crate) implemented: Option<Path>,
    /// The type as written after `impl`.
    pub(crate) self_ty: Type,
    /// The last segment of that type.
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) frontend: Ident,
    pub(crate) request: Ident,
    pub(crate) constructor: Ident,
    /// Some function of the block could not be read and is reported already.
    pub(crate) incomplete: bool,
    pub(crate) constructors: Vec<Constructor>,
    /// Functions that would be constructors if they were exported.
    pub(crate) hidden_constructors: Vec<Ident>,
    pub(crate) methods: Vec<Method>,
    pub(crate) hooks: Vec<Hook>,
    /// Functions with a helper attribute that are neither exported nor a hook.
    pub(crate) misplaced: Vec<Misplaced>,
}

/// Attributes of a function that generated items repeat.
#[derive(Default, Clone)]
pub(crate) struct Carried {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    /// `#[deprecated]`.
    pub(crate) deprecated: Option<Attribute>,
    /// `#[must_use]`.
    pub(crate) must_use: Option<Attribute>,
}

/// What a constructor and a method have in common.
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    pub(crate) carried: Carried,
    /// The signature as written.
    pub(crate) original: Signature,
    /// Everything but `self`, in order.
    pub(crate) parameters: Vec<Parameter>,
    /// The variant of the message enum.
    pub(crate) variant: Ident,
}

/// A function that makes the actor.
pub(crate) struct Constructor {
    pub(crate) function: Function,
    pub(crate) fallible: Fallible,
    /// Its name on the frontend.
    pub(crate) spawn: Ident,
    /// The same with a `Builder`.
    pub(crate) spawn_with: Ident,
}

/// Whether a constructor can fail.
pub(crate) enum Fallible {
    Never,
    /// `Result<Self, E>`: this `E`.
    Error(Type),
    /// An alias such as `io::Result<Self>`.
    Alias(Type),
}

/// An exported method.
pub(crate) struct Method {
    pub(crate) function: Function,
    /// The `#[oneway]` attribute.
    pub(crate) oneway: Option<Attribute>,
    /// What the user says of the return type, against what its name says.
    pub(crate) said: Option<Said>,
    pub(crate) reply: Reply,
    /// The name of the twin that does not wait.
    pub(crate) twin: Ident,
}

/// `#[fallible]` or `#[infallible]`.
pub(crate) struct Said {
    pub(crate) fallible: bool,
    pub(crate) attribute: Attribute,
}

/// A method the backend calls by itself.
pub(crate) struct Hook {
    pub(crate) kind: HookKind,
    pub(crate) attribute: Attribute,
    pub(crate) visibility: Visibility,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) original: Signature,
    pub(crate) parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Started,
    Stopped,
    Activate,
    Deactivate,
}

/// A helper attribute where it means nothing.
pub(crate) struct Misplaced {
    pub(crate) attribute: Attribute,
    pub(crate) function: Ident,
    pub(crate) has_self: bool,
}

/// One parameter after `self`.
pub(crate) enum Parameter {
    /// `&Context<Self>`, filled in by the backend; the type as written.
    Context(Type),
    /// Sent in the message.
    Argument(Argument),
    /// Sent in the message too, made by the frontend: where the items of a stream go.
    Items(Argument),
}

/// One parameter that travels.
pub(crate) struct Argument {
    pub(crate) cfgs: Vec<Attribute>,
    /// The user's name, or a made one for a pattern.
    pub(crate) name: Ident,
    /// The type as written.
    pub(crate) ty: Type,
    pub(crate) carriage: Carriage,
}

/// How an argument sits in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carriage {
    /// As it is.
    Plain,
    /// As one block of bytes.
    Bytes,
    /// As the raw bytes of a path.
    Path,
    /// `&T` as `Ref<'a, T>`.
    Ref,
    /// `Option<&T>` as `Option<Ref<'a, T>>`.
    OptionalRef,
    /// `BorrowedFd<'_>` as `Lent<'a>`.
    Descriptor,
}

/// What a method that streams returns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Yields {
    /// `impl Iterator<Item = T>`.
    Iterator,
    /// `impl Stream<Item = T>`, by its token: it is polled, so it needs a runtime.
    Stream(Span),
}

/// What a method gives back.
pub(crate) enum Reply {
    Unit,
    /// `!`.
    Never,
    Value(Type),
    /// `&T`, `Option<&T>`, `Cow<'_, T>` and their like, of which the caller gets the owned form.
    Lent(Type),
    Result(Type, Type),
    /// `impl Iterator<Item = T>` or `impl Stream<Item = T>`: which, and this `T`.
    Stream(Yields, Type),
    /// A result whose value is lent.
    LentResult(Type, Type),
    /// An alias of a result with one argument, such as `io::Result<T>`.
    Alias(Type),
}

impl Function {
    /// The parameters that the caller gives.
    pub(crate) fn given(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(argument),
            Parameter::Context(_) | Parameter::Items(_) => None,
        })
    }

    /// The parameters that travel.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        arguments(&self.parameters)
    }

    /// Type and const parameters of the function's own.
    pub(crate) fn chosen_at_the_call(&self) -> impl Iterator<Item = &GenericParam> {
        let parameters = self.original.generics.params.iter();
        parameters.filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
    }

    /// Whether it takes `&mut self`.
    pub(crate) fn takes_all(&self) -> bool {
        match self.original.receiver().map(|receiver| &receiver.kind) {
            Some(ReceiverKind::Reference(_, _, mutability)) => mutability.is_some(),
            Some(ReceiverKind::Typed(_, ty)) => {
                matches!(bare(ty), Type::Reference(reference) if reference.mutability.is_some())
            }
            _ => false,
        }
    }

    /// Whether the types at the call choose the code to run.
    pub(crate) fn is_generic(&self) -> bool {
        self.chosen_at_the_call().next().is_some()
    }
}

/// The parameters that travel.
pub(crate) fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = &Argument> {
    parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Argument(argument) | Parameter::Items(argument) => Some(argument),
        Parameter::Context(_) => None,
    })
}

impl Actor {
    /// The first `async` or `Stream` among its methods, which are run as tasks if there is one.
    pub(crate) fn asyncness(&self) -> Option<Span> {
        self.methods.iter().find_map(|method| match (&method.function.original.asyncness, &method.reply) {
            (Some(asyncness), _) => Some(asyncness.span),
            (None, Reply::Stream(Yields::Stream(at), _)) => Some(*at),
            _ => None,
        })
    }

    /// All functions reachable through the frontend, in the order in which the frontend shows them.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Function> {
        let constructors = self.constructors.iter().map(|constructor| &constructor.function);
        constructors.chain(self.methods.iter().map(|method| &method.function))
    }
}
