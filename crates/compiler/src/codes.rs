//! Every code that a [`Diagnostic`](crate::Diagnostic) of this crate can carry, explained at length.
//!
//! A diagnostic says what is wrong in one sentence; this table says what kind of thing that is, for somebody who
//! meets it for the first time. The command `glacis explain-error` prints it; a test of the command holds the
//! table to the codes that the sources use. A code is never given a second meaning.

/// One code, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// The stable code: `G` and four digits.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All codes, ascending.
pub const CODES: &[CodeInfo] = &[
    info(
        "G1001",
        "file too large",
        "The file is longer than the compiler reads.",
        "Split the policy by event, or remove what is not needed.",
    ),
    info(
        "G1002",
        "not TOML",
        "The file does not parse as TOML; the place is where the parser gave up.",
        "Look at the line and the one before it: a missing quote, bracket or comma is most often there.",
    ),
    info(
        "G1003",
        "unknown key",
        "A table has a key that means nothing there. Keys are strict, so that a typo cannot switch a check off.",
        "Write the key that the help names, or remove it.",
    ),
    info(
        "G1004",
        "missing key",
        "A table lacks a key that it must have. Nothing that matters has a default.",
        "Add the key; the help says what it is for.",
    ),
    info(
        "G1005",
        "wrong kind of value",
        "A key holds another kind of value than it takes.",
        "Write the kind of value that the message names.",
    ),
    info(
        "G1006",
        "out of range",
        "A number or the length of a text is beyond its limit.",
        "Stay within the limit that the message names.",
    ),
    info(
        "G1007",
        "not one of the accepted words",
        "A key takes one of a few words, and this is none of them.",
        "Write one of the words that the help lists.",
    ),
    info(
        "G1010",
        "not a name",
        "Signals, lists and features have names of a-z, 0-9 and _, in segments that begin with a letter, joined by dots. Some names are reserved.",
        "Rename it; quote a name with dots: [signal.\"app.hooked\"].",
    ),
    info(
        "G1011",
        "declared twice",
        "Two declarations have one name, or the name is of a built-in signal.",
        "Rename or remove one of them.",
    ),
    info(
        "G1012",
        "not a principal",
        "The principal names the user: one string of zone `request`, declared once.",
        "Mark exactly one string signal of zone `request` with principal = true.",
    ),
    info(
        "G1013",
        "no purpose",
        "A signal without a purpose may be used for nothing.",
        "Name at least one purpose, such as \"fraud-prevention\".",
    ),
    info(
        "G1014",
        "trust out of reach",
        "`min_trust` asks for more trust than any producer in the signal's zone can have, so the signal could never count.",
        "Ask for at most what the message names, or let a zone observe it that is trusted more.",
    ),
    info(
        "G1015",
        "bound without meaning",
        "`max_bytes` or `max_items` is set for a type that has no such length.",
        "Remove the bound.",
    ),
    info(
        "G1016",
        "not a feature",
        "A feature is defined exactly: what it counts, by which key, over which window. A part of it is missing, too much, or names no signal.",
        "Follow the message; a sum or distinct count needs `of`, a count has none, and `key` names signals.",
    ),
    info(
        "G1017",
        "not an event",
        "Events are named like `payment.transfer`: segments of a-z, 0-9, - and _, joined by dots.",
        "Rename the event.",
    ),
    info(
        "G1018",
        "not a duration",
        "A duration is a whole number and a unit.",
        "Write 30s, 15m, 24h or 30d.",
    ),
    info(
        "G1019",
        "not a name",
        "The name of a policy or rule becomes part of records and metrics, and breaks the rule for such names.",
        "Write a-z, 0-9, `-`, `_` and `.`, within the length that the message names.",
    ),
    info(
        "G1020",
        "not an exception",
        "A `[declassifier.NAME]` is about one signal or list that exists and one purpose that it does not state, and says why, who reviewed it and on which day.",
        "Say all of that; leave an exception out that nothing needs.",
    ),
    info(
        "G2001",
        "unexpected character",
        "A condition holds a character or an operator that CEL does not have.",
        "Equality is ==, logic is && and ||; the help names the likely one.",
    ),
    info("G2002", "reserved word", "The word is kept by CEL and cannot name anything.", "Use another name."),
    info(
        "G2003",
        "not a number",
        "The number does not fit its type, or a letter follows it.",
        "Ints are 64 bits; write a double with a point.",
    ),
    info(
        "G2004",
        "not a string",
        "A string is not closed, or holds an escape that CEL does not have.",
        "Close it on the same line; write \\\\ for a backslash.",
    ),
    info(
        "G2005",
        "condition does not parse",
        "Something stands where the grammar of CEL expects something else.",
        "Look at the marked place; parentheses and operators come in pairs.",
    ),
    info(
        "G2006",
        "condition too large",
        "The condition is too long or too deeply nested.",
        "Split the rule in two; rules of one effect add up.",
    ),
    info(
        "G2010",
        "CEL that is not supported",
        "It is correct CEL, but conditions use a subset that every zone can run within fixed bounds. Protobuf messages and optional values are not supported anywhere.",
        "Write it with what the subset has; docs/reference/cel.md lists it, and the help names the nearest.",
    ),
    info(
        "G3001",
        "string too long",
        "A string literal is longer than a signal's value can be, so it can equal nothing.",
        "Shorten it.",
    ),
    info(
        "G3002",
        "types do not fit",
        "An operator or function gets a value of a type that it does not take. Nothing is converted silently.",
        "Write both sides in one type: `5.0` for a double, `5` for an int.",
    ),
    info(
        "G3003",
        "list of signals",
        "The items of a list literal must be constants.",
        "Compare one by one: x == a || x == b.",
    ),
    info(
        "G3004",
        "mixed list",
        "The items of a list literal have different types.",
        "Write all items in one type.",
    ),
    info(
        "G3005",
        "no such signal or list",
        "The condition names something that the catalogue does not declare.",
        "Correct the name, or declare it in signals.toml.",
    ),
    info(
        "G3006",
        "no such field",
        "The signal is a plain value and has no fields.",
        "Name the signal without the part behind it.",
    ),
    info(
        "G3007",
        "not a key of a list",
        "A list is asked by a bare signal of zone `request` or `edge`, since the cloud must know it.",
        "Write `signal in list.name` with such a signal.",
    ),
    info(
        "G3008",
        "no such function",
        "The function does not exist, or is not called like this.",
        "The help shows how it is written.",
    ),
    info(
        "G3009",
        "not a condition",
        "A condition must be true or false.",
        "Compare the value with something.",
    ),
    info(
        "G3010",
        "doubles compared for equality (warning)",
        "Rounding makes two computed doubles rarely equal.",
        "Compare with < or >.",
    ),
    info(
        "G3011",
        "constant that can only fail",
        "A part without signals is an error whenever it is run, such as a division by zero.",
        "Correct the part.",
    ),
    info(
        "G3012",
        "condition that never changes (warning)",
        "The condition reads signals and comes out the same whatever they say.",
        "Correct it, or remove the rule.",
    ),
    info(
        "G3013",
        "macro not written like this",
        "A macro such as `has` or `all` is not a function: it takes a field, or a name for its variable and an expression over it.",
        "Write `has(value.field)` or `list.all(x, x > 0)`.",
    ),
    info(
        "G3014",
        "not a literal",
        "A pattern, a network, a time zone or the text of a timestamp or duration becomes a table or a value of the slice when it is compiled, so it cannot depend on a signal.",
        "Write it as a text in quotes; where there are several, one call each, joined by || or ?:.",
    ),
    info(
        "G3015",
        "not a regular expression",
        "The pattern is not in RE2's syntax, or is longer than any pattern may be. Look-around and back references do not exist, since they cannot run in linear time.",
        "Correct the pattern; a backslash in an ordinary text is written twice, or the text as r'…'.",
    ),
    info(
        "G3016",
        "regular expression too large",
        "The pattern is compiled to a table with one look-up a byte, and its table would be larger than a zone may hold. Counted repetitions that overlap multiply its states.",
        "Use smaller counts, anchor the pattern with ^, or write it with startsWith, endsWith and contains.",
    ),
    info(
        "G3017",
        "not a network",
        "A network is an address, `/` and a number of bits, and the bits behind them are zero. IPv4 addresses within IPv6 are refused.",
        "Write it like \"10.0.0.0/8\" or \"2001:db8::/32\".",
    ),
    info(
        "G3018",
        "not a time zone",
        "A time zone is a name of the IANA database or an offset of hours and minutes.",
        "Write it like \"Europe/Berlin\" or \"+02:00\".",
    ),
    info(
        "G3019",
        "not a timestamp or duration",
        "The text is not RFC 3339 or not a span of time, is out of range (years 1 to 9999, 292 years), or is finer than a microsecond, which is the resolution of conditions.",
        "Write it like timestamp(\"2026-11-30T09:00:00Z\") or duration(\"1h30m\").",
    ),
    info(
        "G3020",
        "macro too large",
        "A macro is written out for each item that its list can have; that is limited in size and in depth, and needs a list of literals or a signal with `max_items`.",
        "Lower `max_items`, say less in the macro, or nest fewer of them.",
    ),
    info(
        "G3041",
        "inputs that do not fit the model",
        "A model takes one signal for each of its features, in their order: a number, or a bool, which counts as 0 or 1. A feature that compares whole numbers takes no double.",
        "Name the signals in the order that the help, or `glacis model show`, prints.",
    ),
    info(
        "G4001",
        "method named twice",
        "`methods` is a total order, weakest first.",
        "Name each method once.",
    ),
    info(
        "G4002",
        "rule defined twice",
        "A rule's id is its reason code and must be unique.",
        "Rename one of the rules.",
    ),
    info(
        "G4003",
        "not an effect",
        "The text is none of the effects, or its number does not fit.",
        "Write block, block(soft), challenge(METHOD), exempt or score(N).",
    ),
    info(
        "G4004",
        "method that the policy does not have",
        "A challenge names a method that `methods` does not list.",
        "Add it to `methods` in its place, or correct it.",
    ),
    info(
        "G4005",
        "not an entry",
        "What a rule closes to is `match`, `skip`, `danger_skip` or a milder effect.",
        "Write one of these.",
    ),
    info(
        "G4006",
        "score of zero",
        "A score of zero changes nothing.",
        "Give points, or leave `effect` out of a rule that only has obligations.",
    ),
    info(
        "G4007",
        "cause without an entry",
        "A signal of the rule can stay unknown for a cause for which neither the rule nor [policy.if_unknown] says what then happens. There is no default, since a default would decide in the code and not in the policy.",
        "Add the entry that the message names.",
    ),
    info(
        "G4008",
        "danger that is not said",
        "Skipping a withheld signal lets every client avoid the rule by silence, so it has its own word, for that cause only.",
        "Write `danger_skip` for `withheld` if that is meant; `skip` elsewhere.",
    ),
    info(
        "G4009",
        "entry stricter than its rule",
        "Closing must not be stricter than the rule's own effect; points have no milder form.",
        "Write `match` or `skip`.",
    ),
    info(
        "G4010",
        "entries of a lenient rule",
        "An exemption or a negative score that is not known to hold does not hold.",
        "Leave the entry out; it closes as skip, always.",
    ),
    info(
        "G4011",
        "entry milder than withholding",
        "A client could provoke this cause to get a milder answer than by withholding.",
        "Make it as strict as the entry for `withheld`.",
    ),
    info(
        "G4012",
        "points without classes",
        "Rules give points, but no [[score_class]] says what a sum does.",
        "Add [[score_class]] tables.",
    ),
    info(
        "G4013",
        "class that cannot be",
        "A score class can challenge or block(soft), nothing else.",
        "Use one of these effects.",
    ),
    info(
        "G4014",
        "class out of reach",
        "No sum of the policy's points reaches the threshold.",
        "Lower the threshold, or give more points.",
    ),
    info(
        "G4015",
        "classes out of order",
        "Thresholds and effects of score classes must both ascend.",
        "Sort them; a higher class is stricter.",
    ),
    info(
        "G4016",
        "purpose not allowed",
        "A signal may not be used for the policy's purpose.",
        "Leave the signal out; or have an exception reviewed, put it into the catalogue as [declassifier.NAME], and name it in the rule: declassify = [\"NAME\"].",
    ),
    info(
        "G4017",
        "policy too large",
        "The policy has more rules, signals, bytes or cost than a zone runs.",
        "Split it by event, or simplify it.",
    ),
    info(
        "G4018",
        "lenient by unearned trust",
        "A rule that makes a verdict milder reads a signal that anybody may claim.",
        "Give the signal a higher min_trust.",
    ),
    info(
        "G4019",
        "exception that does not fit",
        "`declassify` names an exception that the catalogue does not have, that is for another purpose, or that the rule does not need. What stands in a policy is what it rests on.",
        "Correct the name, or leave it out.",
    ),
    info(
        "G4041",
        "not a model of this policy",
        "What `[[model]]` gives is not the bytes of a model, or it names a file where only the text is at hand.",
        "Make the file with `glacis model import`, and check or publish the folder that it is in.",
    ),
    info(
        "G5001",
        "not built yet",
        "The key belongs to the language, but this version does not have it.",
        "Leave it out; the help says what it was for.",
    ),
    info(
        "G5002",
        "nothing to release",
        "`release` or `danger_undisclosed` contradicts the other, or the rule reads no device signal.",
        "Remove what the message names.",
    ),
    info(
        "G5003",
        "device signal without release",
        "A rule reads a device signal and releases nothing, so no other zone could ever know its condition.",
        "Add release = \"verdict\" or { nodes = N }; or say danger_undisclosed = true.",
    ),
    info(
        "G5004",
        "device cannot decide this",
        "release = \"verdict\" lets the device decide early: it must hold the rule's text, all its signals, and the effect must be block or challenge.",
        "Add text = \"device\", or use release = { nodes = N }.",
    ),
    info(
        "G5005",
        "value that cannot leave",
        "A released value is no device signal of the rule, or is private.",
        "Release a node that answers yes or no instead.",
    ),
    info(
        "G5006",
        "text hidden from the device",
        "A part over device signals is computed on the device, so the device can read it; the rule must say so.",
        "Write text = \"device\", or reveal = [\"SIGNAL\"] for this part alone.",
    ),
    info(
        "G5007",
        "place that cannot be",
        "The rule is pinned to a zone that cannot close it.",
        "Follow the help, or leave `place` out.",
    ),
    info(
        "G5008",
        "part that cannot be cut",
        "One comparison mixes what the device knows with what only edge or cloud know.",
        "Compare the two apart, each with a constant.",
    ),
    info(
        "G5009",
        "part of mixed trust",
        "One released part reads signals of different min_trust.",
        "Split it in two parts, or give the signals one min_trust.",
    ),
    info(
        "G5010",
        "other number of nodes",
        "The rule declares another number of released bits than its condition has. It is stated so that a change of the condition cannot release more by accident.",
        "Write the number that the message names, if that many bits may leave.",
    ),
    info(
        "G5011",
        "too much leaves",
        "The policy releases more bits, values or bytes than a disclosure holds.",
        "Release less.",
    ),
    info(
        "G5012",
        "slice too large",
        "The slice of a zone is beyond the limits of the engine.",
        "Split the policy by event.",
    ),
    info(
        "G5013",
        "not a range",
        "A signal in `buckets` leaves as the range between bounds in which it lies. The rule may only compare it with these bounds, each on one side, and must use them all.",
        "Make the bounds and the comparisons the same; or release nodes instead.",
    ),
    info(
        "G5014",
        "over the budget",
        "One request would tell more bits of private and pseudonymous signals than [policy.budget] allows. A node is one bit; nodes that compare one signal with constants are together the bits of the range that it lies in.",
        "Release fewer or coarser parts, or raise the budget with whoever answers for privacy.",
    ),
    info(
        "G5015",
        "search without an end",
        "With `vs_request`, a released bit compares the device with a value of the request, so a series of requests can search for what the device knows, one bit each. The policy must say how many bits a session may tell.",
        "Write [policy.budget] with bits_per_session, or compare the signal with constants.",
    ),
    info(
        "G5016",
        "misplaced vs_request",
        "`vs_request` belongs to the table of `release`, of a rule that compares the device with values of the request.",
        "Write release = { nodes = N, vs_request = true }, or leave it out.",
    ),
    info(
        "G6001",
        "case leaves a signal out",
        "A case must say everything that the policy reads, or it would hide a decision.",
        "Add the signal to the case or to [given].",
    ),
    info(
        "G6002",
        "no such rule or signal",
        "A case names a rule or a signal that the policy does not have.",
        "Correct the name.",
    ),
    info("G6003", "two cases of one name", "A case is found by its name.", "Rename one."),
    info(
        "G6004",
        "not an answer",
        "A given answer is not of the signal's type.",
        "Write a value of its type, or one of { missing = true }, { error = true }, { unknown = \"CAUSE\" }.",
    ),
];

const fn info(
    code: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> CodeInfo {
    CodeInfo { code, title, cause, remedy }
}
