//! What travels, with a process at the other end: arguments, replies, and types chosen at the call.
//! Not here: odd ones (`odd_types`).

/// Every way in which an argument travels.
pub mod arguments {
    use std::borrow::Cow;
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Serialize};
    use worker_core::{Context, process_actor};

    /// A point.
    #[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
    pub struct Point(u32);

    /// Gives back what it gets.
    pub struct Echo;

    #[process_actor]
    impl Echo {
        /// Makes one.
        pub fn new(_first: &Path, _second: Option<PathBuf>) -> Self {
            Self
        }
        /// Bytes.
        pub fn bytes(&self, a: &[u8], b: Vec<u8>, c: Option<&[u8]>) -> Vec<u8> {
            [a, &b, c.unwrap_or_default()].concat()
        }
        /// Borrows.
        pub fn borrows(&self, a: &Point, b: &[Point], c: Option<&Point>) -> Vec<Point> {
            [*a].iter().chain(b).chain(c).copied().collect()
        }
        /// Text.
        pub fn text<'x>(&self, a: &'x str, b: Option<&'x str>, c: Cow<'x, str>) -> String {
            format!("{a}{}{c}", b.unwrap_or_default())
        }
        /// Borrows in other types.
        pub fn nested(&self, a: &[&str], b: Vec<(&str, &[u8])>) -> usize {
            let lengths = b.into_iter().map(|(name, bytes)| name.len() + bytes.len());
            a.concat().len() + lengths.sum::<usize>()
        }
        /// Patterns, and names that generated code uses itself.
        pub fn patterns(&self, mut call: u8, (a, b): (u8, u8), request: u8, r#type: u8, builder: u8) -> u8 {
            call += a + b;
            call + request + r#type + builder
        }
        /// A constant of the actor in a type.
        pub fn constant(&self, a: [u8; Self::N], _: u8) -> u8 {
            a.iter().sum()
        }
        /// The context anywhere.
        pub fn context(&self, a: u8, cx: &Context<Self>, b: u8) -> (String, u8) {
            (cx.name().to_owned(), a + b)
        }
        const N: usize = 3;
    }

    #[test]
    fn every_argument_arrives() -> Result<(), Box<dyn std::error::Error>> {
        let echo = EchoFrontend::spawn(Path::new("/"), None)?;
        assert_eq!(echo.bytes(b"a", vec![b'b'], Some(b"c"))?, b"abc");
        let points = [Point(2), Point(3)];
        assert_eq!(echo.borrows(&Point(1), &points, Some(&Point(4)))?, [1, 2, 3, 4].map(Point));
        assert_eq!(echo.borrows_async(&Point(1), &[], None).wait()?, [Point(1)]);
        assert_eq!(echo.text("a", Some("b"), "c".into())?, "abc");
        assert_eq!(echo.nested(&["a", "b"], vec![("c", b"d")])?, 4);
        assert_eq!(echo.patterns(1, (2, 3), 4, 5, 6)?, 21);
        assert_eq!(echo.constant([1, 2, 3], 0)?, 6);
        assert_eq!(echo.context(1, 2)?, ("Echo".to_owned(), 3));
        Ok(())
    }
}

/// Every way in which a method answers.
pub mod replies {
    use std::borrow::Cow;
    use std::convert::Infallible;
    use std::io;
    use std::num::ParseIntError;

    use worker_core::{CallError, SpawnError, process_actor};

    type Result<T, E = String> = std::result::Result<T, E>;

    type AnswerResult<T> = std::result::Result<T, String>;
    type Outcome = std::result::Result<u8, String>;

    /// Named like a result, and a value like any other.
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    pub struct SearchResult<T>(T);

    /// Answers.
    pub struct Answers(String);

