//! The library `networks`: whether an address is in a network.
//!
//! A text that is no address is an error and not a miss, as in the slices of zones; a network that is none is one too,
//! and where it is a literal it is refused when the expression is checked.

use super::{Cost, Function, Library, Overload, Sig, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::network::{Network, address};
use crate::full::value::Value;

const TEXT: Sig = Sig::String;
const OVERLOADS: &[Overload] = &[on(&[TEXT, TEXT], Sig::Bool), on(&[TEXT, Sig::List(&TEXT)], Sig::Bool)];

pub(super) const FUNCTIONS: &[Function] = &[row(
    Library::Networks,
    "inCIDR",
    OVERLOADS,
    Cost::Items,
    in_cidr,
    "Whether an IPv4 or IPv6 address is in a network, such as `10.0.0.0/8`, or in one of several.",
)];

fn in_cidr(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let (text, networks) = match args {
        [Value::String(text), Value::String(network)] => (text, vec![parse(network)?]),
        [Value::String(text), Value::List(items)] => {
            let network = |item: &Value| match item {
                Value::String(network) => parse(network),
                _ => Err(ErrorKind::NoSuchOverload),
            };
            (text, items.iter().map(network).collect::<Outcome<_>>()?)
        }
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let address = address(text).ok_or(ErrorKind::Conversion)?;
    Ok(Value::Bool(networks.iter().any(|network| network.contains(address))))
}

fn parse(network: &str) -> Outcome<Network> {
    Network::parse(network).ok_or(ErrorKind::Conversion)
}
