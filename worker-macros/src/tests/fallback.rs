//! Blocks with mistakes: what is left is Rust, has the user's functions, and a frontend with every readable signature.

use super::support::expanded;

/// The expansion of a block with a mistake in `items`.
#[track_caller]
fn fallback(items: &str) -> String {
    let block =
        format!("impl Decoder {{ pub fn new(n: u8) -> Self {{}} {items} pub fn good(&self) -> u8 {{}} }}");
    let text = expanded("".parse().unwrap(), block.parse().unwrap());
    assert!(text.contains("compile_error!"), "{text}");
    text
}

/// Every rule, by one input that breaks it.
const BROKEN: [&str; 30] = [
    "pub fn with_cx(cx: &Context<Self>) -> Self {}",
    "pub fn make<T>(value: T) -> Self {}",
    "pub unsafe fn bad(&self) {}",
    "pub async fn bad<T>(&self, value: T) {}",
    "pub fn bad(self) {}",
    "pub fn bad(self: Box<Self>) {}",
    "pub fn bad(&self, into: &mut Image) {}",
    "pub fn bad(&self, name: impl Into<String>) {}",
    "pub fn bad(&self, shape: &dyn Shape) {}",
    "pub fn bad(&self, at: *const u8) {}",
    "pub fn bad(&self, f: fn(u8) -> u8) {}",
    "pub fn bad(&self, points: Vec<&Point>) {}",
    "pub fn bad(&self, name: &'static str) {}",
    "pub fn bad<'de, T: Deserialize<'de>>(&self, value: T) {}",
    "pub fn bad(&self, #[cfg(a)] a: u8, #[cfg(b)] b: u8, #[cfg(c)] c: u8, #[cfg(d)] d: u8) {}",
    "pub fn bad(&self) -> HashMap<u8, &str> {}",
    "pub fn bad(&mut self) -> &mut Self {}",
    "pub fn bad(&self) -> impl Display + '_ {}",
    "pub fn bad(&self) -> Result<u8, Box<dyn Error>> {}",
    "pub fn bad(&self, cx: &mut Context<Self>) {}",
    "#[oneway] pub fn bad(&self) -> u32 {}",
    "#[oneway] fn bad(&self) {}",
    "#[started] fn bad(&self, n: u32) -> u8 {}",
    "#[activate] fn bad(&self) -> u8 {}",
    "pub fn stop(&self) {}",
    "pub fn good_async(&self) {}",
    "pub fn with() -> Self {}",
    "pub fn spawn_with(&self) {}",
    "pub fn request<T>(&self, t: T) {}",
    "pub fn a_b(&self) {} pub fn aB(&self) {}",
];

#[test]
fn the_frontend_survives_every_mistake() {
    for items in BROKEN {
        let text = fallback(items);
        assert!(text.contains("pub struct DecoderFrontend(::worker_core::Handle<Decoder>);"), "{text}");
        assert!(text.contains("pub fn spawn("), "{text}");
        assert!(text.contains("pub fn good(&self)"), "{text}");
        assert!(text.contains("impl ::worker_core::Actor for Decoder"), "{text}");
        assert!(text.contains("#[derive(::worker_core::Frontend)]"), "{text}");
        assert_eq!(
            text.matches("fn good_async(").count(),
            1 + usize::from(items.contains("good_async")),
            "{text}"
        );
        assert!(!text.contains("unimplemented!") && !text.contains("unsafe {"), "{text}");
        let is_helper = |line: &str| ["#[oneway]", "#[started]", "#[activate]"].contains(&line.trim());
        assert!(!text.lines().any(is_helper), "{text}");
    }
}

#[test]
fn a_method_with_a_mistake_keeps_its_signature() {
    let text = fallback("pub unsafe fn fetch(&self, url: String) -> Result<Page, Gone> {}");
    assert!(text.contains("::core::result::Result<Page, ::worker_core::CallError<Gone>>"), "{text}");
    let text = fallback("pub fn shown(&self) -> impl Display + '_ {}");
    assert!(text.contains("::std::boxed::Box<dyn Display"), "{text}");
}

#[test]
fn a_body_that_is_being_typed_takes_nothing_away() {
    let text = crate::pipeline::run(
        "".parse().unwrap(),
        "impl Decoder { pub fn new() -> Self { Self } pub fn a(&self) { self. } }".parse().unwrap(),
    );
    let text = text.to_string();
    assert!(text.contains("DecoderFrontend") && !text.contains("compile_error"), "{text}");
}

#[test]
fn a_signature_that_cannot_be_read_is_one_error() {
    let tokens = "impl Decoder { pub fn new() -> Self {} pub fn a(&self, x: ) {} pub fn good(&self) {} }";
    let text = crate::pipeline::run("".parse().unwrap(), tokens.parse().unwrap()).to_string();
    assert_eq!(text.matches("compile_error").count(), 1, "{text}");
    assert!(text.contains("good_async"), "{text}");
}

#[test]
fn what_is_no_actor_stays_as_it_is() {
    for item in ["struct Decoder;", "fn decode() {}", "impl Decode for Decoder {}", "impl (A, B) {}"] {
        let text = expanded("".parse().unwrap(), item.parse().unwrap());
        assert_eq!(text.matches("compile_error!").count(), 1, "{text}");
        assert!(!text.contains("Frontend"), "{text}");
    }
}

#[test]
fn lifetimes_of_the_block_do_not_reach_the_skeleton() {
    let block =
        "impl<'a, T: 'a> Decoder<'a, T> { pub fn new() -> Self {} pub fn get(&self, t: &'a T) -> &'a T {} }";
    let text = expanded("".parse().unwrap(), block.parse().unwrap());
    assert_eq!(text.matches("compile_error!").count(), 1, "{text}");
    assert!(text.contains("::worker_core::Handle<Decoder<'static, T>>"), "{text}");
}
