//! The live environment, for sensors: is it what the kernel keeps from the start?
//!
//! Configuration never comes from here; it is a checked struct. A sensor that looks for what others put into this
//! process's environment has to ask the process itself. Nothing is cached and nothing is changed.

use std::ffi::OsString;

/// A variable of the live environment, through the C library's view of it.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_variable_is_there_or_not() {
        assert!(super::variable("PATH").is_some());
        assert_eq!(super::variable("GLACIS_IS_NO_VARIABLE"), None);
    }
}
