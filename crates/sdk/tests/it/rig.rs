//! A client against the fake edge: one enrolled device, one published slice, one route.

use crate::edge::FakeEdge;
use glacis_dtx::{SoftwareKeyStore, UserVerification, Vault};
use glacis_host::{MemoryFiles, SeededHost};
use glacis_policy::tree::Parts;
use glacis_policy::{Effect, Entry, Hidden, Node, Obligations, Rule, Slot, Source};
use glacis_sdk::drive::{Reply, Unattended, User, drive};
use glacis_sdk::flow::enrol::NoEvidence;
use glacis_sdk::{Action, Client, ClientParts, DEVICE_FINAL_TTL, Prompt, SignalSet};
use glacis_wire::http::Request;
use glacis_wire::{Answer, EventName, Method, SignalName, Trust, Type, Value, Zone};
use std::sync::{Arc, Mutex};

pub(crate) fn event() -> EventName {
    EventName::parse("payment.transfer").unwrap()
}

pub(crate) fn signal(name: &str) -> SignalName {
    SignalName::parse(name).unwrap()
}

/// Device slice of: `hooked || debugger` blocks (verdict), `forwarder` challenges by passkey (verdict), `risky`
/// is only a node; `device.os` is a released value.
pub(crate) fn slice(edge: &FakeEdge) -> Vec<u8> {
    let slot = |name, ty| Slot {
        name: signal(name),
        source: Source::Device,
        ty,
        min_trust: Trust::Attested,
        aggregate: false,
    };
    let rule = |reason: &str, effect, root, device_final| Rule {
        reason: reason.to_owned(),
        effect,
        root,
        unknown: [Entry::Match; 6],
        error: Entry::Match,
        obligations: Obligations::NONE,
        device_final,
    };
    let parts = Parts {
        methods: vec![Method::Otp, Method::Passkey],
        slots: vec![
            slot("app.hooked", Type::Bool),
            slot("app.debugger", Type::Bool),
            slot("sms.forwarder", Type::Bool),
            slot("app.risk", Type::Int),
            slot("device.os", Type::String),
        ],
        nodes: vec![
            Node::Read(0),
            Node::Read(1),
            Node::Or(0, 1),
            Node::Read(2),
            Node::Read(3),
            Node::Const(Value::Int(50)),
            Node::Gt(4, 5),
        ],
        rules: vec![
            rule("hooked", Effect::Block, 2, true),
            rule("forwarder", Effect::Challenge(Method::Passkey), 3, true),
        ],
        releases: vec![2, 3, 6],
        values: vec![4],
        hidden: Hidden { block: true, soft: Some(Effect::Challenge(Method::Passkey)), ..Hidden::NONE },
        ..Parts::empty(event(), Zone::Device, edge.binding())
    };
    parts.encode().unwrap()
}

/// What an undisturbed device knows.
pub(crate) fn clear() -> SignalSet {
    let bool = |name, value| (signal(name), Answer::Value(Value::Bool(value)));
    SignalSet::from_iter([
        bool("app.hooked", false),
        bool("app.debugger", false),
        bool("sms.forwarder", false),
        (signal("app.risk"), Answer::Value(Value::Int(3))),
        (signal("device.os"), Answer::Value(Value::String(String::from("linux")))),
    ])
}

pub(crate) fn with(name: &str, answer: Answer) -> SignalSet {
    let mut set = clear();
    set.state(signal(name), answer);
    set
}

pub(crate) fn transfer() -> Action {
    let request = Request {
        method: String::from("POST"),
        path: String::from("/transfers"),
        headers: vec![
            (String::from("content-type"), String::from("application/json")),
            (String::from("authorization"), String::from("Bearer token")),
        ],
        body: br#"{"payee":"b","amount":10}"#.to_vec(),
        ..Request::default()
    };
    let said = [(signal("amount"), Answer::Value(Value::Int(10)))].into();
    Action { event: event(), request, said }
}

/// A user with a finger and a telephone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) declines: bool,
    /// Codes to type, one a prompt.
    pub(crate) codes: Vec<&'static str>,
    /// Whether each prompt for a passkey is answered by the platform's WebAuthn: rightly or not.
    pub(crate) asserts: Vec<bool>,
}

impl User for Person {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        match prompt.method {
            _ if self.declines => Reply::Declined,
            Method::Passkey if !self.asserts.is_empty() => {
                let challenge = prompt.webauthn.unwrap();
                let right = self.asserts.remove(0);
                Reply::Assertion(if right { challenge.to_string().into_bytes() } else { b"{}".to_vec() })
            }
            Method::Passkey => Reply::Verified(UserVerification::claimed_by_app(&prompt.message)),
            Method::Otp if self.codes.is_empty() => Reply::Declined,
            Method::Otp => {
                assert_eq!(prompt.webauthn, None);
                Reply::Code(self.codes.remove(0).to_owned())
            }
        }
    }
}

type Sense = Arc<Mutex<fn() -> SignalSet>>;

/// One device and its edge.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) edge: FakeEdge,
    pub(crate) host: SeededHost,
    pub(crate) user: Person,
    files: Arc<MemoryFiles>,
    sense: Sense,
}

impl Rig {
    /// Neither enrolled nor with a slice.
    pub(crate) fn new(seed: u64) -> Self {
        let edge = FakeEdge::new(seed);
        let host = edge.host.stream("device");
        let files = Arc::new(MemoryFiles::default());
        let sense: Sense = Arc::new(Mutex::new(clear));
        let client = client(&edge, &host, &files, &sense);
        Self { client, edge, host, user: Person::default(), files, sense }
    }

    /// Enrolled, without a slice.
    pub(crate) fn enrolled() -> Self {
        Self::new(1).enrol()
    }

    /// Enrolled, with the slice of [`slice`] in force.
    pub(crate) fn ready() -> Self {
        Self::with_seed(1)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        let mut rig = Self::new(seed).enrol();
        let bytes = slice(&rig.edge);
        rig.edge.publish(5, &event(), bytes);
        drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).unwrap();
        rig.edge.log.clear();
        rig
    }

    fn enrol(mut self) -> Self {
        drive(&mut self.client.enrol(&mut NoEvidence), &mut self.edge, &mut Unattended).unwrap();
        self.edge.log.clear();
        self
    }

    /// What the device knows from now on.
    pub(crate) fn signals(&mut self, sense: fn() -> SignalSet) {
        *self.sense.lock().unwrap() = sense;
    }

    /// The files as they are now.
    pub(crate) fn backup(&self) -> MemoryFiles {
        self.files.snapshot()
    }

    /// The app starts again on an old copy of its files.
    pub(crate) fn restore(&mut self, backup: &MemoryFiles) {
        self.files = Arc::new(backup.snapshot());
        self.restart();
    }

    /// The app starts again on the same files.
    pub(crate) fn restart(&mut self) {
        self.client = client(&self.edge, &self.host, &self.files, &self.sense);
    }
}

fn client(edge: &FakeEdge, host: &SeededHost, files: &Arc<MemoryFiles>, sense: &Sense) -> Client {
    let vault = Arc::new(Vault::open(files.clone(), Arc::new(host.clone()), edge.context.clone()).unwrap());
    let sense = Arc::clone(sense);
    Client::new(ClientParts {
        keys: Arc::new(SoftwareKeyStore::open(Arc::clone(&vault)).unwrap()),
        vault,
        pinned: edge.key_set(1),
        authority: String::from("shop.example"),
        app: None,
        source: Box::new(move |_: &EventName| sense.lock().unwrap()()),
        device_final_ttl: DEVICE_FINAL_TTL,
    })
    .unwrap()
}
