//! The whole proof by a TPM in software that we did not make, with certificates of its own authority.
//!
//! Keys, credential and quote go through the tools of the TPM2 project; only the certification is a command of ours,
//! since their tool cannot be told what it is for.

use super::soft::{Log, SHA256, authority};
use super::{Ask, CHALLENGE, SECRET, claims};
use crate::swtpm::{Swtpm, manufacture};
use glacis_attest::tpm::make_credential;
use glacis_attest::{Roots, pem};
use glacis_seal::hash::context_digest;
use glacis_seal::{Purpose, sha256};
use glacis_wire::message::tpm::{Attested, Pcr, TpmEvidence, TpmIdentity};
use glacis_wire::message::{Bytes, List, PublicKey};
use glacis_wire::{Realm, Timestamp};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A manufactured TPM, its evidence, and the key of its authority.
struct Chip {
    tpm: Swtpm,
    evidence: TpmEvidence,
    issuer: Vec<u8>,
}

impl Chip {
    fn new(realm: Realm) -> Option<Self> {
        let tpm = Swtpm::start_with(manufacture()?)?;
        tpm.run(&[
            "tpm2_createek -G rsa -c ek.ctx -u ek.pub",
            "tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name",
            "tpm2_createprimary -Q -C o -G ecc -c root.ctx",
            "tpm2_create -Q -C root.ctx -G ecc:ecdsa-sha256 -c device.ctx -u device.pub -r device.priv -a fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign",
            "tpm2_evictcontrol -Q -C o -c ak.ctx 0x81000010",
            "tpm2_evictcontrol -Q -C o -c device.ctx 0x81000011",
            "tpm2_nvread -C o -o ek.crt 0x1c00002",
        ]);
        let device = tpm.read_sized("device.pub");
        let point =
            [&[4][..], &device[device.len() - 66..device.len() - 34], &device[device.len() - 32..]].concat();
        let key = PublicKey(point.try_into().unwrap());
        let context = crate::context("acme", realm);
        let qualifying = context_digest(&context, Purpose::TpmEvidence, &[&CHALLENGE, &key.0]);
        let identity = TpmIdentity {
            ek: Bytes(tpm.read_sized("ek.pub")),
            ek_certificates: List(vec![Bytes(tpm.read("ek.crt")), Bytes(certificate(&tpm, "ca.pem"))]),
            ak: Bytes(tpm.read_sized("ak.pub")),
        };
        let log = Log::boot(&[1], &authority("vendor"));
        measure(&tpm, &log);
        tpm.run(&[&format!(
            "tpm2_quote -Q -c ak.ctx -l sha256:0,1,2,3,4,5,6,7 -q {qualifying} -g sha256 -m quote -s quote.sig"
        )]);
        let registers = log.registers.iter().take(8).enumerate();
        let evidence = TpmEvidence {
            activation: Some(activate(&tpm, &identity)),
            identity,
            device_key: Bytes(device),
            certified: certify(&tpm, qualifying.as_bytes()),
            quoted: Attested { attest: Bytes(tpm.read("quote")), signature: Bytes(tpm.read("quote.sig")) },
            pcrs: List(
                registers
                    .map(|(index, value)| Pcr {
                        bank: SHA256,
                        index: u8::try_from(index).unwrap(),
                        value: Bytes(value.clone()),
                    })
                    .collect(),
            ),
            event_log: Bytes(log.bytes),
            platform_certificates: List(vec![]),
        };
        let issuer = public_key(&tpm, "ca.pem");
        Some(Self { tpm, evidence, issuer })
    }

    fn ask(&self, realm: Realm) -> Ask {
        let root = public_key(&self.tpm, "swtpm-localca-rootca-cert.pem");
        let mut ask = Ask { realm, now: now(), ..Ask::new(root) }.released(&self.evidence.identity);
        ask.references.boot_authorities = vec![sha256(&authority("vendor"))];
        ask
    }
}

/// swtpm's authority begins its certificates when it makes them, which is now.
fn now() -> Timestamp {
    use glacis_host::Clock;
    glacis_host::SystemHost::new().now()
}

fn certificate(tpm: &Swtpm, file: &str) -> Vec<u8> {
    pem::certificates(std::str::from_utf8(&tpm.read(file)).unwrap()).unwrap().remove(0)
}

fn public_key(tpm: &Swtpm, file: &str) -> Vec<u8> {
    glacis_attest::public_key_of(&certificate(tpm, file)).unwrap()
}

/// Extends the registers as the log says.
fn measure(tpm: &Swtpm, log: &Log) {
    for chunk in log.extended.chunks(16) {
        let each: Vec<String> =
            chunk.iter().map(|(register, digest)| format!("{register}:sha256={}", hex(digest))).collect();
        tpm.run(&[&format!("tpm2_pcrextend {}", each.join(" "))]);
    }
}

