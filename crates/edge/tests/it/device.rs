//! A device with every key in reach, so that a test can sign anything, also what no honest device would.

use glacis_seal::httpsig::{self, Cover, Params, content_digest, profile, sfv};
use glacis_seal::text::base64url;
use glacis_seal::{Context, MacKey, Purpose, Secret, Share, SigningKey, session, sha256, sign_envelope};
use glacis_wire::http::{self, Request};
use glacis_wire::message::challenge::{ChallengeNonce, Proof};
use glacis_wire::message::decide::ClientVerdict;
use glacis_wire::message::enrol::{AttestationResult, DeviceCertificate, TrustVector};
use glacis_wire::message::session::{LegOpened, SessionOpen, SessionOpened};
use glacis_wire::message::{Maced, Signed, Tail, Text};
use glacis_wire::{Decode, Digest, Disclosed, Encode, EventId, LegId, Thumbprint, Tier, Timestamp, Trust};

/// An enrolled device.
pub(crate) struct Device {
    pub(crate) context: Context,
    pub(crate) key: SigningKey,
    pub(crate) passkey: SigningKey,
    pub(crate) certificate: Signed,
    pub(crate) result: Signed,
    pub(crate) epoch_ctr: u64,
    pub(crate) chain: Digest,
}

/// An open session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) context: Context,
    pub(crate) opened: SessionOpened,
    pub(crate) secret: Secret,
    pub(crate) leg: LegId,
    pub(crate) seq: u64,
}

/// What a test may change in an otherwise honest signature.
pub(crate) struct Spec<'a> {
    pub(crate) components: &'a [&'a str],
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) nonce: String,
    pub(crate) keyid: String,
    pub(crate) alg: &'a str,
    pub(crate) tag: &'a str,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::generate(|out| {
        out.fill(seed);
        Ok::<_, ()>(())
    })
    .unwrap()
}

pub(crate) fn share(seed: u8) -> Share {
    Share::generate(|out| {
        out.fill(seed);
        Ok::<_, ()>(())
    })
    .unwrap()
}

impl Device {
    /// Enrolled by the holder of the result key.
    pub(crate) fn enrolled(
        context: &Context,
        result_key: &SigningKey,
        seed: u8,
        (tier, trust): (Tier, Trust),
        now: Timestamp,
    ) -> Self {
        let (key, passkey) = (key(seed), key(seed ^ 0x40));
        let not_after = now.after(std::time::Duration::from_secs(24 * 3_600));
        let certificate = DeviceCertificate {
            thumbprint: key.thumbprint(),
            device_key: key.public(),
            passkey: Some(passkey.public()),
            issued: now,
            not_after,
        };
        let certificate = sign_envelope(result_key, context, Purpose::Certificate, &certificate).unwrap();
        let result = AttestationResult {
            thumbprint: key.thumbprint(),
            tier,
            trust,
            family: Text("none".into()),
            vector: TrustVector::default(),
            verified_at: now,
            not_after,
            certificate: Tail(vec![sha256(&certificate.to_bytes().unwrap())]),
        };
        Self {
            certificate,
            result: sign_envelope(result_key, context, Purpose::Result, &result).unwrap(),
            context: context.clone(),
            key,
            passkey,
            epoch_ctr: 0,
            chain: Digest::new([0; 32]),
        }
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint()
    }

    /// The next opening: request, ephemeral share, transcript.
    pub(crate) fn opening(&mut self, now: Timestamp) -> (Request, Share, Digest) {
        self.epoch_ctr += 1;
        let share = share(self.epoch_ctr as u8);
        let body = SessionOpen {
            certificate: self.certificate.clone(),
            result: self.result.clone(),
            share: share.public(),
            epoch_ctr: self.epoch_ctr,
            parent: self.chain,
        };
        let mut request = post(http::PATH_SESSION, body.to_bytes().unwrap());
        let digest = content_digest(&sha256(&request.body));
        request.headers.push(("content-digest".into(), digest));
        let spec = Spec {
            components: profile::SESSION,
            alg: "ecdsa-p256-sha256",
            tag: profile::TAG_SESSION,
            ..Spec::at(now, self.epoch_ctr, base64url(self.thumbprint().as_bytes()))
        };
        let base = spec.attach(&mut request, |base| self.key.sign_raw(base.as_bytes()).unwrap().to_vec());
        let transcript = session::transcript(&base);
        self.chain = session::advance(&self.chain, &transcript);
        (request, share, transcript)
    }

    /// Takes the edge's answer to an opening.
    pub(crate) fn finish(&self, share: Share, transcript: &Digest, answer: &[u8]) -> Session {
        let opened = SessionOpened::from_bytes(answer).unwrap();
        let agreed = share.agree(&opened.share).unwrap();
        let secret = session::secret(&agreed, transcript, &self.context);
        session::check_confirm(secret.expose(), &opened, transcript, &self.context).unwrap();
        Session { context: self.context.clone(), leg: opened.leg, opened, secret, seq: 0 }
    }

    /// Proof by the user-verified scene key.
    pub(crate) fn prove(&self, nonce: &ChallengeNonce) -> Proof {
        let bytes = nonce.to_bytes().unwrap();
        let signature = self.passkey.sign(&self.context, Purpose::Challenge, &bytes).unwrap();
        Proof::Passkey { nonce: nonce.clone(), signature }
    }
}

