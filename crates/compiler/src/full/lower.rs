//! From the parsed tree to an expression whose names are resolved and whose macros are expanded.
//!
//! Names resolve as in the CEL specification: variables of macros first, then the longest qualified name that the
//! environment knows, each looked for from the innermost container outwards. Where the environment declares nothing
//! (an unchecked expression), every reading is kept and the one that has a value is taken at run time.

use super::env::Env;
use super::expr::{Callee, Expr, ExprKind, Fold, FoldKind, Reference, Target};
use super::table::{self, Function, Library};
use super::ty::Type;
use super::value::Value;
use crate::cel::ast::{Ast, AstKind, BinaryOp};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::source::Finding;
use std::sync::Arc;

type Result<T, E = Finding> = std::result::Result<T, E>;

/// Resolves names and macros. `checked` means that what is not declared is an error.
pub(crate) fn lower(ast: &Ast, env: &Env, checked: bool) -> Result<Expr> {
    Lower { env, checked, scope: Vec::new() }.expr(ast)
}

struct Lower<'e> {
    env: &'e Env,
    checked: bool,
    /// Variables of the macros around, outermost first.
    scope: Vec<String>,
}

impl Lower<'_> {
    fn expr(&mut self, ast: &Ast) -> Result<Expr> {
        let constant = |value| Ok(ExprKind::Const(value));
        let kind = match &ast.kind {
            AstKind::Null => constant(Value::Null),
            AstKind::Bool(value) => constant(Value::Bool(*value)),
            AstKind::Int(value) => constant(Value::Int(*value)),
            AstKind::Uint(value) => constant(Value::Uint(*value)),
            AstKind::Double(value) => constant(Value::Double(*value)),
            AstKind::Text(text) => constant(Value::text(text)),
            AstKind::Bytes(bytes) => constant(Value::bytes(bytes)),
            AstKind::List(items) => {
                Ok(ExprKind::List(items.iter().map(|item| self.expr(item)).collect::<Result<_>>()?))
            }
            AstKind::Map(entries) => {
                let entry = |(key, value): &(Ast, Ast)| Ok((self.expr(key)?, self.expr(value)?));
                Ok(ExprKind::Map(entries.iter().map(entry).collect::<Result<_>>()?))
            }
            AstKind::Name(_) | AstKind::Root(_) | AstKind::Field(..) => return self.path(ast),
            AstKind::Quoted(on, field) => self.select(on, &field.value),
            AstKind::Index(on, index) => self.operator("_[_]", &[on, index]),
            AstKind::Not(inner) => self.operator("!_", &[inner]),
            AstKind::Neg(inner) => self.operator("-_", &[inner]),
            AstKind::Binary(op, left, right) => self.operator(operator_name(*op), &[left, right]),
            AstKind::If(condition, yes, no) => self.operator("_?_:_", &[condition, yes, no]),
            AstKind::Call { receiver, name, args } => return self.call(ast, receiver.as_deref(), name, args),
        };
        Ok(Expr { span: ast.span, kind: kind? })
    }

    fn select(&mut self, on: &Ast, field: &str) -> Result<ExprKind> {
        Ok(ExprKind::Select { on: Box::new(self.expr(on)?), field: Arc::from(field) })
    }

    fn operator(&mut self, name: &str, args: &[&Ast]) -> Result<ExprKind> {
        let args = args.iter().map(|arg| self.expr(arg)).collect::<Result<_>>()?;
        let callee = table::find(name, |_| true).map_or(Callee::Missing, Callee::Known);
        Ok(ExprKind::Call { callee, method: false, args })
    }

    /// A name, or fields of one, or fields of something else.
    fn path(&mut self, ast: &Ast) -> Result<Expr> {
        let done = |kind| Ok(Expr { span: ast.span, kind });
        let Some(path) = Path::of(ast) else {
            let AstKind::Field(on, field) = &ast.kind else {
                return Err(Finding::new(ast.span, "G3005", "not a name"));
            };
            let kind = self.select(on, &field.value)?;
            return done(kind);
        };
        if let Some(local) = self.local(&path) {
            let mut expr = Expr { span: ast.span, kind: ExprKind::Local(local) };
            for field in path.names.iter().skip(1) {
                let on = Box::new(expr);
                expr = Expr { span: ast.span, kind: ExprKind::Select { on, field: Arc::from(*field) } };
            }
            return Ok(expr);
        }
        let references = self.references(&path);
        if references.is_empty() {
            return Err(self.unknown(ast.span, &path));
        }
        done(ExprKind::Name(references))
    }

    fn local(&self, path: &Path<'_>) -> Option<usize> {
        let first = path.names.first().filter(|_| !path.rooted)?;
        self.scope.iter().rposition(|name| name == first)
    }

    /// The readings of a qualified name, the longest and innermost first. Only one where names are declared.
    fn references(&self, path: &Path<'_>) -> Vec<Reference> {
        let mut found = Vec::new();
        for length in (1..=path.names.len()).rev() {
            let (head, tail) = path.names.split_at_checked(length).unwrap_or((&[], &[]));
            let fields: Vec<Arc<str>> = tail.iter().map(|field| Arc::from(*field)).collect();
            for name in self.env.candidates(&head.join("."), path.rooted) {
                if self.env.variable_type(&name).is_some() || !self.checked {
                    let target = Target::Variable(name.clone());
                    found.push(Reference { target, fields: fields.clone() });
                }
                if let Some(ty) = Type::named(&name).filter(|ty| *ty != Type::Dyn) {
                    found.push(Reference { target: Target::Type(ty), fields: fields.clone() });
                }
            }
        }
        if self.checked {
            found.truncate(1);
        }
        found
    }

    fn unknown(&self, span: Span, path: &Path<'_>) -> Finding {
        let name = path.names.join(".");
        let finding = Finding::new(span, "G3005", format!("nothing is called `{name}` here"));
        finding.maybe_help(suggest(&name, self.env.variables().map(|(name, _)| name)))
    }

    fn call(
        &mut self,
        ast: &Ast,
        receiver: Option<&Ast>,
        name: &Spanned<String>,
        args: &[Ast],
    ) -> Result<Expr> {
        if self.env.has_macros() {
            if let (None, "has") = (receiver, name.value.as_str()) {
                return self.has(ast, args);
            }
            if let Some(receiver) = receiver
                && let Some(shape) = Shape::of(&name.value, args.len(), self.env)
            {
                return self.fold(ast, shape, receiver, args);
            }
        }
        let kind = self.function(receiver, name, args)?;
        Ok(Expr { span: ast.span, kind })
    }

    /// A call of a function, or of a method, or of a function whose name is qualified.
    fn function(&mut self, receiver: Option<&Ast>, name: &Spanned<String>, args: &[Ast]) -> Result<ExprKind> {
        let mut lowered = Vec::with_capacity(args.len() + 1);
        let qualified = match receiver {
            None => {
                let rooted = name.value.strip_prefix('.');
                self.callee(rooted.unwrap_or(&name.value), rooted.is_some(), false)
            }
            Some(receiver) => Path::of(receiver)
                .filter(|path| self.local(path).is_none())
                .and_then(|path| self.callee(&path.with(&name.value), path.rooted, false)),
        };
        let method = qualified.is_none() && receiver.is_some();
        if let Some(receiver) = receiver.filter(|_| method) {
            lowered.push(self.expr(receiver)?);
        }
        for arg in args {
            lowered.push(self.expr(arg)?);
        }
        let callee = qualified.or_else(|| receiver.and_then(|_| self.callee(&name.value, true, true)));
        if let Some(Callee::Known(Function { variadic: true, .. })) = callee
            && lowered.len() > 2
        {
            lowered = vec![Expr { span: name.span, kind: ExprKind::List(lowered) }];
        }
        match callee {
            Some(callee) => Ok(ExprKind::Call { callee, method, args: lowered }),
            None if self.checked => {
                let word = name.value.trim_start_matches('.');
                let finding = Finding::new(name.span, "G3008", format!("there is no function `{word}`"));
                Err(finding.maybe_help(suggest(word, self.env.functions())))
            }
            None => Ok(ExprKind::Call { callee: Callee::Missing, method, args: lowered }),
        }
    }

    fn callee(&self, name: &str, rooted: bool, method: bool) -> Option<Callee> {
        self.env.candidates(name, rooted).into_iter().find_map(|name| {
            let called_so = |function: &Function| function.overloads.iter().any(|o| o.method == method);
            let known = table::find(&name, |function| self.env.has(function.library) && called_so(function));
            let declared = || self.env.declares(&name, method).then(|| Callee::Declared(name.clone()));
            known.map(Callee::Known).or_else(declared)
        })
    }

    /// `has(e.f)`
    fn has(&mut self, ast: &Ast, args: &[Ast]) -> Result<Expr> {
        let (on, field) = match args {
            [Ast { kind: AstKind::Field(on, field) | AstKind::Quoted(on, field), .. }] => (on, field),
            _ => {
                let finding = Finding::new(ast.span, "G3013", "`has` takes one field");
                return Err(finding.help("write `has(value.field)`"));
            }
        };
        let kind = ExprKind::Has { on: Box::new(self.expr(on)?), field: Arc::from(field.value.as_str()) };
        Ok(Expr { span: ast.span, kind })
    }

    fn fold(&mut self, ast: &Ast, shape: Shape, receiver: &Ast, args: &[Ast]) -> Result<Expr> {
        let range = self.expr(receiver)?;
        let depth = self.scope.len();
        let (names, rest) = args.split_at_checked(shape.variables).unwrap_or((&[], args));
        for name in names {
            let variable = match &name.kind {
                AstKind::Name(variable) if variable != "__result__" && !self.scope_since(depth, variable) => {
                    variable.clone()
                }
                _ => {
                    self.scope.truncate(depth);
                    let message = "a macro's variable is a simple name of its own";
                    return Err(Finding::new(name.span, "G3013", message));
                }
            };
            self.scope.push(variable);
        }
        let bodies: Result<Vec<Expr>> = rest.iter().map(|body| self.expr(body)).collect();
        self.scope.truncate(depth);
        let mut bodies = bodies?.into_iter();
        let test = if shape.tests { bodies.next() } else { None };
        let fold = Fold { kind: shape.kind, range, variables: shape.variables, test, item: bodies.next() };
        Ok(Expr { span: ast.span, kind: ExprKind::Fold(Box::new(fold)) })
    }

    /// Whether one of the variables that the macro has named already is called so.
    fn scope_since(&self, depth: usize, name: &str) -> bool {
        self.scope.iter().skip(depth).any(|known| known == name)
    }
}