/// Opens the credential that we make for this identity.
fn activate(tpm: &Swtpm, identity: &TpmIdentity) -> [u8; 32] {
    let made = make_credential(identity, &SECRET, &[7; 64]).unwrap();
    let header = [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1];
    tpm.write("credential", &[&header[..], &made.credential, &made.secret].concat());
    tpm.run(&["tpm2_startauthsession --policy-session -S session.ctx"]);
    tpm.try_run("tpm2_policysecret -S session.ctx -c e").unwrap();
    tpm.try_run(
        "tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i credential -o opened -P session:session.ctx",
    )
    .unwrap();
    tpm.try_run("tpm2_flushcontext session.ctx").unwrap();
    tpm.try_run("tpm2_flushcontext -t").unwrap();
    tpm.read("opened").try_into().unwrap()
}

/// `TPM2_Certify` of the device key by the attestation key, both with empty passwords.
fn certify(tpm: &Swtpm, qualifying: &[u8]) -> Attested {
    let password = [0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let mut command = [0x8100_0011_u32.to_be_bytes(), 0x8100_0010_u32.to_be_bytes()].concat();
    command.extend(18_u32.to_be_bytes());
    command.extend([password, password].concat());
    command.extend([&[0, 32][..], qualifying, &[0, 0x10]].concat());
    let size = u32::try_from(10 + command.len()).unwrap();
    let head = [&[0x80, 2][..], &size.to_be_bytes(), &0x148_u32.to_be_bytes()].concat();
    let mut stream = TcpStream::connect(("127.0.0.1", tpm.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&[head, command].concat()).unwrap();
    let mut head = [0; 10];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[6..], [0; 4], "TPM2_Certify: {head:02x?}");
    let mut answer =
        vec![0; usize::try_from(u32::from_be_bytes(head[2..6].try_into().unwrap())).unwrap() - 10];
    stream.read_exact(&mut answer).unwrap();
    // Behind the size of the parameters: `TPM2B_ATTEST`, `TPMT_SIGNATURE` of two numbers, the answers of two sessions.
    let answer = answer.split_off(4);
    let attest = 2 + usize::from(u16::from_be_bytes([answer[0], answer[1]]));
    Attested {
        attest: Bytes(answer[2..attest].to_vec()),
        signature: Bytes(answer[attest..attest + 72].to_vec()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_tpm_proves_its_keys_and_its_boot() {
    let Some(chip) = Chip::new(Realm::Demo) else { return };
    let ask = chip.ask(Realm::Demo);
    let found = ask.of(&chip.evidence).unwrap();
    assert_eq!(super::line(&Ok(found.clone())), "affirming, strong");
    let model = claims(&found).model.as_ref().unwrap();
    assert_eq!((&*model.manufacturer, &*model.model), ("id:00001014", "swtpm"));
    assert_eq!(claims(&found).replayed, (0..=7).collect::<Vec<u8>>());
    assert!(claims(&found).is_unique());
    // For another challenge, key or credential it is worth nothing.
    let other = Ask { challenge: vec![1; 32], ..ask.clone() };
    assert_eq!(other.line(&chip.evidence), "refused: challenge");
    let mut other = ask.clone();
    other.activation.as_mut().unwrap().secret = [0; 32];
    assert_eq!(other.line(&chip.evidence), "refused: activation another secret");
    // Every tenth bit of it matters, except in texts of the log.
    let bytes = glacis_wire::Encode::to_bytes(&chip.evidence).unwrap();
    let log = &chip.evidence.event_log;
    let start = bytes.windows(log.len()).position(|window| window == log.0).unwrap();
    for bit in (0..bytes.len() * 8).step_by(11) {
        let mut bent = bytes.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let outside = !(start..start + log.len()).contains(&(bit / 8));
        assert!(!outside || ask.bytes(&bent).is_err(), "bit {bit}");
    }
}

/// Whose authority counts: in production, nobody's that no operator added; and a program is no chip there.
#[test]
fn the_authority_of_a_program_counts_where_somebody_added_it() {
    let Some(chip) = Chip::new(Realm::Production) else { return };
    let ask = chip.ask(Realm::Production);
    let vendors = Ask { roots: Roots::vendors(), ..ask.clone() };
    assert_eq!(vendors.line(&chip.evidence), "refused: unknown-root");
    assert_eq!(ask.line(&chip.evidence), "warning, software: software-tpm");
    // Its intermediate is enough, with or without its certificate.
    let mut issuer = ask.clone();
    issuer.roots.tpm = vec![chip.issuer.clone()];
    assert_eq!(issuer.line(&chip.evidence), "warning, software: software-tpm");
    let mut alone = chip.evidence.clone();
    alone.identity.ek_certificates.0.truncate(1);
    assert_eq!(issuer.line(&alone), "warning, software: software-tpm");
    assert_eq!(ask.line(&alone), "refused: unknown-root");
}