impl Session {
    pub(crate) fn request_key(&self) -> MacKey {
        session::request_key(self.secret.expose(), &self.leg, &self.context)
    }

    /// What an honest signature says next.
    pub(crate) fn spec(&mut self, request: &Request, now: Timestamp) -> Spec<'static> {
        self.seq += 1;
        let components = if request.header("authorization").is_some() {
            profile::REQUEST_WITH_PRINCIPAL
        } else {
            profile::REQUEST
        };
        Spec { components, ..Spec::at(now, self.seq, base64url(self.leg.as_bytes())) }
    }

    /// Adds our headers, without signature.
    pub(crate) fn dress(
        &self,
        request: &mut Request,
        event: EventId,
        disclosed: Option<&Disclosed>,
        proof: Option<&Proof>,
    ) {
        let disclosed = disclosed.map(|disclosed| disclosed.to_bytes().unwrap()).unwrap_or_default();
        let proof = proof.map(|proof| proof.to_bytes().unwrap()).unwrap_or_default();
        request.headers.extend([
            ("content-digest".to_owned(), content_digest(&sha256(&request.body))),
            (http::TICKET.to_owned(), sfv::bytes(&self.opened.ticket)),
            (http::EVENT.to_owned(), sfv::bytes(event.as_bytes())),
            (http::DISCLOSURE.to_owned(), sfv::bytes(&disclosed)),
            (http::PROOF.to_owned(), sfv::bytes(&proof)),
        ]);
    }

    /// Signs as an honest device does.
    pub(crate) fn sign(
        &mut self,
        mut request: Request,
        event: EventId,
        disclosed: Option<&Disclosed>,
        proof: Option<&Proof>,
        now: Timestamp,
    ) -> Request {
        self.dress(&mut request, event, disclosed, proof);
        let spec = self.spec(&request, now);
        spec.attach(&mut request, |base| self.request_key().mac_raw(base.as_bytes()).to_vec());
        request
    }

    /// Asks for a further leg.
    pub(crate) fn leg_request(&self, now: Timestamp) -> Request {
        let mut request = post(http::PATH_LEG, Vec::new());
        request.headers.push((http::TICKET.into(), sfv::bytes(&self.opened.ticket)));
        let keyid = base64url(self.opened.session.as_bytes());
        let spec = Spec { components: profile::LEG, tag: profile::TAG_LEG, ..Spec::at(now, 1, keyid) };
        let key = session::leg_key(self.secret.expose(), &self.opened.session, &self.context);
        spec.attach(&mut request, |base| key.mac_raw(base.as_bytes()).to_vec());
        request
    }

    pub(crate) fn adopt(&mut self, answer: &[u8]) {
        self.leg = LegOpened::from_bytes(answer).unwrap().leg;
        self.seq = 0;
    }

    /// The verdict in a header, if its MAC holds.
    pub(crate) fn verdict(&self, header: &str) -> ClientVerdict {
        let maced = Maced::from_bytes(&sfv::parse_bytes(header, 65_536).unwrap()).unwrap();
        let key = session::verdict_key(self.secret.expose(), &self.opened.session, &self.context);
        glacis_seal::open_maced(&maced, &self.context, Purpose::Verdict, &key).unwrap()
    }
}

impl Spec<'_> {
    pub(crate) fn at(now: Timestamp, nonce: u64, keyid: String) -> Self {
        Self {
            components: profile::REQUEST,
            created: now,
            expires: now.after(std::time::Duration::from_secs(30)),
            nonce: nonce.to_string(),
            keyid,
            alg: "hmac-sha256",
            tag: profile::TAG_REQUEST,
        }
    }

    /// Adds both signature fields; the base that was signed.
    pub(crate) fn attach(&self, request: &mut Request, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
        let params = Params {
            created: Some(self.created.as_secs()),
            expires: Some(self.expires.as_secs()),
            nonce: Some(self.nonce.as_str().into()),
            keyid: Some(self.keyid.as_str().into()),
            alg: Some(self.alg.into()),
            tag: Some(self.tag.into()),
        };
        let cover = Cover { label: profile::LABEL, components: self.components, params };
        let (mut base, mut input, mut field) = (String::new(), String::new(), String::new());
        httpsig::write_base(&mut base, &mut input, request, &cover).unwrap();
        httpsig::write_signature(&mut field, profile::LABEL, &sign(&base));
        request.headers.push(("signature-input".into(), input));
        request.headers.push(("signature".into(), field));
        base
    }
}

pub(crate) fn post(path: &str, body: Vec<u8>) -> Request {
    Request { method: "POST".into(), body, ..get(path) }
}

pub(crate) fn get(path: &str) -> Request {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    Request {
        method: "GET".into(),
        authority: "shop.test".into(),
        path: path.into(),
        query: query.into(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// A request as it goes over a connection of HTTP/1.1.
pub(crate) fn render(request: &Request) -> Vec<u8> {
    let mut out = format!(
        "{} {}{} HTTP/1.1\r\nhost: {}\r\n",
        request.method, request.path, request.query, request.authority
    );
    for (name, value) in &request.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() {
        out.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(&request.body);
    out
}
