//! An edge in memory, made from `seal` alone: it opens sessions, checks every signature, and can be made to lie.
//!
//! It is no second implementation of the gateway (no replay window, no limits): it answers what the protocol says,
//! and [`Fault`]s make it answer what an attacker or a broken node would.

use glacis_host::{Clock, Entropy, SeededHost};
use glacis_policy::{Binding, Owner};
use glacis_sdk::drive::{Lost, Transport};
use glacis_seal::httpsig::{self, Params, parse_input, parse_signature, profile, sfv};
use glacis_seal::{
    Context, Purpose, Secret, Share, SigningKey, mac_envelope, open_envelope, passkey_challenge, session,
    sha256, sign_envelope, text, thumbprint, verify, verify_raw,
};
use glacis_wire::http::{self, Request, Response};
use glacis_wire::message::challenge::{
    ChallengeNonce, ChallengeRequest, Grant, NonceBody, OtpAnswer, OtpOutcome, OtpStart, OtpVerify,
    PasskeyAnswer, PasskeyOutcome, PasskeyVerify, Proof,
};
use glacis_wire::message::decide::{ClientVerdict, DeviceBatch, DeviceRecord};
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolChallenge, EnrolRequest, EnrolResponse, TrustVector,
};
use glacis_wire::message::policy::{Bundle, BundleSlice, KeySet, KeyUse, Metering, Published, PublishedKey};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::{LegOpened, SessionOpen, SessionOpened};
use glacis_wire::message::tpm::{Activation, ActivationRequest};
use glacis_wire::message::{Bytes, List, PublicKey, Signed, Tail, Text};
use glacis_wire::{
    Decode, Digest, Disclosed, Encode, EventId, EventName, KeyId, LegId, Method, PolicyDigest, Realm,
    Reference, SessionId, TenantId, Thumbprint, Tier, Timestamp, Trust, Verdict, Zone,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

/// What goes wrong with one answer to an action.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// All legs are forgotten before the request is read.
    ForgetLegs,
    /// The ticket is refused as expired.
    ExpireTicket,
    /// The verdict's MAC has one bit wrong.
    ForgeMac,
    /// The verdict names another event, under the right key.
    WrongEvent,
    /// The verdict names another request, under the right key.
    WrongRequest,
    /// The challenge's nonce is for another content.
    WrongNonce,
    /// The verdict stands twice in the answer.
    TwoVerdicts,
    /// The verdict is past its end.
    PastEnd,
    /// 200 with a body and no verdict at all.
    NoVerdict,
    /// This answer of earlier.
    Replay(Response),
    /// The request is carried out and the answer lost.
    LoseAnswer,
    /// Shed before any decision.
    Overload,
}

struct Line {
    secret: Secret,
    thumbprint: Thumbprint,
    passkey: Option<PublicKey>,
    ticket: Vec<u8>,
}

type Decide = Box<dyn FnMut(&Disclosed, Option<Method>) -> Verdict>;

/// What was answered to the device of one seed. ECDSA draws randomness that no seed reaches, and the session
/// secret depends on the certificate's bytes: two devices of one seed have one session state only with this.
static ENROLMENTS: Mutex<BTreeMap<(Thumbprint, KeyId), EnrolResponse>> = Mutex::new(BTreeMap::new());

pub(crate) struct FakeEdge {
    pub(crate) context: Context,
    pub(crate) host: SeededHost,
    pub(crate) policy_key: SigningKey,
    pub(crate) result_key: SigningKey,
    /// What its bundles say that devices count.
    pub(crate) metering: Vec<Metering>,
    pub(crate) published: Option<Published>,
    pub(crate) decide: Decide,
    pub(crate) policy: PolicyDigest,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) log: Vec<Request>,
    pub(crate) answers: Vec<Response>,
    pub(crate) records: Vec<DeviceRecord>,
    pub(crate) otp: &'static str,
    /// Bundle version that answers name.
    pub(crate) version: Option<u64>,
    /// Whether a nonce may be asked for without a principal.
    pub(crate) anonymous: bool,
    /// Numbers used on each leg; checked where a test asks for it.
    pub(crate) window: Option<BTreeSet<(LegId, String)>>,
    sessions: BTreeMap<SessionId, Line>,
    legs: BTreeMap<LegId, SessionId>,
    parents: BTreeMap<(Thumbprint, Digest), u64>,
    /// Decided events: what a repeated request is answered.
    pub(crate) decided: BTreeMap<EventId, (Digest, Verdict, u32)>,
}