    #[process_actor]
    impl Answers {
        /// Fails for an empty name.
        ///
        /// # Errors
        ///
        /// When the name is empty.
        pub fn named(name: &str) -> Result<Self, String> {
            if name.is_empty() { Err("no name".to_owned()) } else { Ok(Self(name.to_owned())) }
        }
        /// Lends.
        pub fn name(&self) -> &str {
            &self.0
        }
        /// Fails or not.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn fail(&self) -> std::result::Result<u8, String> {
            Err(self.0.clone())
        }
        /// Fails by an alias of the standard library.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn not_found(&self) -> io::Result<u8> {
            Err(io::ErrorKind::NotFound.into())
        }
        /// Fails by an alias of the user's.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn alias(&self) -> Result<u8> {
            Err("alias".to_owned())
        }
        /// Fails by an alias of another name that ends like it.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn ending(&self) -> AnswerResult<u8> {
            Err("ending".to_owned())
        }
        /// Fails by an alias whose name does not tell.
        ///
        /// # Errors
        ///
        /// Always.
        #[fallible]
        pub fn outcome(&self) -> Outcome {
            Err("outcome".to_owned())
        }
        /// Finds itself.
        #[infallible]
        pub fn search(&self) -> SearchResult<u8> {
            SearchResult(1)
        }
        /// Takes an error, which crosses as kind and text.
        pub fn kind(&self, error: io::Error) -> String {
            format!("{:?}: {error}", error.kind())
        }
        /// Fails with anything.
        ///
        /// # Errors
        ///
        /// When the text is no number.
        pub fn parse(&self, text: &str) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
            Ok(text.parse().map_err(|error: ParseIntError| error)?)
        }
        /// Lends what is there.
        pub fn first(&self) -> Option<&str> {
            self.0.get(..1)
        }
        /// Lends many, or fails.
        ///
        /// # Errors
        ///
        /// When there is nothing.
        pub fn letters(&self) -> std::result::Result<Vec<&str>, String> {
            if self.0.is_empty() { Err("empty".to_owned()) } else { Ok(self.0.split("").collect()) }
        }
        /// Lends or owns.
        pub fn upper(&self) -> Cow<'_, str> {
            Cow::Owned(self.0.to_uppercase())
        }
        /// Lends or owns, through the alias that everybody knows.
        ///
        /// # Errors
        ///
        /// Never.
        pub fn path(&self) -> io::Result<Option<&std::path::Path>> {
            Ok(Some(std::path::Path::new(&self.0)))
        }
        /// Never comes back.
        pub fn exit(&self) -> ! {
            std::process::exit(3)
        }
    }

    #[test]
    fn every_answer_arrives() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let refused = AnswersFrontend::spawn_named("").unwrap_err();
        assert!(matches!(refused, SpawnError::Constructor(error) if error == "no name"));
        let answers = AnswersFrontend::spawn_named("x")?;
        assert_eq!(answers.name()?, "x");
        assert!(matches!(answers.fail(), Err(CallError::Actor(error)) if error == "x"));
        let not_found = answers.not_found().unwrap_err();
        assert!(matches!(not_found, CallError::Actor(error) if error.kind() == io::ErrorKind::NotFound));
        assert!(matches!(answers.alias(), Err(CallError::Actor(error)) if error == "alias"));
        assert!(matches!(answers.ending(), Err(CallError::Actor(error)) if error == "ending"));
        assert!(matches!(answers.outcome(), Err(CallError::Actor(error)) if error == "outcome"));
        assert_eq!(answers.search()?, SearchResult(1));
        let first: Option<String> = answers.first()?;
        let letters: Vec<String> = answers.letters().unwrap();
        let upper: Cow<'static, str> = answers.upper()?;
        assert_eq!(
            (first.as_deref(), letters, upper),
            (Some("x"), vec![String::new(), "x".to_owned(), String::new()], "X".into())
        );
        assert_eq!(answers.path().unwrap().as_deref(), Some(std::path::Path::new("x")));
        assert_eq!(answers.kind(io::Error::new(io::ErrorKind::NotFound, "lost"))?, "NotFound: lost");
        assert_eq!(answers.parse("7").unwrap(), 7);
        assert!(matches!(answers.parse("x"), Err(CallError::Actor(_))));
        if std::env::var_os("WORKER_START").is_some_and(|method| method == "thread") {
            // Its process would be this one.
            return Ok(());
        }
        let gone: CallError<Infallible> = answers.exit().unwrap_err();
        assert!(matches!(gone, CallError::Exited(_)));
        Ok(())
    }
}

