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

    /// Counts abstract steps, where somebody counts.
    #[inline(always)]
    fn spend(self, _steps: usize) {}
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
    /// A pattern does not see the last byte of a text.
    PatternMissesLast,
    /// What is no address is in no network.
    NoAddressIsOutside,
    /// Parts of a moment are those of UTC.
    ZoneIgnored,
    /// The week begins on Monday.
    WeekFromMonday,
    /// A moment or span out of range stays where it was.
    TimeSaturates,
    /// Uint arithmetic wraps.
    UintWraps,
    /// What cannot be converted is zero.
    ConversionIsZero,
    /// The item behind the end of a list is the last one.
    IndexSaturates,
    /// A key that a map does not have finds its first entry.
    FindsFirst,
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
    /// A device's copy of a request value can be unknown.
    DeviceCopyIsUnknown,
    // Tables of the plan.
    /// A key that equals a bound is below it.
    BoundNotReached,
    /// The last class of an order is taken for the one before.
    LastClassUnseen,
    /// The two zeros are two keys.
    ZerosDiffer,
    /// NaN is in the class of the greatest doubles.
    NanIsGreatest,
    /// The rows of true and false are swapped.
    BoolRowsSwapped,
    /// A text is the first literal of its bucket that is as long.
    LiteralByLength,
    /// The last literal of a bucket is not looked at.
    LiteralMissed,
    /// Only the first byte of a text counts for prefixes.
    PrefixByFirstByte,
    /// Beginning like a long prefix is having it.
    LongPrefixIsExact,
    // Rows of the plan.
    /// A value does not kill `!has`.
    PresentIgnored,
    /// A missing signal does not kill `has`.
    MissingKeepsHas,
    /// A missing signal leaves no term open.
    MissingIsKnown,
    /// An error leaves no term open.
    ErrorIsKnown,
    /// An error kills every term that reads it.
    ErrorKills,
    /// An unknown leaves no term open.
    UnknownRowDropped,
    /// An unknown kills every term that reads it.
    UnknownKills,
    /// The row of an unknown goes to the plane of another cause.
    CauseOfNeighbour,
    /// That a signal is pending is not noted.
    PendingNotNoted,
    /// A row that is stored as a change keeps what the change clears.
    ChangeKeepsCleared,
    /// A row that is stored as a change lacks what the change sets.
    ChangeLacksSet,
    // Terms of the plan.
    /// Terms of dead conjunctions lend the rule their causes.
    CausesOfDeadTerms,
    /// A rule with an open term is an error, whatever it waits for.
    OpenIsError,
    /// A literal that no table knows counts as known.
    RestIsKnown,
    /// The rails of a rule with `?:` are swapped.
    RailsSwapped,
    /// A rule with `?:` is false where no term makes it true.
    FalseRailIgnored,
    /// Terms of later words are never true.
    SecondWordUnseen,
    /// Of several causes in an event, an open rule has the first.
    FirstCauseTaken,
    /// An open rule has the one cause of the event, even where something failed.
    CauseBeatsError,
    /// A rule that skips for one cause of the event skips for all.
    SkipsForOneCause,
    // The residue of a rule.
    /// The residue is not computed: what the terms say of all else is the outcome.
    ResidueUnread,
    /// Only the residue is the outcome.
    ResidueAlone,
    /// Of a failed slot the terms of a rule with a residue know nothing.
    ResidueForgetsErrors,
    /// An open rule closes as a match, whatever its entries say.
    ClosesAsMatch,
    // Intervals.
    /// The greatest number of an interval does not belong to it.
    IntervalEndMissed,
    /// Only the class of an interval's least number counts.
    IntervalByLowEnd,
    /// Of the classes that an interval meets only those of its ends count: a constant between them is not seen.
    IntervalByItsEnds,
    /// Two atoms of a term are not independent: if each number makes one of them false, the term is.
    AtomsShareInterval,
    /// What an interval leaves open waits in the plane of `withheld`.
    InexactIsWithheld,
    /// What an interval leaves open is known.
    InexactIsKnown,
    /// `has` of an interval is open.
    IntervalHasNoValue,
    /// Two intervals are compared by where they begin.
    IntervalsByTheirEnds,
    /// Arithmetic takes an interval for where it begins.
    ComputesWithLowEnd,
    /// An interval is in a list that has some of it.
    SomeOfIntervalIsIn,
    // Models.
    /// A missing value is a zero to a model, and takes no default branch.
    MissingIsZeroToModels,
    /// An unknown value is a missing one to a model.
    UnknownIsMissingToModels,
    /// A score that is not known to a point is the least of those that can be.
    ScoreByLowEnd,
    /// A score begins at zero, not at the model's base.
    ScoreForgetsBase,
    /// A model of which no input is known has the bounds of all its leaves.
    UnknownModelHasBounds,
    /// A score that is open since an input failed is `unknown(inexact)`.
    FailedScoreIsInexact,
    // Planes of the plan.
    /// An answer that is trusted too little counts in Σ⁻ as well.
    LowCountsInTrusted,
    /// What is withheld from Σ⁻ has no cause.
    WithheldHasNoCause,
    /// What waits in Σ⁻ is known in Σ.
    GivenForgetsWaits,
}

#[cfg(feature = "mutants")]
pub use seeded::{disclose_mutant, eval_computed, eval_counted, eval_mutant};

#[cfg(feature = "mutants")]
mod seeded {
    use super::{Faults, Mutant, Sound};
    use crate::eval::{self, Inputs, Outcome, Scratch, eval_with};
    use crate::tree::Slice;
    use core::cell::Cell;
    use glacis_wire::Disclosed;

    /// The evaluator with one slip.
    #[derive(Clone, Copy, Debug)]
    struct Seeded(Mutant);

    impl Faults for Seeded {
        fn has(self, mutant: Mutant) -> bool {
            self.0 == mutant
        }
    }

    /// The evaluator, counting abstract steps.
    #[derive(Clone, Copy, Debug)]
    struct Counted<'a>(&'a Cell<u64>);

    impl Faults for Counted<'_> {
        fn has(self, _: Mutant) -> bool {
            false
        }

        fn spend(self, steps: usize) {
            self.0.set(self.0.get() + u64::try_from(steps).unwrap_or(u64::MAX));
        }
    }

    /// [`eval`](crate::eval()) and the abstract steps that it took: at most
    /// [`Slice::steps_max`](crate::Slice::steps_max).
    pub fn eval_counted(slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) -> (Outcome, u64) {
        let steps = Cell::new(0);
        let outcome = eval_with(Counted(&steps), slice, inputs, scratch);
        (outcome, steps.get())
    }

    /// [`eval`](crate::eval()) without the plan: every condition is computed. It must come to the same.
    pub fn eval_computed(slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) -> Outcome {
        eval::eval_computed(Sound, slice, inputs, scratch)
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
