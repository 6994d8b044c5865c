//! Floors: what is measured, what it must not exceed, and how that reads.
//!
//! A floor that is missed fails the bench. Nothing is rounded before it is compared,
//! and a number that is not there holds nothing.

use serde_json::{Value, json};

/// One measured number and its bar.
pub(crate) struct Bar {
    what: String,
    value: f64,
    most: f64,
}

impl Bar {
    /// At most `most`.
    pub(crate) fn new(what: impl Into<String>, value: f64, most: f64) -> Self {
        Self { what: what.into(), value, most }
    }

    /// A number that was not measured holds nothing.
    pub(crate) fn holds(&self) -> bool {
        self.value <= self.most
    }

    pub(crate) fn print(&self) {
        let outcome = if self.holds() { "holds" } else { "MISSED" };
        println!("floor {:<74} {:>9.3} <= {:<8.3} {outcome}", self.what, self.value, self.most);
    }

    pub(crate) fn json(&self) -> Value {
        json!({"floor": self.what, "value": self.value, "most": self.most, "holds": self.holds()})
    }
}
