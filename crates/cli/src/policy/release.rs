//! A release: all policies that are in force together, read back from an installation or made here.
//!
//! INVARIANT: nothing that an installation answers is signed unless it was signed before by a policy key of our own
//! key ring. A cloud that lies could otherwise have its own policy signed by a publish or a rollback.

use super::prove;
use super::source::Folder;
use super::test::compiled;
use crate::client::{Client, typed};
use crate::codes::Code;
use crate::error::CliError;
use glacis_cloud::policy::Publish;
use glacis_cloud::policy::digest_of;
use glacis_compiler::Compiled;
use glacis_host::{DirFiles, Host};
use glacis_seal::Purpose;
use glacis_seal::published::open_signed;
use glacis_seal::text::parse_base64url;
use glacis_serve::keys::{self, Ring};
use glacis_serve::release::{PolicyFiles, publish};
use glacis_wire::message::Signed;
use glacis_wire::message::policy::{Bundle, BundleSlice, KeyUse};
use glacis_wire::{Decode as _, Zone};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// What is in force, as the installation says.
#[derive(Debug, Deserialize)]
pub(crate) struct Standing {
    /// Version in force; zero before the first publish.
    pub(crate) live: u64,
    /// Whether edges and devices of the installation's version can run it.
    pub(crate) current: bool,
    /// Version of the key set in force.
    pub(crate) key_set: u64,
}

/// One policy of a release.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) folder: Folder,
    pub(crate) compiled: Compiled,
}

/// Policies, one an event, by event.
#[derive(Debug, Default)]
pub(crate) struct Release {
    pub(crate) members: Vec<Member>,
}

impl Standing {
    /// Asks.
    pub(crate) fn ask(client: &Client) -> Result<Self, CliError> {
        typed(&client.get("/admin/v1/policies")?)
    }
}

impl Release {
    /// Of these folders; each must compile, its cases must hold, and no two may decide one event.
    pub(crate) fn of(folders: Vec<Folder>) -> Result<Self, CliError> {
        let mut release = Self::default();
        for folder in folders {
            let compiled = compiled(&folder)?;
            let failed = compiled.run_cases().iter().filter(|case| !case.holds()).count();
            if failed > 0 {
                let what = format!("{}: {failed} of its cases do not hold", folder.name);
                return Err(CliError::new(Code::CasesFail, what));
            }
            if let Some(other) = release.find(&compiled) {
                let (event, one) = (compiled.event(), &other.folder.name);
                let what = format!("{one} and {} both decide `{event}`", folder.name);
                return Err(
                    CliError::new(Code::Argument, what).help("an event has one policy; name one of them")
                );
            }
            release.members.push(Member { folder, compiled });
        }
        release.sort();
        Ok(release)
    }

    /// What was published as `version`, if our own keys signed it.
    pub(crate) fn fetch(client: &Client, version: u64, ring: &Ring) -> Result<Self, CliError> {
        if version == 0 {
            return Ok(Self::default());
        }
        let answer = client.get(&format!("/admin/v1/policies/{version}"))?;
        let bytes = answer.get("publish").and_then(Value::as_str).and_then(parse_base64url);
        let publish = bytes.and_then(|bytes| Publish::from_bytes(&bytes).ok()).ok_or_else(|| {
            CliError::new(Code::BadAnswer, format!("what is given for version {version} is no publication"))
        })?;
        let release = Self::of(publish.sources.iter().map(Folder::of_source).collect())?;
        for (zone, signed) in Zone::ALL.into_iter().zip(publish.bundles.iter()) {
            let bundle = opened(ring, signed).ok_or_else(|| forged(version))?;
            if bundle.zone != zone || bundle.version != version || !release.gives(&bundle) {
                return Err(forged(version));
            }
        }
        if publish.bundles.len() == Zone::ALL.len() { Ok(release) } else { Err(forged(version)) }
    }

    /// Takes over the policies of `other` for events that have none here.
    pub(crate) fn keep(&mut self, other: Self) {
        for member in other.members {
            if self.find(&member.compiled).is_none() {
                self.members.push(member);
            }
        }
        self.sort();
    }

    /// A copy with the same policies.
    pub(crate) fn again(&self) -> Self {
        let member =
            |member: &Member| Member { folder: member.folder.clone(), compiled: member.compiled.clone() };
        Self { members: self.members.iter().map(member).collect() }
    }

    /// Signs the release as `version` if every policy of it is proven, with key sets that an installation at `key_set` has not seen.
    pub(crate) fn sign(
        &self,
        ring: &Ring,
        host: &dyn Host,
        version: u64,
        key_set: u64,
    ) -> Result<Publish, CliError> {
        self.members.iter().try_for_each(|member| prove::demand(&member.folder, &member.compiled))?;
        let files: Vec<PolicyFiles> = self.members.iter().map(|member| member.folder.to_files()).collect();
        Ok(publish(ring, &files, version, key_set, host.now())?)
    }

    /// The events that it decides.
    pub(crate) fn events(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.compiled.event().as_str())
    }

    /// The policy of an event.
    pub(crate) fn policy_of(&self, event: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.compiled.event().as_str() == event)
    }

    fn find(&self, compiled: &Compiled) -> Option<&Member> {
        self.members.iter().find(|member| member.compiled.event() == compiled.event())
    }

    /// Whether a bundle holds exactly what these sources compile to.
    fn gives(&self, bundle: &Bundle) -> bool {
        let same = |slice: &BundleSlice| {
            let member = self.members.iter().find(|member| *member.compiled.event() == slice.event);
            member.is_some_and(|member| digest_of(&member.compiled) == slice.policy)
        };
        bundle.slices.len() == self.members.len() && bundle.slices.iter().all(same)
    }

    fn sort(&mut self) {
        self.members.sort_by(|a, b| a.compiled.event().as_str().cmp(b.compiled.event().as_str()));
    }
}

/// The key ring of a folder that only its owner can read.
pub(crate) fn ring(dir: &Path) -> Result<Ring, CliError> {
    let files: DirFiles = keys::open_private(dir, false)?;
    let context = keys::owner(&files)?;
    let missing = || {
        let what = format!("there are no keys in {}", dir.display());
        CliError::new(Code::KeysMissing, what)
            .help("name the folder with the installation's keys: --keys DIR")
    };
    Ok(Ring::load(&files, &context.ok_or_else(missing)?)?)
}

/// A bundle that a policy key in force has signed. One that was dropped may have been stolen: it counts no more.
fn opened(ring: &Ring, signed: &Signed) -> Option<Bundle> {
    let (set, context) = (ring.key_set()?, ring.context());
    let bundle: Bundle = open_signed(set, KeyUse::Policy, context, Purpose::Bundle, signed).ok()?;
    (bundle.tenant == context.tenant && bundle.realm == context.realm).then_some(bundle)
}

fn forged(version: u64) -> CliError {
    let what =
        format!("version {version} as the installation gives it is not signed by a policy key in force");
    CliError::new(Code::SignatureRefused, what).help(
        "nothing was signed; name the installation's own keys with --keys DIR; after a policy key was dropped, \
         publish all policies from their folders with --only",
    )
}
