//! Odd types: parameters named like those of generated code, and arguments and replies of every shape.
//! Not here: odd names (`odd_names`).
//! Each value goes to a process and back.
#![allow(
    clippy::many_single_char_names,
    clippy::too_many_arguments,
    clippy::ref_option,
    clippy::ref_option_ref,
    clippy::option_option,
    clippy::ignored_unit_patterns,
    clippy::type_complexity,
    clippy::box_collection,
    clippy::borrowed_box,
    clippy::boxed_local,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::no_effect_underscore_binding,
    clippy::ptr_arg,
    clippy::result_unit_err,
    clippy::return_self_not_must_use,
    clippy::cloned_ref_to_slice_refs,
    reason = "about the users' types here, not about what is generated"
)]

/// Parameters named like those of generated code.
pub mod parameters {
    use serde_::{DeserializeOwned, Serialize};
    /// In the way.
    pub mod serde_ {
        pub use ::serde::{Serialize, de::DeserializeOwned};
    }
    /// Has.
    pub trait Has {
        /// What.
        type Item: Serialize + DeserializeOwned + Clone;
        /// Number.
        const N: usize;
    }
    impl Has for u8 {
        type Item = String;
        const N: usize = 3;
    }
    /// Params.
    pub struct Params<Serializer, D, Form, S, const CALL: usize = 4>(
        S,
        Option<D>,
        ::std::marker::PhantomData<(Serializer, Form)>,
    )
    where
        Serializer: Has<Item = String>;

    #[rt::process_actor(crate = crate::rt)]
    impl<Serializer, D, Form, S, const CALL: usize> Params<Serializer, D, Form, S, CALL>
    where
        Serializer: Has<Item = String>,
        D: Serialize + DeserializeOwned + Clone,
        S: Has + Default,
        S::Item: PartialEq,
        Form: Default + Serialize + DeserializeOwned,
        (D, Form): Serialize,
    {
        /// Makes.
        pub fn new(d: Option<D>, item: <S as Has>::Item, s: S::Item) -> Params<Serializer, D, Form, S, CALL> {
            assert!(item == s);
            Self(S::default(), d, ::std::marker::PhantomData)
        }
        /// Gives.
        pub fn give<'a, 'b>(
            &'a self,
            name: &'b str,
            items: &[S::Item],
            own: <Serializer as Has>::Item,
        ) -> Option<D> {
            let _n: (&'b str, &'a D);
            let _m = (name, items, own);
            self.1.clone()
        }
        /// Form.
        pub fn form(&self, form: Form, n: [u8; 4]) -> (Form, [u8; 4]) {
            (form, n)
        }
        /// Number.
        pub fn number<'a, Ty, const M: usize>(&self, ty: &'a Ty, pair: (&'a str, Ty)) -> (usize, Ty)
        where
            Ty: Serialize + DeserializeOwned + Clone,
        {
            let _x = ty;
            (CALL + M + pair.0.len(), pair.1)
        }
        /// Lends.
        pub fn lend(&self) -> &Option<D> {
            &self.1
        }
    }
    #[test]
    fn every_value_goes_there_and_back() {
        let params =
            ParamsFrontend::<u8, u16, String, u8, 4>::spawn(Some(3), "a".into(), "a".into()).unwrap();
        assert_eq!(params.give("a", &["b".to_owned()], "c".to_owned()).unwrap(), Some(3));
        assert_eq!(params.form("x".to_owned(), [1; 4]).unwrap().0, "x");
        assert_eq!(params.number::<u8, 3>(&1, ("ab", 2)).unwrap(), (9, 2));
        assert_eq!(params.lend().unwrap(), Some(3));
    }
}

/// Arguments and replies.
pub mod values {
    use ::std::borrow::Cow;
    use ::std::collections::{BTreeMap, HashMap};
    use ::std::ffi::{CStr, CString, OsStr, OsString};
    use ::std::path::{Path, PathBuf};
    use ::std::time::{Duration, SystemTime};
    /// Takes.
    #[derive(::serde::Serialize, ::serde::Deserialize, Clone, PartialEq, Debug)]
    pub struct Takes(Vec<u8>);
    #[rt::process_actor(crate = rt)]
    impl Takes {
        /// Makes.
        pub fn new() -> Takes {
            Self(vec![1])
        }
        /// a
        pub fn a(
            &self,
            a: &Box<u8>,
            b: &Option<u8>,
            c: &(u8, u8),
            d: &[u8; 4],
            e: &String,
            f: &Vec<u8>,
            g: &PathBuf,
        ) -> usize {
            usize::from(**a)
                + usize::from(b.unwrap_or(0))
                + usize::from(c.0)
                + d.len()
                + e.len()
                + f.len()
                + g.as_os_str().len()
        }
        /// b
        pub fn b(
            &self,
            a: Duration,
            b: SystemTime,
            c: HashMap<String, Vec<u8>>,
            d: Option<Option<u8>>,
            e: (),
            f: Result<u8, String>,
            g: Option<&[&str]>,
        ) -> (Duration, SystemTime, usize) {
            let () = e;
            (a, b, c.len() + usize::from(d.is_some()) + usize::from(f.is_ok()) + g.map_or(0, <[_]>::len))
        }
        /// c
        pub fn c(
            &self,
            a: [&str; 2],
            b: Option<Cow<'_, str>>,
            c: Box<str>,
            d: &CStr,
            e: CString,
            f: &OsStr,
            g: OsString,
        ) -> usize {
            a[0].len()
                + b.map_or(0, |b| b.len())
                + c.len()
                + d.to_bytes().len()
                + e.as_bytes().len()
                + f.len()
                + g.len()
        }
        /// d
        pub fn d(
            &self,
            a: &[Vec<u8>],
            b: &BTreeMap<u8, Takes>,
            c: &Self,
            d: Self,
            e: Vec<Self>,
            f: Option<&Self>,
            g: &[Self],
        ) -> Self {
            let _x = (a, b, c, e, f, g);
            d
        }
        /// e
        pub fn e(&self, ((a, b), [c, d]): ((u8, u8), [u8; 2]), Takes(e): Takes, _: u8, f: u8) -> Vec<Self>
        where
            u8: From<u8>,
        {
            vec![Self(vec![a, b, c, d, f]), Self(e)]
        }
        /// f
        pub fn f(
            &self,
            p: Option<&Path>,
            q: Vec<PathBuf>,
            r: &[PathBuf],
            s: u128,
            t: char,
        ) -> (PathBuf, u128, char, Box<[u8]>, Cow<'static, str>) {
            let _x = (q, r);
            (p.unwrap().to_owned(), s, t, Box::from([1]), "a".into())
        }
        /// g
        pub fn g(
            &self,
            other: TakesFrontend,
            more: Vec<TakesFrontend>,
        ) -> Result<TakesFrontend, ::std::io::Error> {
            drop(more);
            Ok(other)
        }
        /// h
        pub fn h(&self) -> Result<Result<u8, u8>, Result<u8, u8>> {
            Err(Ok(1))
        }
        /// i
        pub fn i(&self) -> Result<(), ()> {
            Err(())
        }
        /// j
        pub fn j(&self) -> Result<::std::convert::Infallible, String> {
            Err("j".to_owned())
        }
        /// k
        pub fn k(&self) -> &[u8] {
            &self.0
        }
        /// l
        pub fn l(&self) -> Option<Result<Self, String>> {
            None
        }
        /// m
        pub fn m(&self) -> Result<Self, String> {
            Ok(self.clone())
        }
        /// n
        pub fn n(&mut self, n: u8) -> impl Iterator<Item = (u8, Vec<Self>)> + '_ {
            (0..n).map(|n| (n, vec![self.clone()]))
        }
        /// o
        pub fn o(&self) -> (u8,) {
            (1,)
        }
        /// p
        pub fn p<'x>(&'x self, _a: &'x str) -> &'x Path {
            Path::new("p")
        }
    }
    #[test]
    fn every_value_goes_there_and_back() {
        let takes = TakesFrontend::spawn().unwrap();
        assert_eq!(
            takes.a(&Box::new(1), &Some(1), &(1, 1), &[1; 4], &"abc".into(), &vec![1], &"/".into()).unwrap(),
            12
        );
        let _x = takes
            .b(Duration::ZERO, SystemTime::now(), HashMap::new(), Some(None), (), Ok(1), Some(&["a"]))
            .unwrap();
        assert_eq!(
            takes
                .c(["a", "b"], Some("c".into()), "d".into(), c"e", c"f".to_owned(), "g".as_ref(), "h".into())
                .unwrap(),
            7
        );
        let it = Takes(vec![3]);
        assert_eq!(
            takes
                .d(&[vec![1]], &BTreeMap::new(), &it, it.clone(), vec![it.clone()], Some(&it), &[it.clone()])
                .unwrap(),
            it
        );
        assert_eq!(takes.e(((1, 2), [3, 4]), it, 0, 5).unwrap().len(), 2);
        assert_eq!(takes.f(Some(Path::new("x")), vec![], &[], 7, 'c').unwrap().3, Box::from([1]));
        assert_eq!(takes.g(takes.clone(), vec![takes.clone()]).unwrap().o().unwrap(), (1,));
        assert!(matches!(takes.h(), Err(rt::CallError::Actor(Ok(1)))));
        assert!(matches!(takes.i(), Err(rt::CallError::Actor(()))));
        assert!(matches!(takes.j(), Err(rt::CallError::Actor(_))));
        assert_eq!(takes.k().unwrap(), [1]);
        assert_eq!(takes.l().unwrap(), None);
        assert_eq!(takes.m().unwrap(), Takes(vec![1]));
        assert_eq!(takes.n(3).unwrap().count(), 3);
        assert_eq!(takes.p("").unwrap(), Path::new("p"));
    }
}

