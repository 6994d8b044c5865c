//! The one [`KeyStore`]: hierarchy, limits, ends and their durability, over any back end.
//!
//! INVARIANT: what a signature depends on is durable before the signature leaves. A use is counted before the back end
//! is asked; a key that expired, was revoked or used up is noted as ended before it is destroyed; and where keys live
//! outside the record, one is announced before it is made, so that a crash leaves none that nobody knows of. What ended
//! is destroyed by the next ring if this one could not.
//!
//! One ring works on a vault at a time ([`KeyError::InUse`]); two processes are kept apart by the vault's files. The
//! limits bind whoever uses the ring. Against someone who restores all files of a software vault at once they are worth
//! as little as everything else there.

mod record;

use crate::custody::{Custody, CustodyError, CustodyErrorKind, Generated, KeyTag};
use crate::keys::{End, KeyError, KeyInfo, KeyStore, UserVerification};
use crate::protection::Protection;
use crate::role::{KeyOptions, Role};
use crate::vault::{KeysClaim, Vault};
use glacis_host::entropy;
use glacis_seal::hash::context_digest;
use glacis_seal::key::{check_public, verify_digest};
use glacis_seal::{Context, Purpose, SealError, key_id, sha256, thumbprint};
use glacis_wire::message::custody::{KeyLevel, KeyStatement};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, PublicKey, Signature, Signed, Text};
use glacis_wire::{Digest, Encode};
use record::{Entry, Kept, Place, Uses};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The keys of one device in one back end.
pub struct KeyRing<C: Custody> {
    vault: Arc<Vault>,
    custody: C,
    state: Mutex<State<C::Key>>,
    _only: KeysClaim,
}

/// What is in the records, and the keys that are ready.
struct State<K> {
    entries: Vec<Entry>,
    uses: Uses,
    ready: BTreeMap<KeyTag, Arc<K>>,
    /// A record was written and the write failed: it may be what is there, or not. Until one is written for certain,
    /// nothing is destroyed that it may speak of.
    uncertain: bool,
}

impl<C: Custody> KeyRing<C> {
    /// Takes up the keys that the vault knows of, and ends what was begun.
    pub fn over(vault: Arc<Vault>, custody: C) -> Result<Self, KeyError> {
        let only = Vault::claim_keys(&vault).ok_or(KeyError::InUse)?;
        // Where there is no key, any store may begin.
        let kept = Kept::load(&vault)?.filter(|kept| !kept.entries.is_empty());
        let kept = kept.map(|kept| match kept.custody == custody.name() {
            true => Ok(kept.entries),
            false => Err(KeyError::OtherCustody { made: kept.custody, opened: custody.name() }),
        });
        let state = State {
            entries: kept.transpose()?.unwrap_or_default(),
            uses: Uses::load(&vault)?,
            ready: BTreeMap::new(),
            uncertain: false,
        };
        let ring = Self { vault, custody, state: Mutex::new(state), _only: only };
        {
            let mut state = ring.lock();
            let State { entries, ready, .. } = &mut *state;
            for entry in entries.iter().filter(|entry| entry.held && !entry.is_doomed()) {
                ready.insert(entry.tag, Arc::new(ring.custody.load(&entry.stored())?));
            }
            ring.destroy_doomed(&mut state);
        }
        Ok(ring)
    }

    /// The back end.
    pub const fn custody(&self) -> &C {
        &self.custody
    }

