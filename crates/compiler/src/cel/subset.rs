//! What conditions of policies may use of CEL's grammar: the refusal of everything else, by name and place.
//!
//! Zones run a static subset. The parser knows all of CEL, so that a refusal can say what a construct is instead of
//! calling it a mistake; this pass finds the leftmost construct outside of the subset. Which functions and types
//! exist is not decided here but by the checker.

use super::ast::{Ast, AstKind};
use super::lex::unsupported;
use crate::source::Finding;

/// Refuses the first construct that conditions cannot have. Recursion is bounded by the depth of the tree.
pub(crate) fn check(ast: &Ast) -> Result<(), Finding> {
    match &ast.kind {
        AstKind::Bool(_)
        | AstKind::Int(_)
        | AstKind::Uint(_)
        | AstKind::Double(_)
        | AstKind::Text(_)
        | AstKind::Bytes(_)
        | AstKind::Name(_) => Ok(()),
        AstKind::Null => {
            let finding = unsupported(ast.span, "`null`");
            Err(finding.help("to ask whether a signal is there, write `has(signal)`"))
        }
        AstKind::Map(entries) => {
            // Only looked up: the checker sees to that.
            entries.iter().try_for_each(|(key, value)| check(key).and_then(|()| check(value)))
        }
        AstKind::Root(_) => Err(unsupported(ast.span, "a name with a leading dot")),
        AstKind::Quoted(inner, field) => {
            check(inner)?;
            Err(unsupported(field.span, "a quoted field name"))
        }
        AstKind::Field(inner, _) | AstKind::Not(inner) | AstKind::Neg(inner) => check(inner),
        AstKind::Binary(_, left, right) | AstKind::Index(left, right) => {
            check(left)?;
            check(right)
        }
        AstKind::If(condition, yes, no) => [condition, yes, no].into_iter().try_for_each(|part| check(part)),
        AstKind::List(items) => items.iter().try_for_each(check),
        AstKind::Call { receiver, name, args } => {
            if name.value.starts_with('.') {
                return Err(unsupported(name.span, "a name with a leading dot"));
            }
            receiver.as_deref().map_or(Ok(()), check)?;
            args.iter().try_for_each(check)
        }
    }
}