/// What the edge reads of a signed request.
struct Verified {
    session: SessionId,
    event: EventId,
    content: Digest,
    signature: Digest,
    disclosed: Disclosed,
    proof: Option<Proof>,
}

impl FakeEdge {
    pub(crate) fn new(seed: u64) -> Self {
        let host = SeededHost::new(seed, Timestamp::from_ms(1_800_000_000_000)).stream("edge");
        let key = || SigningKey::generate(|out| host.fill(out)).unwrap();
        Self {
            context: Context::new(TenantId::parse("acme").unwrap(), Realm::Demo),
            policy_key: key(),
            result_key: key(),
            host,
            published: None,
            metering: Vec::new(),
            decide: Box::new(|_, _| Verdict::Allow),
            policy: PolicyDigest::new([7; 32]),
            faults: VecDeque::new(),
            log: Vec::new(),
            answers: Vec::new(),
            records: Vec::new(),
            otp: "424242",
            version: None,
            anonymous: false,
            window: None,
            sessions: BTreeMap::new(),
            legs: BTreeMap::new(),
            parents: BTreeMap::new(),
            decided: BTreeMap::new(),
        }
    }

    /// What binds its slices.
    pub(crate) fn binding(&self) -> Binding {
        let Context { tenant, realm } = self.context.clone();
        Binding { owner: Some(Owner { tenant, realm }), ..Binding::unbound(self.policy) }
    }

    pub(crate) fn key_set(&self, version: u64) -> KeySet {
        let entry = |key: &SigningKey, usage| PublishedKey { id: key.key_id(), usage, key: key.public() };
        KeySet {
            tenant: TenantId::parse("acme").unwrap(),
            realm: Realm::Demo,
            version,
            issued: self.host.now(),
            keys: List(vec![
                entry(&self.policy_key, KeyUse::Policy),
                entry(&self.result_key, KeyUse::Result),
            ]),
        }
    }

    /// Puts a device bundle of one slice up for pulling.
    pub(crate) fn publish(&mut self, version: u64, event: &EventName, slice: Vec<u8>) {
        let bundle = Bundle {
            tenant: TenantId::parse("acme").unwrap(),
            realm: Realm::Demo,
            zone: Zone::Device,
            version,
            issued: self.host.now(),
            slices: List(vec![BundleSlice {
                event: event.clone(),
                policy: self.policy,
                slice: Bytes(slice),
            }]),
            metering: Tail(self.metering.clone()),
        };
        let bundle = sign_envelope(&self.policy_key, &self.context, Purpose::Bundle, &bundle).unwrap();
        self.published = Some(Published { key_sets: List(Vec::new()), bundle });
    }

    /// As after a restart of the node.
    pub(crate) fn forget_legs(&mut self) {
        self.legs.clear();
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        self.host.array().unwrap()
    }

    fn answer(&mut self, request: &Request) -> Response {
        match request.path.as_str() {
            http::PATH_ENROL_CHALLENGE => ok(&EnrolChallenge {
                nonce: self.random(),
                not_after: self.host.now().after(Duration::from_secs(300)),
                mac: [9; 32],
            }),
            http::PATH_ENROL_ACTIVATION => {
                let asked = ActivationRequest::from_bytes(&request.body).unwrap();
                ok(&Activation {
                    credential: Bytes(asked.challenge.nonce.to_vec()),
                    secret: Bytes(asked.identity.ak.to_vec()),
                })
            }
            http::PATH_ENROL => self.enrol(request),
            http::PATH_SESSION => self.session(request),
            http::PATH_LEG => self.leg(request),
            http::PATH_BUNDLE => self.bundle(request),
            _ => match self.verified(request) {
                Ok(verified) => self.signed(request, verified),
                Err(refusal) => refuse(refusal),
            },
        }
    }

    fn enrol(&mut self, request: &Request) -> Response {
        let EnrolRequest { body, signature, extras } = EnrolRequest::from_bytes(&request.body).unwrap();
        let bytes = EnrolRequest::signed_bytes(&body, &extras).unwrap();
        verify(&body.device_key, &self.context, Purpose::Enrol, &bytes, &signature).unwrap();
        let (now, until) = (self.host.now(), self.host.now().after(Duration::from_secs(86_400)));
        let certificate = DeviceCertificate {
            thumbprint: thumbprint(&body.device_key),
            device_key: body.device_key,
            passkey: body.passkey,
            issued: now,
            not_after: until,
        };
        let result = AttestationResult {
            thumbprint: certificate.thumbprint,
            tier: Tier::Software,
            trust: Trust::Claimed,
            family: Text(String::from("none")),
            vector: TrustVector::default(),
            verified_at: now,
            not_after: until,
            certificate: Tail::default(),
        };
        let sign = || EnrolResponse {
            certificate: sign_envelope(&self.result_key, &self.context, Purpose::Certificate, &certificate)
                .unwrap(),
            result: sign_envelope(&self.result_key, &self.context, Purpose::Result, &result).unwrap(),
        };
        let mut enrolments = ENROLMENTS.lock().unwrap();
        ok(enrolments.entry((certificate.thumbprint, self.result_key.key_id())).or_insert_with(sign))
    }