    /// Makes a key and puts it at `place`; what stood there is destroyed.
    fn make(
        &self,
        state: &mut State<C::Key>,
        role: Role,
        place: Place,
        wanted: Wanted<'_>,
    ) -> Result<PublicKey, KeyError> {
        let tag = KeyTag(entropy::array(self.vault.host().as_ref()).map_err(|_| SealError::Entropy)?);
        let mut entry = Entry {
            role,
            place: Place::Doomed,
            tag,
            public: record::UNMADE,
            handle: Zeroizing::new(Vec::new()),
            options: *wanted.options,
            made: Some(self.vault.host().now()),
            ended: None,
            held: true,
        };
        if self.custody.habits().outside {
            let announced = with(&state.entries, &entry);
            self.commit(state, announced)?;
        }
        let made = self.generated(&tag, wanted).and_then(|Generated { public, handle }| {
            if state.entries.iter().any(|other| other.public == public) {
                return Err(self.lied("a key that it had made before"));
            }
            (entry.place, entry.public, entry.handle) = (place, public, handle);
            let key = self.custody.load(&entry.stored())?;
            let mut entries = state.entries.clone();
            entries.retain(|other| other.tag != tag);
            // A successor goes with the key that it was to follow.
            let replaced = |entry: &&mut Entry| {
                entry.role == role && (entry.place == place || entry.place == Place::Next)
            };
            entries.iter_mut().filter(replaced).for_each(|entry| self.doom(entry));
            self.commit(state, with(&entries, &entry))?;
            state.ready.insert(tag, Arc::new(key));
            Ok(public)
        });
        // On an error what was announced is destroyed, on success what was replaced.
        self.destroy_doomed(state);
        made
    }

    fn generated(&self, tag: &KeyTag, wanted: Wanted<'_>) -> Result<Generated, KeyError> {
        let made = match wanted.challenge {
            None => self.custody.generate(tag, wanted.options),
            Some(challenge) => self.custody.generate_over(tag, wanted.options, challenge),
        }?;
        if self.custody.habits().checked {
            check_public(&made.public)
                .map_err(|_| self.lied("a public key that is no point of the curve"))?;
        }
        Ok(made)
    }

    /// The key of this role, made with these options, and the keys above it.
    fn make_with_parents(
        &self,
        state: &mut State<C::Key>,
        role: Role,
        wanted: Wanted<'_>,
    ) -> Result<PublicKey, KeyError> {
        if let Some(parent) = role.parent() {
            self.made_or_there(state, parent, &parent.usual_options())?;
        }
        self.make(state, role, Place::Current, wanted)
    }

    fn made_or_there(
        &self,
        state: &mut State<C::Key>,
        role: Role,
        options: &KeyOptions,
    ) -> Result<PublicKey, KeyError> {
        match state.find(role, Place::Current) {
            Some(entry) => live(entry).map(|entry| entry.public),
            None => self.make_with_parents(state, role, Wanted::with(options)),
        }
    }

    /// A new key with the options of the old one.
    fn renewed(&self, role: Role, challenge: Option<&[u8]>) -> Result<PublicKey, KeyError> {
        let mut state = self.lock();
        let options = state.find(role, Place::Current).map(|entry| entry.options);
        let options = options.unwrap_or_else(|| role.usual_options());
        self.make_with_parents(&mut state, role, Wanted { options: &options, challenge })
    }

    /// Stores these entries, without those of which nothing is left to know or to destroy; then takes them.
    fn commit(&self, state: &mut State<C::Key>, mut entries: Vec<Entry>) -> Result<(), KeyError> {
        entries.retain(|e| e.held || (e.place != Place::Doomed && e.ended != Some(End::Wiped)));
        let kept = Kept { custody: self.custody.name().to_owned(), entries };
        state.uncertain = true;
        kept.store(&self.vault)?;
        state.uncertain = false;
        state.entries = kept.entries;
        let usable = |tag: &KeyTag| state.entries.iter().any(|e| e.tag == *tag && e.held && !e.is_doomed());
        state.ready.retain(|tag, _| usable(tag));
        Ok(())
    }

    /// Marks a key as to be destroyed. Where the record itself is the key's place, it is gone with the next commit.
    fn doom(&self, entry: &mut Entry) {
        entry.place = Place::Doomed;
        self.let_go(entry);
    }

    fn let_go(&self, entry: &mut Entry) {
        if !self.custody.habits().outside {
            entry.held = false;
            entry.handle = Zeroizing::new(Vec::new());
        }
    }

    /// Ends the keys that `ends` picks: durable, then destroyed.
    fn end(&self, state: &mut State<C::Key>, ends: impl Fn(&Entry) -> Option<End>) -> Result<(), KeyError> {
        let mut entries = state.entries.clone();
        for entry in entries.iter_mut().filter(|entry| entry.ended.is_none()) {
            if let Some(end) = ends(entry) {
                entry.ended = Some(end);
                if entry.place == Place::Next {
                    entry.place = Place::Doomed;
                }
                self.let_go(entry);
            }
        }
        self.commit(state, entries)?;
        self.destroy_doomed(state);
        Ok(())
    }

