//! What an expression may refer to: variables, functions without a body, a container, libraries.
//!
//! An environment is data and cheap to share. It decides nothing: the checker asks it for types, lowering asks it for
//! names. Variables carry types; a value of another type is refused when a program is run.

use super::table::{self, Library};
use super::ty::Type;
use std::collections::BTreeMap;

/// The names that an expression is compiled against.
///
/// ```
/// use glacis_compiler::full::{Bindings, Env, Program, Type, Value};
/// let env = Env::new().variable("amount", Type::Int);
/// let program = Program::compile("amount > 1000 && amount % 2 == 0", &env).unwrap();
/// assert_eq!(program.ty(), &Type::Bool);
/// let bindings = Bindings::from([("amount".to_owned(), Value::Int(1002))]);
/// assert!(matches!(program.run(&bindings), Ok(Value::Bool(true))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Env {
    container: String,
    variables: BTreeMap<String, Type>,
    declared: BTreeMap<String, Vec<Signature>>,
    libraries: Vec<Library>,
    without_macros: bool,
}

/// One overload of a declared function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whether it is called on its first parameter.
    pub method: bool,
    /// Types of its parameters.
    pub parameters: Vec<Type>,
    /// Type of its result.
    pub result: Type,
}

impl Env {
    /// An environment with the standard functions and macros only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a variable; its name may be qualified (`user.age`).
    #[must_use]
    pub fn variable(mut self, name: &str, ty: Type) -> Self {
        self.variables.insert(name.to_owned(), ty);
        self
    }

    /// Declares an overload of a function. It has no body: calling it is an error of evaluation.
    #[must_use]
    pub fn function(mut self, name: &str, signature: Signature) -> Self {
        self.declared.entry(name.to_owned()).or_default().push(signature);
        self
    }

    /// Names are looked for in this container first, then in those around it.
    #[must_use]
    pub fn container(mut self, container: &str) -> Self {
        container.clone_into(&mut self.container);
        self
    }

    /// Offers the functions of a library.
    #[must_use]
    pub fn library(mut self, library: Library) -> Self {
        if !self.has(library) {
            self.libraries.push(library);
        }
        self
    }

    /// Leaves macros out: `has`, `all`, `map` and the like are ordinary names.
    #[must_use]
    pub fn without_macros(mut self) -> Self {
        self.without_macros = true;
        self
    }

    pub(crate) fn has_macros(&self) -> bool {
        !self.without_macros
    }

    pub(crate) fn has(&self, library: Library) -> bool {
        library == Library::Standard || self.libraries.contains(&library)
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.variables.iter().map(|(name, ty)| (name.as_str(), ty))
    }

    pub(crate) fn variable_type(&self, name: &str) -> Option<&Type> {
        self.variables.get(name)
    }

    pub(crate) fn signatures(&self, name: &str) -> &[Signature] {
        self.declared.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn declares(&self, name: &str, method: bool) -> bool {
        self.signatures(name).iter().any(|signature| signature.method == method)
    }

    /// Names of all functions, for suggestions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        let known = table::all().filter(|function| self.has(function.library)).map(|function| function.name);
        let words = known.filter(|name| name.starts_with(|letter: char| letter.is_ascii_alphabetic()));
        words.chain(self.declared.keys().map(String::as_str))
    }

    /// The full names that a name may have, the innermost container first.
    pub(crate) fn candidates(&self, name: &str, rooted: bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut container = if rooted { "" } else { self.container.as_str() };
        while !container.is_empty() {
            found.push(format!("{container}.{name}"));
            container = container.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        found.push(name.to_owned());
        found
    }
}