    fn session(&mut self, request: &Request) -> Response {
        let (params, base, signature) = parts(request, profile::SESSION, profile::TAG_SESSION);
        let open = SessionOpen::from_bytes(&request.body).unwrap();
        let key = self.result_key.public();
        let certificate: DeviceCertificate =
            open_envelope(&open.certificate, &self.context, Purpose::Certificate, &key).unwrap();
        assert_eq!(params.nonce.as_deref(), Some(open.epoch_ctr.to_string().as_str()));
        verify_raw(&certificate.device_key, base.as_bytes(), &signature).unwrap();
        let transcript = session::transcript(&base);
        let parents = self.parents.insert((certificate.thumbprint, open.parent), open.epoch_ctr);
        assert_eq!(parents, None, "two openings with one parent are a fork");
        let share = Share::generate(|out| self.host.fill(out)).unwrap();
        let (public, id, leg) = (share.public(), SessionId::new(self.random()), LegId::new(self.random()));
        let shared = share.agree(&open.share).unwrap();
        let secret = session::secret(&shared, &transcript, &self.context);
        let ticket = [b"ticket ".as_slice(), id.as_bytes()].concat();
        let mut opened = SessionOpened {
            share: public,
            session: id,
            ticket: Bytes(ticket.clone()),
            leg,
            not_after: self.host.now().after(Duration::from_secs(1_800)),
            confirm: [0; 32],
        };
        opened.confirm = session::confirm(secret.expose(), &opened, &transcript, &self.context).unwrap();
        let line = Line { secret, thumbprint: certificate.thumbprint, passkey: certificate.passkey, ticket };
        self.sessions.insert(id, line);
        self.legs.insert(leg, id);
        ok(&opened)
    }

    fn leg(&mut self, request: &Request) -> Response {
        let (params, base, signature) = parts(request, profile::LEG, profile::TAG_LEG);
        let id = SessionId::new(text::parse_base64url_array(&params.keyid.clone().unwrap()).unwrap());
        let Some(line) = self.sessions.get(&id) else { return refuse(Refusal::TicketInvalid) };
        assert_eq!(header(request, http::TICKET), line.ticket);
        let key = session::leg_key(line.secret.expose(), &id, &self.context);
        key.verify_raw(base.as_bytes(), &signature).unwrap();
        let leg = LegId::new(self.random());
        self.legs.insert(leg, id);
        ok(&LegOpened { leg })
    }

    fn bundle(&self, request: &Request) -> Response {
        let Some(published) = &self.published else { return refuse(Refusal::Unavailable) };
        let etag = format!("\"{}\"", sha256(&published.to_bytes().unwrap()));
        if request.header("if-none-match") == Some(&etag) {
            return Response { status: 304, ..Response::default() };
        }
        let mut response = ok(published);
        response.headers.push((String::from("etag"), etag));
        response
    }

    fn signed(&mut self, request: &Request, verified: Verified) -> Response {
        match request.path.as_str() {
            http::PATH_CHALLENGE => {
                let asked = ChallengeRequest::from_bytes(&request.body).unwrap();
                assert!(
                    self.anonymous || request.header("authorization").is_some(),
                    "a nonce is bound to the action's principal"
                );
                ok(&self.nonce(&verified, asked.event, asked.content, asked.method))
            }
            http::PATH_OTP_START => {
                OtpStart::from_bytes(&request.body).unwrap();
                Response { status: 200, ..Response::default() }
            }
            http::PATH_OTP_VERIFY => self.otp(&OtpVerify::from_bytes(&request.body).unwrap()),
            http::PATH_PASSKEY_VERIFY => self.asserted(&PasskeyVerify::from_bytes(&request.body).unwrap()),
            http::PATH_RECORDS => {
                self.records.extend(DeviceBatch::from_bytes(&request.body).unwrap().records.0);
                Response { status: 202, ..Response::default() }
            }
            _ => self.decide(request, &verified),
        }
    }