    /// Destroys what is to be destroyed, as far as the back end can be reached. What it keeps refuses already, and is
    /// shown as lingering.
    fn destroy_doomed(&self, state: &mut State<C::Key>) {
        if state.uncertain || !state.entries.iter().any(Entry::is_doomed) {
            return;
        }
        let mut entries = state.entries.clone();
        let mut any = false;
        for entry in entries.iter_mut().filter(|entry| entry.is_doomed()) {
            if self.custody.destroy(&entry.tag, &entry.handle).is_ok() {
                (entry.held, any) = (false, true);
                entry.handle = Zeroizing::new(Vec::new());
            }
        }
        if any {
            // If this cannot be stored, the next ring destroys again what is not there any more, which is no error.
            let _next_time = self.commit(state, entries);
        }
    }

    /// Everything between a request for a signature and the back end: is there a key, may it sign now, and the use
    /// is counted.
    fn admit(&self, role: Role, place: Place, verified: bool) -> Result<Admitted<C::Key>, KeyError> {
        let mut state = self.lock();
        let entry = state.find(role, place).ok_or(match place {
            Place::Next => KeyError::NoSuccessor(role),
            _ => KeyError::Missing(role),
        })?;
        let (tag, public, options) = (live(entry)?.tag, entry.public, entry.options);
        if options.user_verification && !verified {
            return Err(KeyError::VerificationMissing(role));
        }
        let over = options.not_after.is_some_and(|end| end < self.vault.host().now());
        let used = state.uses.0.get(&tag).copied().unwrap_or(0);
        let used_up = options.uses_max.is_some_and(|most| used >= most.get());
        if over || used_up {
            let how = if over { End::Expired } else { End::UsedUp };
            // It refuses now, noted or not; what could not be noted shows again the next time.
            let _noted = self.end(&mut state, |entry| (entry.tag == tag).then_some(how));
            return Err(KeyError::Ended { role, how });
        }
        let key = state.ready.get(&tag).cloned().ok_or(KeyError::Missing(role))?;
        let Some(most) = options.uses_max else { return Ok(Admitted { key, public, last: None }) };
        let mut uses = state.uses.clone();
        uses.0.retain(|tag, _| state.entries.iter().any(|entry| entry.tag == *tag));
        uses.0.insert(tag, used.saturating_add(1));
        uses.store(&self.vault)?;
        state.uses = uses;
        Ok(Admitted { key, public, last: (used.saturating_add(1) >= most.get()).then_some(tag) })
    }

    fn signed(
        &self,
        (role, place): (Role, Place),
        verification: Option<&UserVerification>,
        digest: &Digest,
    ) -> Result<Signature, KeyError> {
        let Admitted { key, public, last } = self.admit(role, place, verification.is_some())?;
        let signature = self.custody.sign(&key, digest, verification)?;
        if self.custody.habits().checked {
            verify_digest(&public, digest, &signature)
                .map_err(|_| self.lied("a signature that does not verify under this key"))?;
        }
        if let Some(tag) = last {
            // The count refuses the next use anyway; this only destroys the key sooner.
            let _sooner = self.end(&mut self.lock(), |entry| (entry.tag == tag).then_some(End::UsedUp));
        }
        Ok(signature)
    }

    fn lied(&self, what: &str) -> KeyError {
        CustodyError::new(self.custody.name(), CustodyErrorKind::Lied).said(what).into()
    }

    fn lock(&self) -> MutexGuard<'_, State<C::Key>> {
        // Entries and uses are replaced whole, after they were stored.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key is to be.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    options: &'a KeyOptions,
    challenge: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    const fn with(options: &'a KeyOptions) -> Self {
        Self { options, challenge: None }
    }
}

/// A key that may sign once.
struct Admitted<K> {
    key: Arc<K>,
    public: PublicKey,
    /// The tag, if this is its last use.
    last: Option<KeyTag>,
}