/// How a macro is written.
#[derive(Clone, Copy, Debug)]
struct Shape {
    kind: FoldKind,
    variables: usize,
    /// Whether the first body is a test.
    tests: bool,
}

impl Shape {
    fn of(name: &str, args: usize, env: &Env) -> Option<Self> {
        let (kind, variables, tests) = match (name, args) {
            ("all", 2) => (FoldKind::All, 1, true),
            ("exists", 2) => (FoldKind::Exists, 1, true),
            ("exists_one" | "existsOne", 2) => (FoldKind::One, 1, true),
            ("map", 2) => (FoldKind::List, 1, false),
            ("map", 3) | ("filter", 2) => (FoldKind::List, 1, true),
            ("all", 3) => (FoldKind::All, 2, true),
            ("exists", 3) => (FoldKind::Exists, 2, true),
            ("exists_one" | "existsOne", 3) => (FoldKind::One, 2, true),
            ("transformList", 3) => (FoldKind::List, 2, false),
            ("transformList", 4) => (FoldKind::List, 2, true),
            ("transformMap", 3) => (FoldKind::Map, 2, false),
            ("transformMap", 4) => (FoldKind::Map, 2, true),
            _ => return None,
        };
        let offered = variables == 1 || env.has(Library::TwoVariables);
        offered.then_some(Self { kind, variables, tests })
    }
}

