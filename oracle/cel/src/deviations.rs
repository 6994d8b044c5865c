//! Where the crate `cel` and the profile `full` differ on purpose: each class with the sentence that decides.
//!
//! A class is recognised by the expression and both outcomes, as narrowly as it can be. What no class explains is a
//! finding. Sentences are of the CEL specification's language definition (cel-spec, doc/langdef.md) unless said.

/// One expression and what it came to on both sides.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The expression.
    pub text: &'a str,
    /// What the profile `full` says.
    pub ours: &'a str,
    /// What the crate `cel` says.
    pub theirs: &'a str,
}

/// A class of deviations.
pub struct Class {
    /// A short name.
    pub name: &'static str,
    /// The sentence that decides.
    pub because: &'static str,
    /// Whether a case is of this class.
    pub is: fn(&Seen<'_>) -> bool,
}

/// Every class, tried in turn.
pub const CLASSES: &[Class] = &[
    Class {
        name: "text of a double",
        because: "List of Standard Definitions: `string` of a double is a \"type conversion\", without a form. Full writes what cel-go writes: an exponent from 1e6 on, and `+Inf`",
        is: |seen| {
            let written = ["e+", "e-", "Inf"].iter().any(|form| seen.ours.contains(form));
            seen.text.contains("string(") && is_value(seen.theirs) && written
        },
    },
    Class {
        name: "order of a map's keys",
        because: "Aggregate Values: \"Maps are a set of key values\": a set has no order. Full takes ascending order",
        is: |seen| seen.text.contains('{') && is_value(seen.ours) && sorted(seen.ours) == sorted(seen.theirs),
    },
    Class {
        name: "list + map",
        because: "List of Standard Definitions: of lists, `_+_` is `(list(A), list(A)) -> list(A)`, and nothing else",
        is: |seen| {
            seen.text.contains('{')
                && seen.text.contains(" + ")
                && seen.ours == "error"
                && is_value(seen.theirs)
        },
    },
    Class {
        name: "offset of a timestamp",
        because: "List of Standard Definitions: without a time zone the accessors read \"the date in UTC\"; the offset in the text is not kept",
        is: |seen| {
            seen.text.contains("+01:00") && (seen.text.contains(").get") || seen.text.contains("string("))
        },
    },
    Class {
        name: "a key that is none",
        because: "Aggregate Values: \"Key values must be an allowed key type\", so a value of another type is in no map",
        is: |seen| seen.text.contains(" in ") && seen.text.contains('{') && seen.theirs == "error",
    },
    Class {
        name: "order with NaN",
        because: "Values: `double` is \"64-bit IEEE floating-point numbers\"; there an ordered comparison with NaN is false, and no error",
        is: |seen| {
            let compared = [" < ", " <= ", " > ", " >= "].iter().any(|operator| seen.text.contains(operator));
            compared
                && is_value(seen.ours)
                && seen.theirs == "error"
                && (seen.text.contains(" / ") || seen.text.contains("1e308"))
        },
    },
    Class {
        name: "text of a double, used",
        because: "the same, where the text is measured, compared or read again as a whole number",
        is: |seen| {
            let reread = seen.ours == "error" && seen.text.contains("int(");
            let told = (is_value(seen.ours) || reread) && is_value(seen.theirs);
            told && seen.text.contains("string(") && writes_large_double(seen.text)
        },
    },
];

fn is_value(outcome: &str) -> bool {
    !["error", "refused", "panic"].contains(&outcome)
}

fn sorted(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

/// Whether one of the literals is a double that is written with an exponent, or can become one.
fn writes_large_double(text: &str) -> bool {
    ["1e308", "9007199254740993.0", "2.5e3", "double("].iter().any(|literal| text.contains(literal))
}
