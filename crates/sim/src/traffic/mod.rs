//! What a shipped policy does to traffic: who is settled where, who is asked, who is stopped.
//!
//! For each policy of [`SUBJECTS`] a fixed seed gives people and attackers over some days (a module each). Every request
//! goes through the real slices, device, edge, cloud, with windows and lists computed over what came before, and is held to
//! the reference interpreter on the way. The traffic is made up: it says what a policy costs and misses under stated
//! shares, not what it will do for anybody. Nothing here decides, and nothing tunes a policy by a label.
//!
//! Shares of people by tier, in all policies: 5 % none (a route without device zone: browsers, assistants, partners), 15 %
//! software, 60 % hardware, 20 % strong. Who is asked and can answer sends the request once more; both are counted.

mod card;
mod change;
mod crowd;
mod hub;
mod login;
mod payment;
mod play;
mod shop;
mod tally;

pub use tally::{Report, Tally};

use crate::rng::Rng;
use crowd::Traffic;
use glacis_compiler::{Compiled, Source, compile};

/// A shipped policy with traffic for it.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its folder under `policies/`.
    pub name: &'static str,
    catalogue: &'static str,
    policy: &'static str,
    draw: fn(&mut Rng) -> Traffic,
}

/// The policies that are measured.
pub const SUBJECTS: [Subject; 6] = [
    Subject {
        name: "account-login",
        catalogue: include_str!("../../../../policies/signals.toml"),
        policy: include_str!("../../../../policies/account-login/policy.toml"),
        draw: login::draw,
    },
    Subject {
        name: "account-change",
        catalogue: include_str!("../../../../policies/signals.toml"),
        policy: include_str!("../../../../policies/account-change/policy.toml"),
        draw: change::draw,
    },
    Subject {
        name: "payment",
        catalogue: include_str!("../../../../policies/signals.toml"),
        policy: include_str!("../../../../policies/payment/policy.toml"),
        draw: payment::draw,
    },
    Subject {
        name: "card-payment",
        catalogue: include_str!("../../../../policies/card-payment/signals.toml"),
        policy: include_str!("../../../../policies/card-payment/policy.toml"),
        draw: card::draw,
    },
    Subject {
        name: "scalping",
        catalogue: include_str!("../../../../policies/scalping/signals.toml"),
        policy: include_str!("../../../../policies/scalping/policy.toml"),
        draw: shop::draw,
    },
    Subject {
        name: "iot-command",
        catalogue: include_str!("../../../../policies/iot-command/signals.toml"),
        policy: include_str!("../../../../policies/iot-command/policy.toml"),
        draw: hub::draw,
    },
];

impl Subject {
    /// Runs the traffic of `seed`.
    ///
    /// # Errors
    /// The policy does not compile, or its slices decide otherwise than the reference interpreter.
    pub fn measure(&self, seed: u64) -> Result<Report, String> {
        self.run(self.policy, seed)
    }

    /// As [`Self::measure`], without the rule `id`: what that rule costs.
    ///
    /// # Errors
    /// As [`Self::measure`], and where no rule is called so.
    pub fn measure_without(&self, id: &str, seed: u64) -> Result<Report, String> {
        self.run(&without(self.policy, id)?, seed)
    }

    fn run(&self, policy: &str, seed: u64) -> Result<Report, String> {
        let compiled = self.compile(policy)?;
        let traffic = (self.draw)(&mut Rng::new(seed).part(self.name));
        play::play(self.name, &compiled, traffic)
    }

    fn compile(&self, policy: &str) -> Result<Compiled, String> {
        let (catalogue, policy) = (
            Source { name: "signals.toml", text: self.catalogue },
            Source { name: "policy.toml", text: policy },
        );
        compile(catalogue, policy, None).map_err(|found| format!("{}: {found}", self.name))
    }
}

/// The policy's text without one rule.
fn without(policy: &str, id: &str) -> Result<String, String> {
    let mut parts = policy.split("[[rule]]\n");
    let head = parts.next().unwrap_or_default();
    let (dropped, kept): (Vec<&str>, Vec<&str>) =
        parts.partition(|part| part.starts_with(&format!("id = \"{id}\"\n")));
    if dropped.len() != 1 {
        return Err(format!("{} rules are called `{id}`", dropped.len()));
    }
    Ok(kept.into_iter().fold(head.to_owned(), |text, rule| text + "[[rule]]\n" + rule))
}
