//! Actors in the surroundings that break macros: each module is one, and compiling it is most of the test.
//! Not here: odd names and types in ordinary surroundings (`odd_names`, `odd_types`).

/// No prelude, and the user's own types under its names.
pub mod bare {
    #![no_implicit_prelude]

    macro_rules! shadows {
        ($($name:ident)*) => { $(
            /// In the way.
            pub struct $name;
        )* };
    }
    shadows!(Result Option Box String Vec Clone Ok Err Some None Sized Send Sync Default From Into Copy);

    /// An actor.
    pub struct Bare;

    #[::worker_core::process_actor]
    impl Bare {
        /// Makes one.
        pub fn new() -> Self {
            Bare
        }
        /// Adds.
        pub fn add(&self, a: &u8, b: ::std::option::Option<&u8>) -> u8 {
            a + *b.unwrap_or(&0)
        }
        /// Any type.
        pub fn any<T: ::serde::Serialize + ::serde::de::DeserializeOwned>(&self, value: T) -> T {
            value
        }
    }

    #[test]
    fn nothing_is_taken_from_the_prelude() {
        let bare = BareFrontend::spawn().unwrap();
        ::std::assert_eq!(bare.add(&1, ::std::option::Option::Some(&2)).unwrap(), 3);
        ::std::assert_eq!(bare.any(4_u8).unwrap(), 4);
    }
}

/// Actors out of `macro_rules!`, with the runtime under another path.
pub mod macros {
    /// The runtime, re-exported.
    pub mod again {
        pub use worker_core as runtime;
    }

    macro_rules! adder {
        ($vis:vis $name:ident, $ty:ty, $argument:ident, $method:ident) => {
            /// Adds.
            $vis struct $name($ty);

            #[again::runtime::process_actor(crate = $crate::surroundings::macros::again::runtime)]
            impl $name {
                /// Makes one.
                $vis fn new(start: $ty) -> Self {
                    let call = start;
                    $name(call)
                }
                /// Adds.
                $vis fn $method(&self, $argument: $ty, lent: &$ty, many: &[$ty]) -> $ty {
                    self.0 + $argument + lent + many.iter().sum::<$ty>()
                }
            }
        };
    }
    adder!(pub Adder, u32, call, add);
    adder!(pub ByteAdder, u8, builder, add_all);

    #[test]
    fn fragments_are_read_through() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(AdderFrontend::spawn(1)?.add(2, &3, &[4])?, 10);
        assert_eq!(ByteAdderFrontend::spawn(1)?.add_all(2, &3, &[4])?, 10);
        Ok(())
    }
}

/// Attributes that generated items repeat.
pub mod attributes {
    use worker_core::process_actor;

    /// Has conditions.
    pub struct Conditional(u8);

    #[process_actor(frontend = Remote, request = Ask, constructor = Make)]
    impl Conditional {
        /// Not here.
        #[cfg(windows)]
        pub fn missing(name: &Missing) -> Self {}
        /// Makes one.
        #[must_use = "it is a process"]
        pub fn new() -> Self {
            Self(1)
        }
        /// Not here either.
        #[cfg(windows)]
        pub fn absent(&self, name: &Missing) -> Missing {}
        /// On one system.
        #[cfg(not(windows))]
        pub fn system(&self) -> u8 {
            1
        }
        /// On the other.
        #[cfg(windows)]
        pub fn system(&self) -> u8 {
            2
        }
        /// With an argument that is there and one that is not.
        pub fn part(&self, #[cfg(windows)] a: Missing, #[cfg(not(windows))] b: u8) -> u8 {
            b
        }
        /// Old.
        #[deprecated = "use `system`"]
        pub fn old(&self) -> u8 {
            self.0
        }
    }

    /// Another actor in the same module, with nothing to call, and names that are keywords.
    #[expect(non_camel_case_types, reason = "a keyword")]
    pub struct r#loop;

    #[process_actor]
    impl r#loop {
        /// Makes one.
        pub fn r#fn() -> Self {
            Self
        }
        /// A keyword.
        pub fn r#match(&self, r#in: &str) -> usize {
            r#in.len()
        }
    }

    #[test]
    fn conditions_hold_on_the_frontend() -> Result<(), Box<dyn std::error::Error>> {
        let remote = Remote::spawn()?;
        assert_eq!((remote.system()?, remote.part(2)?), (1, 2));
        #[expect(deprecated)]
        let old = remote.old()?;
        assert_eq!(old, 1);
        assert_eq!(loopFrontend::spawn_fn()?.r#match("abc")?, 3);
        Ok(())
    }
}

/// Hooks and privacy.
pub mod inside {
    #[test]
    fn an_actor_lives_in_a_function() -> Result<(), Box<dyn std::error::Error>> {
        use worker_core::{Context, process_actor};

        struct Local(Vec<String>);

        #[process_actor]
        impl Local {
            pub(crate) fn new() -> Self {
                Self(Vec::new())
            }
            pub(super) fn seen(&self) -> Vec<String> {
                self.helper()
            }
            #[oneway]
            pub(crate) fn log(&mut self, line: &str) {
                self.0.push(line.to_owned());
            }
            #[started]
            fn begin(&mut self, cx: &Context<Self>) {
                self.0.push(cx.name().to_owned());
            }
            #[stopped]
            fn end(&mut self) {
                self.0.clear();
            }
            fn helper(&self) -> Vec<String> {
                self.0.clone()
            }
        }

        let local = LocalFrontend::spawn()?;
        local.log("b")?;
        assert_eq!(local.seen()?, ["Local", "b"]);
        assert!(local.stop()?.is_clean());
        assert_eq!(Local::new().seen(), Vec::<String>::new());
        Ok(())
    }
}