/// Types named like those of the prelude, in signatures.
pub mod shadowed {
    use ::serde::{Deserialize, Serialize};

    macro_rules! shadows {
        ($($name:ident)*) => { $(
            /// In the way.
            #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
            pub struct $name;
        )* };
    }
    shadows!(Result Box String Vec ToString);

    /// In the way, with a parameter.
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    pub struct Option<T>(T);

    /// An actor.
    pub struct Shadowed;

    #[rt::process_actor(crate = rt)]
    impl Shadowed {
        /// Makes one.
        pub fn new(_a: String, _b: Option<u8>) -> Self {
            Self
        }
        /// All of them.
        pub fn all(
            &self,
            a: Result,
            b: Box,
            c: String,
            d: Vec,
            e: &ToString,
        ) -> (Result, Box, String, Vec, bool) {
            (a, b, c, d, *e == ToString)
        }
        /// One with a parameter.
        pub fn some(&self, a: Option<u8>) -> Option<u8> {
            a
        }
        /// Lends.
        pub fn lend(&self) -> &String {
            &String
        }
    }

    #[test]
    fn the_users_types_are_meant() {
        let shadowed = ShadowedFrontend::spawn(String, Option(1)).unwrap();
        let all = shadowed.all(Result, Box, String, Vec, &ToString).unwrap();
        assert_eq!(all, (Result, Box, String, Vec, true));
        assert_eq!(shadowed.some(Option(2)).unwrap(), Option(2));
        assert_eq!(shadowed.lend().unwrap(), String);
    }
}
