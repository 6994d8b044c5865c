//! An example of every function, for people: an expression that is true, and which profiles take it.
//!
//! The reference prints them beside the rows of the function table. A test runs each in `full` and compiles each as the
//! condition of a policy, so that none shows what is not so. Nothing but the reference reads them.

use super::table::Library;

/// One function by example.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    library: Library,
    name: &'static str,
    /// A true expression.
    pub(super) text: &'static str,
    /// Whether conditions of policies can say it too.
    pub(super) slice: bool,
}

/// One macro as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Macro {
    pub(super) form: &'static str,
    pub(super) profiles: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// A true expression.
    pub(super) example: &'static str,
}

/// The example of a function.
pub(super) fn of(library: Library, name: &str) -> Option<Example> {
    EXAMPLES.iter().copied().find(|example| (example.library, example.name) == (library, name))
}

/// In both profiles.
const fn both(name: &'static str, text: &'static str) -> Example {
    Example { library: Library::Standard, name, text, slice: true }
}

/// In `full` alone.
const fn full(library: Library, name: &'static str, text: &'static str) -> Example {
    Example { library, name, text, slice: false }
}

const EXAMPLES: &[Example] = &[
    both("_&&_", "true && !false"),
    both("_||_", "1 > 2 || 2 > 1"),
    both("_?_:_", "2 > 1 ? true : false"),
    both("!_", "!false"),
    both("_==_", "1 + 1 == 2"),
    both("_!=_", "'a' != 'b'"),
    both("_<_", "'a' < 'b'"),
    both("_<=_", "2.5 <= 2.5"),
    both("_>_", "duration('1h') > duration('59m')"),
    both("_>=_", "2u >= 1u"),
    both("@in", "'EUR' in ['EUR', 'USD']"),
    both("_+_", "timestamp('2026-11-30T09:00:00Z') + duration('1h') == timestamp('2026-11-30T10:00:00Z')"),
    both("_-_", "7 - 2 == 5"),
    both("_*_", "6 * 7 == 42"),
    both("_/_", "-7 / 2 == -3"),
    both("_%_", "-7 % 2 == -1"),
    both("-_", "-(3) == 0 - 3"),
    both("_[_]", "{'small': 10, 'large': 1000}['large'] == 1000"),
    both("size", "size('día') == 3"),
    both("contains", "'Nikto/2.5'.contains('Nikto')"),
    both("startsWith", "'drop-4711'.startsWith('drop-')"),
    both("endsWith", "'8810'.endsWith('0')"),
    both("matches", "'DE89370400440532013000'.matches('^[A-Z]{2}[0-9]{2}')"),
    both("int", "int('42') == 42"),
    both("uint", "uint(42) == 42u"),
    both("double", "double(1) == 1.0"),
    both("string", "string(b'abc') == 'abc'"),
    both("bytes", "bytes('abc') == b'abc'"),
    both("bool", "bool('true')"),
    both("timestamp", "timestamp(0) == timestamp('1970-01-01T00:00:00Z')"),
    both("duration", "duration('90m') == duration('1h30m')"),
    full(Library::Standard, "type", "type(1) == int"),
    full(Library::Standard, "dyn", "dyn(1) == 1.0"),
    both("getFullYear", "timestamp('2026-11-30T09:05:07.250Z').getFullYear() == 2026"),
    both("getMonth", "timestamp('2026-11-30T09:05:07.250Z').getMonth() == 10"),
    both("getDate", "timestamp('2026-11-30T09:05:07.250Z').getDate() == 30"),
    both("getDayOfMonth", "timestamp('2026-11-30T09:05:07.250Z').getDayOfMonth() == 29"),
    both("getDayOfWeek", "timestamp('2026-11-30T09:05:07.250Z').getDayOfWeek() == 1"),
    both("getDayOfYear", "timestamp('2026-02-01T09:05:07.250Z').getDayOfYear() == 31"),
    both("getHours", "timestamp('2026-11-30T09:05:07.250Z').getHours('Europe/Berlin') == 10"),
    both("getMinutes", "timestamp('2026-11-30T09:05:07.250Z').getMinutes('+00:30') == 35"),
    both("getSeconds", "duration('2m').getSeconds() == 120"),
    both("getMilliseconds", "timestamp('2026-11-30T09:05:07.250Z').getMilliseconds() == 250"),
    full(Library::Strings, "charAt", "'abc'.charAt(1) == 'b'"),
    full(Library::Strings, "indexOf", "'banana'.indexOf('an', 2) == 3"),
    full(Library::Strings, "lastIndexOf", "'banana'.lastIndexOf('an') == 3"),
    full(Library::Strings, "lowerAscii", "'ÄBC'.lowerAscii() == 'Äbc'"),
    full(Library::Strings, "upperAscii", "'abc'.upperAscii() == 'ABC'"),
    full(Library::Strings, "trim", "' a b '.trim() == 'a b'"),
    full(Library::Strings, "reverse", "'abc'.reverse() == 'cba'"),
    full(Library::Strings, "replace", "'aaa'.replace('a', 'b', 2) == 'bba'"),
    full(Library::Strings, "split", "'a,b,c'.split(',', 2) == ['a', 'b,c']"),
    full(Library::Strings, "substring", "'abcd'.substring(1, 3) == 'bc'"),
    full(Library::Strings, "join", "['a', 'b'].join('-') == 'a-b'"),
    full(Library::Strings, "strings.quote", "strings.quote('a') == '\"a\"'"),
    full(Library::Strings, "format", "'%s is %d'.format(['x', 7]) == 'x is 7'"),
    full(Library::Math, "math.greatest", "math.greatest(1, 3, 2) == 3"),
    full(Library::Math, "math.least", "math.least([3, 1, 2]) == 1"),
    full(Library::Math, "math.ceil", "math.ceil(1.2) == 2.0"),
    full(Library::Math, "math.floor", "math.floor(-1.2) == -2.0"),
    full(Library::Math, "math.round", "math.round(-1.5) == -2.0"),
    full(Library::Math, "math.trunc", "math.trunc(-1.7) == -1.0"),
    full(Library::Math, "math.isNaN", "math.isNaN(0.0 / 0.0)"),
    full(Library::Math, "math.isInf", "math.isInf(1.0 / 0.0)"),
    full(Library::Math, "math.isFinite", "!math.isFinite(1.0 / 0.0)"),
    full(Library::Math, "math.abs", "math.abs(-3) == 3"),
    full(Library::Math, "math.sign", "math.sign(-2.5) == -1.0"),
    full(Library::Math, "math.sqrt", "math.sqrt(81) == 9.0"),
    full(Library::Math, "math.bitAnd", "math.bitAnd(12, 10) == 8"),
    full(Library::Math, "math.bitOr", "math.bitOr(12, 10) == 14"),
    full(Library::Math, "math.bitXor", "math.bitXor(12, 10) == 6"),
    full(Library::Math, "math.bitNot", "math.bitNot(0) == -1"),
    full(Library::Math, "math.bitShiftLeft", "math.bitShiftLeft(1, 4) == 16"),
    full(Library::Math, "math.bitShiftRight", "math.bitShiftRight(16, 4) == 1"),
    full(Library::Lists, "slice", "[1, 2, 3, 4].slice(1, 3) == [2, 3]"),
    full(Library::Lists, "flatten", "[[1], [2, 3]].flatten() == [1, 2, 3]"),
    full(Library::Lists, "sort", "[3, 1, 2].sort() == [1, 2, 3]"),
    full(Library::Lists, "reverse", "[1, 2, 3].reverse() == [3, 2, 1]"),
    full(Library::Lists, "distinct", "[1, 2, 1].distinct() == [1, 2]"),
    full(Library::Lists, "lists.range", "lists.range(3) == [0, 1, 2]"),
    full(Library::Encoders, "base64.encode", "base64.encode(b'hello') == 'aGVsbG8='"),
    full(Library::Encoders, "base64.decode", "base64.decode('aGVsbG8') == b'hello'"),
    Example {
        library: Library::Networks,
        name: "inCIDR",
        text: "'10.1.2.3'.inCIDR(['10.0.0.0/8', '2001:db8::/32'])",
        slice: true,
    },
];