    fn nonce(&self, verified: &Verified, event: EventId, content: Digest, method: Method) -> ChallengeNonce {
        let body = NonceBody {
            thumbprint: self.sessions[&verified.session].thumbprint,
            event,
            content,
            method,
            principal: Text::default(),
            random: self.random(),
            not_after: self.host.now().after(Duration::from_secs(300)),
        };
        ChallengeNonce { body, mac: [5; 32] }
    }

    fn otp(&self, asked: &OtpVerify) -> Response {
        if asked.code.0 != self.otp {
            return ok(&OtpAnswer { outcome: OtpOutcome::Wrong, grant: None });
        }
        ok(&OtpAnswer { outcome: OtpOutcome::Granted, grant: Some(self.grant(&asked.nonce)) })
    }

    /// An assertion that is the challenge itself, as text, is right here.
    fn asserted(&self, asked: &PasskeyVerify) -> Response {
        let challenge = passkey_challenge(&self.context, &asked.nonce.to_bytes().unwrap());
        if *asked.assertion != *challenge.to_string().as_bytes() {
            return ok(&PasskeyAnswer { outcome: PasskeyOutcome::Wrong, grant: None });
        }
        ok(&PasskeyAnswer { outcome: PasskeyOutcome::Granted, grant: Some(self.grant(&asked.nonce)) })
    }

    fn grant(&self, nonce: &ChallengeNonce) -> Signed {
        let grant = Grant { nonce: sha256(&nonce.to_bytes().unwrap()), granted_at: self.host.now() };
        sign_envelope(&self.result_key, &self.context, Purpose::Grant, &grant).unwrap()
    }

    /// The method that the proof passes for this very request.
    fn passed(&self, verified: &Verified) -> Option<Method> {
        let proof = verified.proof.as_ref()?;
        let nonce = proof.nonce();
        assert_eq!((nonce.body.event, nonce.body.content), (verified.event, verified.content));
        match proof {
            Proof::Passkey { nonce, signature } => {
                let key = self.sessions[&verified.session].passkey.unwrap();
                let bytes = nonce.to_bytes().unwrap();
                verify(&key, &self.context, Purpose::Challenge, &bytes, signature).unwrap();
            }
            Proof::Otp { nonce, grant } | Proof::PasskeyGrant { nonce, grant } => {
                let key = self.result_key.public();
                let grant: Grant = open_envelope(grant, &self.context, Purpose::Grant, &key).unwrap();
                assert_eq!(grant.nonce, sha256(&nonce.to_bytes().unwrap()));
            }
        }
        Some(nonce.body.method)
    }

    fn decide(&mut self, request: &Request, verified: &Verified) -> Response {
        let passed = self.passed(verified);
        let verdict = match self.decided.get(&verified.event) {
            Some((content, _, _)) if *content != verified.content => return refuse(Refusal::EventConflict),
            Some((_, verdict, _)) if passed.is_none() => *verdict,
            _ => (self.decide)(&verified.disclosed, passed),
        };
        let times = self.decided.get(&verified.event).map_or(0, |(_, _, times)| *times) + 1;
        self.decided.insert(verified.event, (verified.content, verdict, times));
        let nonce = match verdict {
            Verdict::Challenge(method) => {
                Some(self.nonce(verified, verified.event, verified.content, method))
            }
            _ => None,
        };
        let answer = ClientVerdict {
            event_id: verified.event,
            request: verified.signature,
            content: verified.content,
            policy: self.policy,
            verdict,
            reference: Reference::from_random(self.random()),
            nonce,
            not_after: self.host.now().after(Duration::from_secs(60)),
        };
        self.answer_with(verified.session, answer, &request.path)
    }

    fn answer_with(&mut self, session: SessionId, mut verdict: ClientVerdict, path: &str) -> Response {
        let fault = self.faults.pop_front();
        match &fault {
            Some(Fault::WrongEvent) => verdict.event_id = EventId::new([1; 16]),
            Some(Fault::WrongRequest) => verdict.request = Digest::new([1; 32]),
            Some(Fault::WrongNonce) => {
                let nonce = verdict.nonce.as_mut().unwrap();
                nonce.body.content = Digest::new([1; 32]);
            }
            Some(Fault::PastEnd) => verdict.not_after = self.host.now().before(Duration::from_secs(120)),
            Some(Fault::Replay(response)) => return response.clone(),
            _ => {}
        }
        let key = session::verdict_key(self.sessions[&session].secret.expose(), &session, &self.context);
        let mut maced = mac_envelope(&key, &self.context, Purpose::Verdict, &verdict).unwrap();
        if matches!(fault, Some(Fault::ForgeMac)) {
            maced.mac[31] ^= 1;
        }
        let status = match verdict.verdict {
            Verdict::Allow => 200,
            Verdict::Challenge(_) => 401,
            Verdict::Block => 403,
        };
        let mut headers = vec![(http::REFERENCE.to_owned(), verdict.reference.text())];
        headers.extend(self.version.map(|version| (http::POLICY_VERSION.to_owned(), version.to_string())));
        if !matches!(fault, Some(Fault::NoVerdict)) {
            headers.push((http::VERDICT.to_owned(), sfv::bytes(&maced.to_bytes().unwrap())));
        }
        if matches!(fault, Some(Fault::TwoVerdicts)) {
            headers.extend(headers.last().cloned());
        }
        Response { status, headers, body: path.as_bytes().to_vec() }
    }

