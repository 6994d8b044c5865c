//! Why a decision came out as it did, in the words of the policy that took it.
//!
//! [`CloudCore::explanation`] collects what was stored; [`Explanation::rules`] compiles the policy's stored sources
//! again (slow: not on the writer's thread) and puts each rule that matched next to what it read. Only what was
//! stored is told: of device signals the released bits, never a value.

use crate::admin::FeedbackView;
use crate::core::CloudCore;
use crate::error::{CloudError, CloudErrorKind};
use crate::fact::{Origin, Stated};
use crate::policy::digest_of;
use crate::policy::{PolicySource, sources_of};
use crate::record::StoredDecision;
use crate::store::uint;
use glacis_compiler::Compiled;
use glacis_compiler::catalogue::{Birth, Signal};
use glacis_compiler::checked::{Release, Rule};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_policy::{Effect, Entry, answer_of};
use glacis_wire::limits::REASON_BYTES_MAX;
use glacis_wire::message::Text;
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::message::policy::Bundle;
use glacis_wire::{
    Answer, Cause, Decode as _, Given, NodeOutcome, Reference, SignalName, Trust, Value, Zone,
};
use std::collections::BTreeMap;

/// Bundles that are searched for the policy of a decision, newest first. LIMIT: bounds one look-up.
const VERSIONS_MAX: u32 = 256;

/// What is stored about one decision and its policy.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision.
    pub decision: StoredDecision,
    /// What was said of it since.
    pub feedback: Vec<FeedbackView>,
    /// Versions that held its policy, newest first; none where it is too old to be found.
    pub versions: Vec<u64>,
    /// The sources of the newest of them.
    pub sources: Vec<PolicySource>,
}

/// A policy with what a decision says of it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Name of the policy.
    pub policy: String,
    /// Rules that matched, in the order of the policy.
    pub rules: Vec<ExplainedRule>,
    /// What the device let out, in the layout's order.
    pub released: Vec<ReleasedNode>,
    /// Every signal that the policy reads and that is not the device's, with its answer.
    pub signals: Vec<ReadSignal>,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct ExplainedRule {
    /// Its id, which is its reason code.
    pub id: String,
    /// Its condition.
    pub when: String,
    /// Its effect.
    pub effect: Effect,
    /// Why it matched, in one sentence.
    pub why: String,
    /// What it reads.
    pub reads: Vec<String>,
}

/// One bit that the device let out.
#[derive(Clone, Debug)]
pub struct ReleasedNode {
    /// Its condition.
    pub when: String,
    /// What the device said.
    pub outcome: NodeOutcome,
}

/// One signal as it was answered.
#[derive(Clone, Debug)]
pub struct ReadSignal {
    /// Its name.
    pub signal: String,
    /// Who produced it: `request`, `edge` or `cloud`.
    pub zone: &'static str,
    /// The answer with its producer's trust.
    pub given: Given,
}

impl CloudCore {
    /// Everything that is stored about a decision and the policy that took it.
    pub fn explanation(&mut self, reference: &Reference) -> Result<Explanation, CloudError> {
        let decision = self.decision(reference)?;
        let feedback = self.feedback_on(reference)?;
        let digest = decision.record.facts.policy;
        self.read(|tx| {
            let sql =
                "SELECT version, signed_bytes FROM bundle WHERE zone = ?1 ORDER BY version DESC LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query((Zone::Edge as u8, VERSIONS_MAX))?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                let signed = crate::policy::signed_of(&row.get::<_, Vec<u8>>(1)?)?;
                let bundle = Bundle::from_bytes(&signed.body)
                    .map_err(|error| CloudError::corrupt(format!("bundle: {error}")))?;
                if bundle.slices.iter().any(|slice| slice.policy == digest) {
                    versions.push(uint(row.get(0)?));
                }
            }
            let sources = match versions.first() {
                Some(newest) => sources_of(tx.conn, *newest)?,
                None => Vec::new(),
            };
            Ok(Explanation { decision, feedback, versions, sources })
        })
    }
}

impl Explanation {
    /// The rules that matched and what they read; `None` where the policy is not stored any more.
    pub fn rules(&self) -> Result<Option<Explained>, CloudError> {
        let digest = self.decision.record.facts.policy;
        for source in &self.sources {
            let compiled = source
                .compile()
                .map_err(|found| CloudError::new(CloudErrorKind::PolicyInvalid, found.to_string()))?;
            if digest_of(&compiled) == digest {
                return Ok(Some(self.explain(&compiled)));
            }
        }
        Ok(None)
    }

