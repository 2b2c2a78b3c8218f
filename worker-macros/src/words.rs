//! Every word the attribute knows and every name it gives to what it generates.
//! No parsing: other rooms compare with these constants, so that a message can never list a stale word.
//! Layer: bottom.

/// The attribute itself.
pub(crate) const ATTRIBUTE: &str = "process_actor";

/// An option of the attribute: its word and how its value is spelled in messages.
pub(crate) struct OptionWord {
    pub(crate) word: &'static str,
    pub(crate) value: &'static str,
}

pub(crate) const FRONTEND: OptionWord = OptionWord { word: "frontend", value: "Name" };
pub(crate) const REQUEST: OptionWord = OptionWord { word: "request", value: "Name" };
pub(crate) const CONSTRUCTOR: OptionWord = OptionWord { word: "constructor", value: "Name" };
pub(crate) const CRATE: OptionWord = OptionWord { word: "crate", value: "path" };
/// All options, in the order in which messages list them.
pub(crate) const OPTIONS: [&OptionWord; 4] = [&FRONTEND, &REQUEST, &CONSTRUCTOR, &CRATE];

/// Marks a method whose caller waits for no reply.
pub(crate) const ONEWAY: &str = "oneway";
/// The return type is an alias of a result, whatever its name.
pub(crate) const FALLIBLE: &str = "fallible";
/// The return type is a value, whatever its name.
pub(crate) const INFALLIBLE: &str = "infallible";
/// Hook: after the constructor.
pub(crate) const STARTED: &str = "started";
/// Hook: before a clean exit.
pub(crate) const STOPPED: &str = "stopped";
/// Hook: taken from a pool.
pub(crate) const ACTIVATE: &str = "activate";
/// Hook: returned to a pool.
pub(crate) const DEACTIVATE: &str = "deactivate";
/// The helper attributes of methods, all removed from what the compiler sees.
pub(crate) const HELPERS: [&str; 7] = [ONEWAY, FALLIBLE, INFALLIBLE, STARTED, STOPPED, ACTIVATE, DEACTIVATE];

/// The constructor that gives the plain `spawn`.
pub(crate) const NEW: &str = "new";
/// The type whose shared borrow the backend fills in.
pub(crate) const CONTEXT: &str = "Context";
/// A reply that may lend or own.
pub(crate) const COW: &str = "Cow";
/// A return type whose name ends like this is a result or an alias of one.
pub(crate) const RESULT: &str = "Result";

/// Types with serde for certain, by their usual names, if their arguments have it.
pub(crate) const KNOWN_TYPES: [&str; 21] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
    "u128", "usize", "str", "String", "Option", "Vec", "Box",
];

pub(crate) const SPAWN: &str = "spawn";
pub(crate) const SPAWN_WITH: &str = "spawn_with";
/// Methods that every frontend has, with what each one is for.
pub(crate) const FRONTEND_METHODS: [(&str, &str); 5] = [
    (SPAWN, "starts an actor"),
    (SPAWN_WITH, "starts an actor"),
    ("with_timeout", "gives calls a deadline"),
    ("stop", "ends the actor"),
    ("process", "shows the process"),
];
/// Appended to a constructor's name on the frontend when a `Builder` goes in.
pub(crate) const WITH_SUFFIX: &str = "_with";
/// Appended to a method's name on the frontend when a `Pending` comes out.
pub(crate) const ASYNC_SUFFIX: &str = "_async";
/// Appended to the actor's name.
pub(crate) const FRONTEND_SUFFIX: &str = "Frontend";
pub(crate) const REQUEST_SUFFIX: &str = "Request";
pub(crate) const CONSTRUCTOR_SUFFIX: &str = "Constructor";

/// `a`, `a or b`, `a, b or c`: how messages list words.
pub(crate) fn list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The options as messages spell them.
pub(crate) fn options() -> String {
    list(&OPTIONS.map(|option| format!("{} = {}", option.word, option.value)))
}

/// The field of a message in which a stream's sender travels.
pub(crate) const ITEMS: &str = "__items";

/// What streams, and what of.
pub(crate) const ITERATOR: &str = "Iterator";
pub(crate) const STREAM: &str = "Stream";
pub(crate) const ITEM: &str = "Item";