    fn verified(&mut self, request: &Request) -> Result<Verified, Refusal> {
        let principal = request.header("authorization").is_some();
        let components = if principal { profile::REQUEST_WITH_PRINCIPAL } else { profile::REQUEST };
        let (input, base, signature) = parts(request, components, profile::TAG_REQUEST);
        let leg = LegId::new(text::parse_base64url_array(&input.keyid.clone().unwrap()).unwrap());
        let session = *self.legs.get(&leg).ok_or(Refusal::LegUnknown)?;
        let line = &self.sessions[&session];
        assert_eq!(header(request, http::TICKET), line.ticket);
        let key = session::request_key(line.secret.expose(), &leg, &self.context);
        key.verify_raw(base.as_bytes(), &signature).map_err(|_| Refusal::SignatureWrong)?;
        assert!(profile::is_timely(&input, self.host.now()));
        let number = input.nonce.clone().unwrap().into_owned();
        if self.window.as_mut().is_some_and(|window| !window.insert((leg, number))) {
            return Err(Refusal::Replayed);
        }
        let content = sha256(&request.body);
        assert_eq!(request.header("content-digest"), Some(httpsig::content_digest(&content).as_str()));
        let proof = header(request, http::PROOF);
        Ok(Verified {
            session,
            event: EventId::try_from(&*header(request, http::EVENT)).unwrap(),
            content,
            signature: sha256(&signature),
            disclosed: Disclosed::from_bytes(&header(request, http::DISCLOSURE)).unwrap(),
            proof: (!proof.is_empty()).then(|| Proof::from_bytes(&proof).unwrap()),
        })
    }
}

impl Transport for FakeEdge {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        self.log.push(request.clone());
        let own = request.path.starts_with("/.glacis/");
        if !own {
            match self.faults.front() {
                Some(Fault::ForgetLegs) => {
                    self.faults.pop_front();
                    self.legs.clear();
                }
                Some(Fault::ExpireTicket) => {
                    self.faults.pop_front();
                    self.legs.clear();
                    return Ok(refuse(Refusal::TicketExpired));
                }
                Some(Fault::Overload) => {
                    self.faults.pop_front();
                    return Ok(refuse(Refusal::Overloaded));
                }
                _ => {}
            }
        }
        let lose = !own && matches!(self.faults.front(), Some(Fault::LoseAnswer));
        let response = self.answer(request);
        self.answers.push(response.clone());
        if lose { Err(Lost) } else { Ok(response) }
    }
}

fn parts<'a>(request: &'a Request, components: &[&str], tag: &str) -> (Params<'a>, String, Vec<u8>) {
    let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
    assert!(input.covers(components), "{:?}", input.components);
    assert!(input.has_profile_params());
    assert_eq!(input.params.tag.as_deref(), Some(tag));
    let mut base = String::new();
    input.write_base(&mut base, request).unwrap();
    let signature = parse_signature(request.header("signature").unwrap(), profile::LABEL).unwrap().unwrap();
    (input.params, base, signature.to_vec())
}

fn header(request: &Request, name: &str) -> Vec<u8> {
    sfv::parse_bytes(request.header(name).unwrap(), 8_192).unwrap()
}

fn ok(message: &impl Encode) -> Response {
    let headers = vec![(String::from("content-type"), String::from(http::MEDIA_TYPE))];
    Response { status: 200, headers, body: message.to_bytes().unwrap() }
}

pub(crate) fn refuse(refusal: Refusal) -> Response {
    let reference = Reference::from_random([3; 8]).text();
    let (code, status) = (refusal.name(), refusal.status());
    let body = format!(
        r#"{{"type":"about:blank","title":"{code}","status":{status},"code":"{code}","reference":"{reference}"}}"#
    );
    Response { status, headers: vec![(http::REFERENCE.to_owned(), reference)], body: body.into_bytes() }
}