/// A chain of names: `a.b.c`.
struct Path<'a> {
    names: Vec<&'a str>,
    /// With a leading dot.
    rooted: bool,
}

impl<'a> Path<'a> {
    fn of(ast: &'a Ast) -> Option<Self> {
        match &ast.kind {
            AstKind::Name(name) => Some(Self { names: vec![name], rooted: false }),
            AstKind::Root(name) => Some(Self { names: vec![name], rooted: true }),
            AstKind::Field(inner, field) => {
                let mut path = Self::of(inner)?;
                path.names.push(&field.value);
                Some(path)
            }
            _ => None,
        }
    }

    fn with(&self, name: &str) -> String {
        format!("{}.{name}", self.names.join("."))
    }
}

/// The function that an operator is.
const fn operator_name(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "_||_",
        BinaryOp::And => "_&&_",
        BinaryOp::Eq => "_==_",
        BinaryOp::Ne => "_!=_",
        BinaryOp::Lt => "_<_",
        BinaryOp::Le => "_<=_",
        BinaryOp::Gt => "_>_",
        BinaryOp::Ge => "_>=_",
        BinaryOp::In => "@in",
        BinaryOp::Add => "_+_",
        BinaryOp::Sub => "_-_",
        BinaryOp::Mul => "_*_",
        BinaryOp::Div => "_/_",
        BinaryOp::Rem => "_%_",
    }
}