/// Generic actors and generic methods.
pub mod generic {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use worker_core::{Context, process_actor};

    /// A map with room for `N`.
    pub struct Store<K, V = u32, const N: usize = 2>(Vec<(K, V)>);

    #[process_actor]
    impl<K, V: Clone, const N: usize> Store<K, V, N>
    where
        K: Serialize + DeserializeOwned + Ord,
        V: Serialize + DeserializeOwned,
    {
        /// An empty one.
        pub fn new() -> Self {
            Self(Vec::new())
        }
        /// Looks up.
        pub fn get(&self, key: &K) -> Option<V> {
            self.0.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
        }
        /// Puts what becomes a value.
        pub fn put<T: Into<V> + Serialize + DeserializeOwned>(&mut self, key: K, value: T) -> bool {
            let is_room = self.0.len() < N;
            if is_room {
                self.0.push((key, value.into()));
            }
            is_room
        }
        /// Counts keys by another type, with types and numbers that stand in no argument.
        pub fn count<T: From<u8> + Serialize + DeserializeOwned, const M: u8>(
            &self,
            _cx: &Context<Self>,
        ) -> T {
            T::from(M)
        }
        /// Reads a borrowed value of any type.
        pub fn show<T>(&self, label: &str, value: Option<&T>) -> String
        where
            T: std::fmt::Debug + Serialize + DeserializeOwned,
        {
            format!("{label}{value:?}")
        }
        /// Forgets everything, and tells nobody.
        #[oneway]
        pub fn forget<T: Into<V>>(&mut self) {
            self.0.clear();
        }
    }

    /// Bounds of every shape.
    pub struct Bounded<T>(T);

    #[process_actor]
    impl<T> Bounded<T>
    where
        Vec<T>: Serialize + DeserializeOwned,
        for<'a> &'a T: std::ops::Add<&'a T, Output = T>,
        Self: Sized,
    {
        /// Makes one.
        pub fn of(first: Vec<T>) -> Option<Self> {
            first.into_iter().next().map(Self)
        }
        /// Makes one.
        ///
        /// # Errors
        ///
        /// When there is none.
        pub fn new(first: Vec<T>) -> Result<Self, String> {
            Self::of(first).ok_or_else(|| "nothing".to_owned())
        }
        /// Adds.
        pub fn add(&self, others: Vec<T>, label: &str) -> Vec<T> {
            let _ = label;
            others.into_iter().map(|other| &other + &self.0).collect()
        }
        /// Adds something else.
        pub fn add_as<U>(&self, other: &U) -> Vec<T>
        where
            U: Serialize + DeserializeOwned,
            for<'a> &'a U: Into<T>,
            Self: Sized,
        {
            vec![&other.into() + &self.0]
        }
    }

    /// One instance of a generic type.
    pub struct Instance<T>(T);

    #[process_actor]
    impl Instance<u8> {
        /// Makes one.
        pub fn new() -> Instance<u8> {
            Self(7)
        }
        /// Gets.
        pub fn get(&self, one_more: &[Instance<u8>; 0]) -> u8 {
            let _ = one_more;
            self.0
        }
    }

    #[test]
    fn bounds_hold_on_both_sides() -> Result<(), Box<dyn std::error::Error>> {
        let bounded = BoundedFrontend::<u8>::spawn(vec![1])?;
        assert_eq!(bounded.add(vec![2, 3], "")?, [3, 4]);
        assert_eq!(InstanceFrontend::spawn()?.get(&[])?, 7);
        Ok(())
    }

    #[test]
    fn types_are_chosen_at_the_call() -> Result<(), Box<dyn std::error::Error>> {
        let store = StoreFrontend::<String, u32, 1>::spawn()?;
        assert!(store.put("a".to_owned(), 7_u8)?);
        assert!(!store.put("b".to_owned(), 'x')?);
        assert_eq!(store.get(&"a".to_owned())?, Some(7));
        assert_eq!(store.count::<u64, 3>()?, 3);
        assert_eq!(store.show("x", Some(&(1, 2)))?, "xSome((1, 2))");
        store.forget::<u8>()?;
        assert_eq!(store.get_async(&"a".to_owned()).wait()?, None);
        Ok(())
    }
}
