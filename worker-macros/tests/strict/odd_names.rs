//! Odd names: modules, arguments, methods and variants called like what generated code uses, and actors out of macros.
//! Not here: what travels (`odd_types`).
//! Compiling it is most of the test; the rest says that the right function was called.
#![allow(
    clippy::many_single_char_names,
    clippy::too_many_arguments,
    clippy::should_implement_trait,
    clippy::needless_arbitrary_self_type,
    clippy::wrong_self_convention,
    clippy::pub_underscore_fields,
    clippy::used_underscore_items,
    clippy::used_underscore_binding,
    reason = "about the users' types here, not about what is generated"
)]

/// In the way.
pub mod core {}
/// In the way.
pub mod std {}
/// In the way.
pub mod worker_core {}
/// In the way.
pub mod serde {}

/// An enum, under an alias, whose functions are named like those of traits and of frontends.
pub mod names {
    /// A switch.
    pub enum Switch {
        /// On.
        On,
        /// Off.
        Off,
    }
    type Other = Switch;
    #[rt::process_actor(crate = rt)]
    impl Other {
        /// Makes one.
        pub const fn new() -> Self {
            Self::On
        }
        /// Makes one.
        pub const fn make() -> Self {
            Self::Off
        }
        /// Runs.
        pub fn run(&mut self) -> u8 {
            *self = Self::Off;
            1
        }
        /// Clones.
        pub fn clone(&self) -> u8 {
            2
        }
        /// Odd.
        pub fn self_(&self) -> u8 {
            3
        }
        /// Odd.
        pub fn __x(&self) -> u8 {
            4
        }
        /// Odd.
        pub fn über_straße(&self, größe: u8) -> u8 {
            größe
        }
        /// Odd.
        pub fn _1(
            &self,
            worker_core: u8,
            access: u8,
            birth: u8,
            birth_: u8,
            constructor: u8,
            backend: u8,
            handle: u8,
        ) -> u8 {
            worker_core + access + birth + birth_ + constructor + backend + handle
        }
        /// Odd.
        pub fn call(&self) -> u8 {
            5
        }
        /// Odd.
        pub fn carry(&self) -> u8 {
            6
        }
        /// Odd.
        pub fn deref(&self) -> u8 {
            7
        }
        /// Odd.
        pub fn from(&self, from: u8) -> u8 {
            from
        }
        /// Odd.
        pub fn started(&self) -> u8 {
            8
        }
        /// Odd.
        pub fn live(&self) -> u8 {
            8
        }
        /// Odd.
        pub fn marker(&self) -> u8 {
            8
        }
        /// Odd.
        pub fn pid(&self) -> u8 {
            8
        }
        /// Odd.
        pub extern "C" fn borrow(self: &Self) -> u8 {
            8
        }
        /// Odd.
        pub fn kill(self: &mut Self) -> u8 {
            8
        }
    }
    #[test]
    fn the_right_function_is_called() {
        let other = OtherFrontend::spawn().unwrap();
        assert_eq!(other.run().unwrap(), 1);
        assert_eq!(other.clone().unwrap(), 2);
        assert_eq!(other.über_straße(7).unwrap(), 7);
        assert_eq!(other._1(1, 1, 1, 1, 1, 1, 1).unwrap(), 7);
        assert_eq!(other.call().unwrap() + other.carry().unwrap() + other.deref().unwrap(), 18);
        assert_eq!(other.from(1).unwrap(), 1);
        assert_eq!(OtherFrontend::spawn_make().unwrap().started().unwrap(), 8);
        assert_eq!(other.live().unwrap() + other.marker().unwrap() + other.pid().unwrap(), 24);
        assert_eq!(
            other.__x().unwrap() + other.self_().unwrap() + other.borrow().unwrap() + other.kill().unwrap(),
            23
        );
    }
}

/// Every fragment of `macro_rules!`.
pub mod fragments {
    macro_rules! whole {
        ($(#[$meta:meta])* $vis:vis actor $name:ident<$lt:lifetime, $t:ident: $bound:path, $clone:path; $n:expr; { $($body:tt)* } $make:block $value:ident $receiver:ident $p:pat_param, $ty:ty, $out:ty, $lit:literal) => {
            $(#[$meta])*
            $vis struct $name<$t>($t);
            #[rt::process_actor(crate = rt)]
            impl<$t: $bound + $clone + ::serde::Serialize + ::serde::de::DeserializeOwned> $name<$t> {
                /// Makes.
                $vis fn new($p: $ty, $value: $t) -> Self $make
                #[doc = $lit]
                $vis fn get<$lt>(&$lt $receiver, a: &$lt $ty, b: [u8; $n]) -> $out {
                    let _x = (a, b);
                    $receiver.0.to_string()
                }
                $($body)*
            }
        };
    }
    whole! {
        /// Whole.
        pub actor Whole<'z, Q: ToString, Clone; 3 + 1; {
            /// More.
            #[must_use]
            pub fn more(&mut self) -> Option<&Q> { Some(&self.0) }
        } { Self(of) } of self (_a, _b), (u8, String), String, "Gets."
    }
    macro_rules! item {
        ($item:item) => {
            #[rt::process_actor(crate = rt)]
            $item
        };
    }
    /// Item.
    pub struct Item;
    item! {
        impl Item {
            /// Makes.
            pub fn new() -> Self { Self }
            /// Gets.
            pub fn get(&self) -> u8 { 1 }
        }
    }
    macro_rules! types {
        ($self_ty:ty, $ret:ty, $arg:ty) => {
            #[rt::process_actor(crate = rt)]
            impl $self_ty {
                /// Makes.
                pub fn new() -> $self_ty {
                    Ty
                }
                /// Gets.
                pub fn get(&self, arg: $arg, many: &[$arg], some: Option<$arg>) -> $ret {
                    let _x = (many, some);
                    arg.to_owned()
                }
                /// Fails.
                ///
                /// # Errors
                ///
                /// Always.
                pub fn fail(&self) -> Result<$ret, $ret> {
                    Err("x".into())
                }
            }
        };
    }
    /// Ty.
    pub struct Ty;
    types!(Ty, String, &str);
    #[test]
    fn the_right_function_is_called() {
        let whole = WholeFrontend::spawn((1, "a".to_owned()), 7_u8).unwrap();
        assert_eq!(whole.get(&(2, "b".to_owned()), [0; 4]).unwrap(), "7");
        assert_eq!(whole.more().unwrap(), Some(7));
        assert_eq!(ItemFrontend::spawn().unwrap().get().unwrap(), 1);
        let ty = TyFrontend::spawn().unwrap();
        assert_eq!(ty.get("a", &["b"], Some("c")).unwrap(), "a");
        assert!(ty.fail().is_err());
    }
}