impl<K> State<K> {
    fn find(&self, role: Role, place: Place) -> Option<&Entry> {
        self.entries.iter().find(|entry| (entry.role, entry.place) == (role, place))
    }

    /// The key of a role, if it has not ended.
    fn current(&self, role: Role) -> Result<&Entry, KeyError> {
        live(self.find(role, Place::Current).ok_or(KeyError::Missing(role))?)
    }
}

impl<C: Custody> KeyStore for KeyRing<C> {
    fn create_with(&self, role: Role, options: &KeyOptions) -> Result<PublicKey, KeyError> {
        check_options(role, options)?;
        let mut state = self.lock();
        let public = self.made_or_there(&mut state, role, options)?;
        let there = state.find(role, Place::Current).is_some_and(|entry| entry.options == *options);
        if there { Ok(public) } else { Err(KeyError::OtherOptions(role)) }
    }

    fn create(&self, role: Role) -> Result<PublicKey, KeyError> {
        self.made_or_there(&mut self.lock(), role, &role.usual_options())
    }

    fn renew_with(&self, role: Role, options: &KeyOptions) -> Result<PublicKey, KeyError> {
        check_options(role, options)?;
        self.make_with_parents(&mut self.lock(), role, Wanted::with(options))
    }

    fn renew(&self, role: Role) -> Result<PublicKey, KeyError> {
        self.renewed(role, None)
    }

    fn renew_over(&self, role: Role, challenge: &[u8]) -> Result<PublicKey, KeyError> {
        self.renewed(role, Some(challenge))
    }

    fn prepare(&self, role: Role) -> Result<PublicKey, KeyError> {
        if matches!(role, Role::Scene(_)) {
            return Err(KeyError::NoSuccession(role));
        }
        let mut state = self.lock();
        state.current(role)?;
        match state.find(role, Place::Next) {
            Some(entry) => live(entry).map(|entry| entry.public),
            None => self.make(&mut state, role, Place::Next, Wanted::with(&role.usual_options())),
        }
    }

    fn sign_as_successor(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError> {
        self.signed((role, Place::Next), None, &context_digest(context, purpose, &[message]))
    }

    fn promote(&self, role: Role) -> Result<PublicKey, KeyError> {
        let mut state = self.lock();
        let next = live(state.find(role, Place::Next).ok_or(KeyError::NoSuccessor(role))?)?;
        let (tag, public) = (next.tag, next.public);
        let mut entries = state.entries.clone();
        for entry in entries.iter_mut().filter(|entry| entry.role == role) {
            match entry.place {
                Place::Current => self.doom(entry),
                Place::Next if entry.tag == tag => entry.place = Place::Current,
                Place::Next | Place::Doomed => {}
            }
        }
        self.commit(&mut state, entries)?;
        self.destroy_doomed(&mut state);
        Ok(public)
    }

    fn revoke(&self, role: Role) -> Result<(), KeyError> {
        let mut state = self.lock();
        state.find(role, Place::Current).ok_or(KeyError::Missing(role))?;
        self.end(&mut state, |entry| entry.role.is_under(role).then_some(End::Revoked))
    }

    fn wipe(&self) -> Result<(), KeyError> {
        let mut state = self.lock();
        let mut entries = state.entries.clone();
        for entry in &mut entries {
            entry.ended = Some(End::Wiped);
            self.let_go(entry);
        }
        self.commit(&mut state, entries)?;
        self.destroy_doomed(&mut state);
        if let Some(entry) = state.entries.first() {
            // It refused. Asked once more, for what it says.
            self.custody.destroy(&entry.tag, &entry.handle)?;
            self.destroy_doomed(&mut state);
        }
        if let Some(entry) = state.entries.first() {
            return Err(KeyError::Ended { role: entry.role, how: End::Wiped });
        }
        let none = Uses::default();
        none.store(&self.vault)?;
        state.uses = none;
        Ok(())
    }

    fn public(&self, role: Role) -> Result<Option<PublicKey>, KeyError> {
        let state = self.lock();
        state.find(role, Place::Current).map(|entry| live(entry).map(|entry| entry.public)).transpose()
    }

    fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let state = self.lock();
        let now = self.vault.host().now();
        let mut keys: Vec<_> = state.entries.iter().filter(|entry| entry.place == Place::Current).collect();
        keys.sort_by_key(|entry| entry.role);
        let info = |entry: &Entry| {
            let limited = entry.options.uses_max;
            let uses = limited.map(|_| state.uses.0.get(&entry.tag).copied().unwrap_or(0));
            let used_up = limited.zip(uses).is_some_and(|(most, uses)| uses >= most.get());
            let over = entry.options.not_after.is_some_and(|end| end < now);
            let shown = if over { Some(End::Expired) } else { used_up.then_some(End::UsedUp) };
            KeyInfo {
                role: entry.role,
                public: entry.public,
                successor: state.find(entry.role, Place::Next).map(|next| next.public),
                options: entry.options,
                uses,
                made: entry.made,
                ended: entry.ended.or(shown),
                lingers: entry.is_doomed(),
            }
        };
        Ok(keys.into_iter().map(info).collect())
    }