const fn both_macro(form: &'static str, about: &'static str, example: &'static str) -> Macro {
    Macro { form, profiles: "slice, full", about, example }
}

const fn full_macro(form: &'static str, about: &'static str, example: &'static str) -> Macro {
    Macro { form, profiles: "full", about, example }
}

/// The macros; those with two variables are a library.
pub(super) const MACROS: &[Macro] = &[
    Macro {
        form: "has(signal)",
        profiles: "slice",
        about: "Whether the signal has a value.",
        example: "has(request.signed)",
    },
    full_macro("has(e.f)", "Whether a map has the key.", "has({'a': 1}.a) && !has({'a': 1}.b)"),
    both_macro("e.all(x, p)", "Whether all items, or keys, are so.", "[1, 2].all(x, x > 0)"),
    both_macro("e.exists(x, p)", "Whether one is so.", "['a', 'b'].exists(x, x == 'b')"),
    both_macro(
        "e.exists_one(x, p)",
        "Whether exactly one is so; also `existsOne`.",
        "[1, 2].exists_one(x, x > 1)",
    ),
    both_macro("size(e.filter(x, p))", "How many are so.", "size([1, 2, 3].filter(x, x > 1)) == 2"),
    full_macro("e.filter(x, p)", "The items, or keys, that are so.", "[1, 2, 3].filter(x, x > 1) == [2, 3]"),
    full_macro("e.map(x, t)", "What each becomes.", "[1, 2].map(x, x * 10) == [10, 20]"),
    full_macro("e.map(x, p, t)", "What each that is so becomes.", "[1, 2].map(x, x > 1, x * 10) == [20]"),
    full_macro(
        "e.all(k, v, p)",
        "As `all`, over index and item or key and value.",
        "{'a': 1}.all(k, v, k == 'a' && v == 1)",
    ),
    full_macro("e.exists(k, v, p)", "As `exists`.", "[5, 7].exists(i, v, i == 1 && v == 7)"),
    full_macro("e.existsOne(k, v, p)", "As `exists_one`.", "[5, 7].existsOne(i, v, v > 5)"),
    full_macro(
        "e.transformList(k, v, t)",
        "A list of what each becomes.",
        "[5, 7].transformList(i, v, i + v) == [5, 8]",
    ),
    full_macro(
        "e.transformList(k, v, p, t)",
        "A list of what each that is so becomes.",
        "[5, 7].transformList(i, v, v > 5, i + v) == [8]",
    ),
    full_macro(
        "e.transformMap(k, v, t)",
        "A map with what each value becomes.",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
    ),
    full_macro(
        "e.transformMap(k, v, p, t)",
        "The same, of those that are so.",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v) == {'b': 2}",
    ),
];
