//! Seeded engine bugs: what `cargo xtask soak equality` must be able to see.
//!
//! The evaluator is generic over `Faults`. `Sound` answers `false` to everything and is zero-sized, so the
//! shipped evaluator contains no trace of this module. With the feature `mutants`, [`eval_mutant`] and
//! [`disclose_mutant`] run the same code with one [`Mutant`] alive. Each mutant is a plausible *semantic* slip
//! against a clause of DESIGN §4.2; a soak that misses one proves that the soak is too weak.

/// Which slips are alive in this run of the evaluator.
pub(crate) trait Faults: Copy {
    /// Whether `mutant` is.
    fn has(self, mutant: Mutant) -> bool;
}

/// The evaluator as specified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound;

impl Faults for Sound {
    #[inline(always)]
    fn has(self, _: Mutant) -> bool {
        false
    }
}

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One seeded bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// Every mutant.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

mutants! {
    // Outcomes of conditions.
    /// `unknown || false` is false.
    OrUnknownIsFalse,
    /// `unknown && true` is true.
    AndUnknownIsTrue,
    /// `!unknown` is true.
    NotUnknownIsTrue,
    /// An error beats an unknown in `&&` and `||`.
    ErrorBeatsUnknown,
    /// An error beats an unknown in a strict operator.
    StrictErrorBeatsUnknown,
    /// An error beats a deciding value.
    ErrorBeatsDeciding,
    /// An unknown beats a deciding value.
    UnknownBeatsDeciding,
    /// Two unknowns keep only the causes of the first.
    UnionKeepsFirst,
    /// `?:` with an unknown condition takes the last branch.
    IfUnknownTakesElse,
    /// `?:` with an unknown condition adds the causes of its branches.
    IfUnionsBranches,
    /// `has(error)` is false.
    HasErrorIsFalse,
    /// `has(unknown)` is false.
    HasUnknownIsFalse,
    /// Using a missing signal is `unknown(withheld)`, not an error.
    MissingIsUnknown,
    /// Int arithmetic wraps.
    OverflowWraps,
    /// An int divided by zero is zero.
    DivideByZeroIsZero,
    /// `%` takes the divisor's sign.
    RemainderIsEuclidean,
    /// Doubles are equal when their bits are.
    DoubleEqualByBits,
    /// NaN has a place in the order of doubles.
    NanIsOrdered,
    /// The size of a string is in bytes.
    SizeInBytes,
    /// `in` does not look at the last item.
    InSkipsLast,
    /// `startsWith` looks anywhere.
    PrefixAnywhere,
    // Trust.
    /// Σ⁻ is Σ.
    TrustIgnored,
    /// Only values are withheld from Σ⁻; missing, error and unknown stay.
    TrustOnlyOnValues,
    /// A Boolean withheld from Σ⁻ reads as false.
    WithheldReadsFalse,
    // Rules and closing.
    /// A strict rule is false when cond(Σ) is.
    FalseByClaims,
    /// A strict rule is true only when cond(Σ⁻) is.
    TrueNeedsTrust,
    /// `exempt` uses Σ.
    ExemptByClaims,
    /// A negative score uses Σ.
    CreditByClaims,
    /// An undecided `exempt` matches.
    ExemptClosesAsMatch,
    /// A rule with a pending signal closes at once.
    PendingCloses,
    /// Of several causes, the mildest entry counts.
    ClosesByMildest,
    /// An entry replaces the rule's effect even where it is stricter.
    EntryReplacesEffect,
    /// An error closes by the entry for `withheld`.
    ErrorClosesAsWithheld,
    /// An unknown closes by the entry for an error.
    UnknownClosesAsError,
    /// A rule that closed to a match starts no obligation.
    ClosedRuleOwesNothing,
    // Combination.
    /// `exempt` lifts a hard block.
    ExemptLiftsBlock,
    /// A soft block is a hard one.
    SoftBlockIsHard,
    /// A sum equal to a threshold does not reach the class.
    ClassOffByOne,
    /// Negative scores do not count.
    CreditDropped,
    /// A passed method removes every challenge.
    PassedRemovesAll,
    /// A passed method removes only challenges of that method.
    PassedRemovesOnlyItself,
    /// A passed method does not remove a challenge by score class.
    PassedKeepsClass,
    /// Methods rank by their code, not by the policy's order.
    MethodsByCode,
    // Finality.
    /// An open strict rule cannot match.
    OpenRuleIgnored,
    /// An open `exempt` cannot match.
    OpenExemptIgnored,
    /// A hidden hard block cannot match.
    HiddenBlockIgnored,
    /// A hidden soft effect cannot match.
    HiddenSoftIgnored,
    /// A hidden `exempt` cannot match.
    HiddenExemptIgnored,
    /// Hidden scores are zero.
    HiddenScoreIgnored,
    /// In an outage, hidden rules close to nothing.
    OutageForgetsHidden,
    // Device.
    /// The device settles a challenge.
    DeviceSettlesChallenge,
    /// The device starts a challenge although an `exempt` is open.
    DeviceIgnoresExempt,
    /// A release node with an error is disclosed as unknown.
    DisclosesErrorAsUnknown,
    /// A release node that is unknown is disclosed as false.
    DisclosesUnknownAsFalse,
}

#[cfg(feature = "mutants")]
pub use seeded::{disclose_mutant, eval_mutant};

#[cfg(feature = "mutants")]
mod seeded {
    use super::{Faults, Mutant};
    use crate::eval::{Inputs, Outcome, Scratch, eval_with};
    use crate::tree::Slice;
    use glacis_wire::Disclosed;

    /// The evaluator with one slip.
    #[derive(Clone, Copy, Debug)]
    struct Seeded(Mutant);

    impl Faults for Seeded {
        fn has(self, mutant: Mutant) -> bool {
            self.0 == mutant
        }
    }

    /// [`eval`](crate::eval()) with one slip.
    pub fn eval_mutant(bug: Mutant, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) -> Outcome {
        eval_with(Seeded(bug), slice, inputs, scratch)
    }

    /// [`disclose`](crate::disclose()) with one slip.
    pub fn disclose_mutant(bug: Mutant, slice: &Slice, scratch: &Scratch, inputs: &Inputs<'_>) -> Disclosed {
        crate::disclose::disclose_with(Seeded(bug), slice, scratch, inputs)
    }
}