    fn explain(&self, compiled: &Compiled) -> Explained {
        let record = &self.decision.record;
        let answers = self.decision.settled.as_ref().map_or(&[][..], |settled| &settled.answers);
        let snapshot = Snapshot { answers: answered(compiled, &record.facts, answers) };
        let nodes = compiled.layout().nodes.iter().zip(0_usize..);
        let disclosed = record.facts.disclosed.as_ref().filter(|out| out.policy == record.facts.policy);
        let released = nodes.filter_map(|(node, at)| {
            let outcome = *disclosed?.nodes.get(at)?;
            Some(ReleasedNode { when: node.text.clone(), outcome })
        });
        let released: Vec<ReleasedNode> = released.collect();
        let matched = |rule: &&Rule| {
            let named = |reasons: &[Text<REASON_BYTES_MAX>]| reasons.iter().any(|reason| reason.0 == rule.id);
            named(&record.reasons) || self.decision.settled.as_ref().is_some_and(|all| named(&all.matched))
        };
        let rules = compiled.checked().rules().iter().filter(matched);
        let rules = rules.map(|rule| explain_rule(compiled, rule, &snapshot, &released)).collect();
        let signals = snapshot.answers.into_iter().filter_map(|(signal, given)| {
            let zone = compiled.checked().signals().get(&signal)?.birth.name();
            Some(ReadSignal { signal: signal.to_string(), zone, given })
        });
        Explained { policy: compiled.name().to_owned(), rules, signals: signals.collect(), released }
    }
}

fn explain_rule(
    compiled: &Compiled,
    rule: &Rule,
    snapshot: &Snapshot,
    released: &[ReleasedNode],
) -> ExplainedRule {
    let mut reads: Vec<String> = rule.when.readings().iter().map(|(name, _)| name.to_string()).collect();
    reads.sort_unstable();
    reads.dedup();
    let text = rule.when.to_string();
    ExplainedRule {
        id: rule.id.clone(),
        why: why(compiled, rule, snapshot, released),
        effect: rule.effect,
        when: text,
        reads,
    }
}

/// Why a rule that matched did: by its condition, or by how the policy closes what stayed open.
fn why(compiled: &Compiled, rule: &Rule, snapshot: &Snapshot, released: &[ReleasedNode]) -> String {
    let text = rule.when.to_string();
    let told = |outcome| released.iter().any(|node| node.outcome == outcome && text.contains(&node.when));
    match evaluate(compiled.checked(), &rule.when, snapshot, false, false) {
        Outcome::Value(Value::Bool(true)) => "its condition is true".to_owned(),
        _ if rule.release != Release::Undisclosed && told(NodeOutcome::True) => {
            "the device says that what it released of the condition is true".to_owned()
        }
        Outcome::Unknown(causes) => {
            let closed =
                |cause: Cause| format!("{} closes as {}", cause.name(), entry_words(rule.entry(cause)));
            let closed: Vec<String> = causes.iter().map(closed).collect();
            format!("its condition stayed unknown: {}", closed.join(", "))
        }
        Outcome::Error => format!("its condition is an error, which closes as {}", entry_words(rule.error)),
        Outcome::Value(_) | Outcome::Interval(..) => {
            "the zone that decided knew less than is known now".to_owned()
        }
    }
}

/// How a policy closes what stayed open, in a word.
pub(crate) fn entry_words(entry: Entry) -> String {
    match entry {
        Entry::Skip => "skip".to_owned(),
        Entry::Match => "match".to_owned(),
        Entry::Milder(effect) => effect.to_string(),
    }
}

/// Every signal that the policy reads and that is not the device's, as it was answered: facts by the edge, lists
/// and features by what the settlement kept.
pub(crate) fn answered(
    compiled: &Compiled,
    facts: &EventFacts,
    kept: &[SignalAnswer],
) -> BTreeMap<SignalName, Given> {
    let (catalogue, stated) = (compiled.signals(), Stated::new(facts));
    let answer = |name: &SignalName, signal: &Signal| match signal.birth {
        Birth::Device => None,
        Birth::Request | Birth::Edge => {
            Origin::of(catalogue, name).map(|origin| answer_of(origin.read(&stated)))
        }
        Birth::Cloud => {
            let kept = kept.iter().find(|kept| kept.signal == *name).map(|kept| kept.answer.clone());
            Some(kept.unwrap_or(Answer::unknown(Cause::Unavailable)))
        }
    };
    let signals = compiled.checked().signals().iter();
    let given = |(name, signal): (&SignalName, &Signal)| {
        Some((name.clone(), Given { answer: answer(name, signal)?, trust: Trust::Proven }))
    };
    signals.filter_map(given).collect()
}
