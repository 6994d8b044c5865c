//! Single strict comparisons of device signals with values of the request: what a release node with `vs_request` may be.
//!
//! Nothing here absorbs: no `&&`, `||`, `?:`, model or macro. Every operator that a slice has between or around operands
//! comes up, and so do `has` of both sides and several signals of each.

use super::expression::Readable;
use crate::rng::Rng;
use glacis_wire::Type;

/// A comparison that reads both sides; `None` where no two of them have a type in common.
pub(super) fn atom(rng: &mut Rng, device: &[Readable], request: &[Readable]) -> Option<String> {
    // Most pairs of types do not fit, so a few are drawn.
    (0..TRIES).find_map(|_| {
        let (own, asked) = (*rng.pick(device)?, *rng.pick(request)?);
        pair(rng, own, asked)
    })
}

/// Pairs that are drawn before a rule goes without.
const TRIES: usize = 24;

fn pair(rng: &mut Rng, own: Readable, asked: Readable) -> Option<String> {
    let (d, r) = (own.name, asked.name);
    let form = rng.below(4);
    let order = rng.pick(&["==", "!=", "<", "<=", ">", ">="]).copied()?;
    let (a, b) = if rng.chance(50) { (d, r) } else { (r, d) };
    match (own.ty, asked.ty) {
        (Type::Int | Type::Double | Type::Timestamp | Type::Bool | Type::String, same)
            if same == own.ty && form == 0 =>
        {
            Some(format!("({a} {order} {b})"))
        }
        (Type::Int, Type::Int) => {
            let arithmetic = rng.pick(&["+", "-", "*", "/", "%"]).copied()?;
            let literal = rng.pick(&["0", "1", "2", "3"]).copied()?;
            Some(match form {
                1 => format!("({a} {arithmetic} {b} {order} {literal})"),
                2 => format!("(-{d} {order} {r} {arithmetic} {d})"),
                _ => format!("({a} in [{literal}, 12] == ({b} {order} {literal}))"),
            })
        }
        (Type::Double, Type::Double) => {
            let arithmetic = rng.pick(&["+", "-", "*", "/"]).copied()?;
            Some(format!("({a} {arithmetic} {b} {order} 1.5)"))
        }
        (Type::String, Type::String) => {
            let test = rng.pick(&["startsWith", "endsWith", "contains"]).copied()?;
            Some(match form {
                1 => format!("(size({a}) {order} size({b}))"),
                2 => format!("({d}.matches('^a.*') == {r}.startsWith('a'))"),
                _ => format!("{a}.{test}({b})"),
            })
        }
        (Type::IntList, Type::Int) => Some(match form {
            0 => format!("({r} in {d})"),
            1 => format!("({d}[{r}] {order} 2)"),
            _ => format!("(size({d}) {order} {r})"),
        }),
        (Type::StringList, Type::String) => Some(format!("({r} in {d})")),
        (Type::IntList, Type::IntList) => Some(match form {
            0 => format!("({a} == {b})"),
            _ => format!("(size({a}) {order} size({b}))"),
        }),
        (Type::Int, Type::IntList) => Some(format!("({d} in {r})")),
        (Type::String, Type::StringList) => Some(format!("({d} in {r})")),
        (Type::Int, Type::Uint) => Some(format!("(uint({d}) {order} {r})")),
        // Whether both are there, or whether one is what the other says.
        (Type::Bool, _) => Some(format!("({d} == has({r}))")),
        (_, Type::Bool) => Some(format!("(has({d}) != {r})")),
        _ if form == 0 => Some(format!("(has({a}) {order} has({b}))")),
        _ => None,
    }
}