    fn chain(&self, role: Role, context: &Context) -> Result<Vec<Signed>, KeyError> {
        let Some(parent) = role.parent() else { return Ok(Vec::new()) };
        let mut chain = self.chain(parent, context)?;
        let (key, options) = {
            let state = self.lock();
            let entry = state.current(role)?;
            (entry.public, entry.options)
        };
        let above = self.public(parent)?.ok_or(KeyError::Missing(parent))?;
        let (level, scene) = match role {
            Role::Scene(scene) => (KeyLevel::Scene, scene.to_string()),
            Role::App | Role::Device => (KeyLevel::App, String::new()),
        };
        let statement = KeyStatement {
            parent: thumbprint(&above),
            key,
            level,
            scene: Text(scene),
            user_verification: options.user_verification,
            uses_max: options.uses_max.map(Into::into),
            not_after: options.not_after,
            issued: self.vault.host().now(),
        };
        let body = statement.to_bytes()?;
        let signature = self.sign(parent, context, Purpose::KeyStatement, &body)?;
        chain.push(Signed { key: key_id(&above), body: Bytes(body), signature });
        Ok(chain)
    }

    fn sign(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError> {
        self.signed((role, Place::Current), None, &context_digest(context, purpose, &[message]))
    }

    fn sign_raw(&self, role: Role, message: &[u8]) -> Result<Signature, KeyError> {
        self.signed((role, Place::Current), None, &sha256(message))
    }

    fn sign_verified(
        &self,
        role: Role,
        verification: UserVerification,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError> {
        if !verification.covers(message) {
            return Err(KeyError::VerificationMismatch);
        }
        let digest = context_digest(context, purpose, &[message]);
        self.signed((role, Place::Current), Some(&verification), &digest)
    }

    fn attest(&self, role: Role, challenge: &[u8]) -> Result<Option<Evidence>, KeyError> {
        let key = {
            let state = self.lock();
            let entry = state.current(role)?;
            state.ready.get(&entry.tag).cloned().ok_or(KeyError::Missing(role))?
        };
        self.custody.attest(&key, challenge)
    }

    fn protection(&self) -> Protection {
        self.custody.protection()
    }
}

impl<C: Custody> fmt::Debug for KeyRing<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({}, {} keys)", self.custody.name(), self.lock().entries.len())
    }
}

/// The entry, unless it ended.
fn live(entry: &Entry) -> Result<&Entry, KeyError> {
    match entry.ended {
        None => Ok(entry),
        Some(how) => Err(KeyError::Ended { role: entry.role, how }),
    }
}

fn check_options(role: Role, options: &KeyOptions) -> Result<(), KeyError> {
    match role {
        // Whoever makes it first must not be able to make one that asks nobody.
        Role::PASSKEY if !options.user_verification => Err(KeyError::VerificationMissing(role)),
        Role::Scene(_) => Ok(()),
        Role::Device | Role::App if *options == KeyOptions::default() => Ok(()),
        Role::Device | Role::App => Err(KeyError::NoOptions(role)),
    }
}

fn with(entries: &[Entry], entry: &Entry) -> Vec<Entry> {
    entries.iter().chain([entry]).cloned().collect()
}
