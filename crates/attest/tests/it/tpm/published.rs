//! Evidence of real TPMs that others published: quotes, registers, certificates; each row with what is expected and why.
//!
//! Their formats are read here, by the few lines that each needs, and handed to the library as a TPM says them. Logs of
//! machines have a table of their own.

use crate::corpus;
use glacis_attest::tpm::{EventLog, PlatformCertificate, check_quote, describe_endorsement};
use glacis_attest::{AttestError, Relaxation, pem, public_key_of};
use glacis_seal::foreign::{self, HashName, Scheme};
use glacis_seal::sha256;
use glacis_seal::text::{parse_base64, parse_base64url, parse_hex};
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::{Attested, Pcr};
use serde_json::Value;
use std::collections::BTreeSet;

const SHA1: u16 = 0x0004;
const SHA256: u16 = 0x000b;
const SHA384: u16 = 0x000c;

fn json(file: &str) -> Option<Value> {
    Some(serde_json::from_slice(&corpus::bytes(file)?).unwrap())
}

fn base64(value: &Value) -> Vec<u8> {
    parse_base64(value.as_str().unwrap()).unwrap()
}

fn attested(attest: Vec<u8>, signature: Vec<u8>) -> Attested {
    Attested { attest: Bytes(attest), signature: Bytes(signature) }
}

fn with_sha1() -> BTreeSet<Relaxation> {
    [Relaxation::DangerSha1].into()
}

fn code(outcome: &Result<glacis_attest::tpm::Clock, AttestError>) -> &'static str {
    outcome.as_ref().map_or_else(|refused| refused.code().name(), |_| "verified")
}

/// What every quote must be refused for: another challenge, another value, one register less.
fn holds(
    name: &str,
    ak: &[u8],
    quoted: &Attested,
    challenge: &[u8],
    registers: &[Pcr],
    allow: &BTreeSet<Relaxation>,
) {
    let check =
        |challenge: &[u8], registers: &[Pcr]| code(&check_quote(ak, quoted, challenge, registers, allow));
    assert_eq!(check(challenge, registers), "verified", "{name}");
    assert_eq!(check(&[challenge, &[0]].concat(), registers), "challenge", "{name}");
    assert_eq!(check(challenge, &registers[1..]), "registers", "{name}");
    let mut bent = registers.to_vec();
    bent[0].value.0[0] ^= 1;
    assert_eq!(check(challenge, &bent), "registers", "{name}");
    let mut forged = quoted.clone();
    *forged.signature.0.last_mut().unwrap() ^= 1;
    assert_eq!(code(&check_quote(ak, &forged, challenge, registers, allow)), "signature", "{name}");
}

/// Registers that replay, of those given.
fn replayed(log: &EventLog<'_>, bank: u16, registers: &[Pcr]) -> Vec<u8> {
    let values = log.replay(bank);
    let same = |pcr: &&Pcr| values[usize::from(pcr.index)].as_ref() == Some(&pcr.value.0);
    registers.iter().filter(same).map(|pcr| pcr.index).collect()
}

/// go-attestation's dump of a Windows machine: expected "quote verifies, log replays to PCRs, secure boot enabled". Its
/// TPM signs with SHA-1, so the quote verifies where that is allowed (TPM 2.0 Library, Part 2, §11.2.1).
#[test]
fn a_windows_machine_quotes_and_replays() {
    let Some(dump) = json("tpm/go-attestation/windows_gcp_shielded_vm.json") else { return };
    let ak = base64(&dump["AK"]["Public"]);
    let quoted = attested(base64(&dump["Quote"]["Quote"]), base64(&dump["Quote"]["Signature"]));
    let mut registers: Vec<Pcr> = dump["Log"]["PCRs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pcr| Pcr {
            bank: SHA1,
            index: u8::try_from(pcr["Index"].as_u64().unwrap()).unwrap(),
            value: Bytes(base64(&pcr["Digest"])),
        })
        .collect();
    registers.sort_by_key(|pcr| pcr.index);
    holds("windows", &ak, &quoted, b"", &registers, &with_sha1());
    assert_eq!(code(&check_quote(&ak, &quoted, b"", &registers, &BTreeSet::new())), "sha1");
    let raw = base64(&dump["Log"]["Raw"]);
    let log = EventLog::parse(&raw).unwrap();
    let same = replayed(&log, SHA1, &registers);
    // Windows keeps a part of the firmware's log; whatever it holds of the boot replays.
    let values = log.replay(SHA1);
    let (logged, left_out): (Vec<u8>, Vec<u8>) =
        (0..=7).partition(|index| values[usize::from(*index)].is_some());
    assert_eq!((&*logged, &*left_out), (&[0, 4, 5, 7][..], &[1, 2, 3, 6][..]));
    assert!(logged.iter().all(|index| same.contains(index)), "{same:?}");
    let boot = log.boot(SHA1, |index| same.contains(&index));
    assert_eq!(
        (boot.secure_boot, boot.authorities.len(), boot.debugger),
        (Some(true), 1, false),
        "{:?}",
        boot.faults
    );
}

/// Fields of a protobuf message: number and bytes, or number and integer.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for place in 0..10 {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << (7 * place);
            if first & 0x80 == 0 {
                return value;
            }
        }
        panic!("a varint without an end")
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => found.push((key >> 3, vec![], varint(&mut bytes))),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                found.push((key >> 3, bytes[..length].to_vec(), 0));
                bytes = &bytes[length..];
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

/// go-tpm-tools: "valid with nonce 0x9009; wrong nonce must fail". Quotes in three banks; the log replays in each.
#[test]
fn a_cloud_machine_quotes_three_banks_and_replays() {
    let Some(bytes) = corpus::bytes("tpm/go-tpm-tools/gce-cos-85-nonce9009.pb") else { return };
    let whole = fields(&bytes);
    let one = |number: u64| whole.iter().find(|(field, ..)| *field == number).unwrap().1.clone();
    let (ak, raw) = (one(1), one(3));
    let log = EventLog::parse(&raw).unwrap();
    let mut banks = Vec::new();
    for (_, quote, _) in whole.iter().filter(|(field, ..)| *field == 2) {
        let parts = fields(quote);
        let part = |number: u64| parts.iter().find(|(field, ..)| *field == number).unwrap().1.clone();
        let quoted = attested(part(1), part(2));
        let pcrs = fields(&part(3));
        let bank = u16::try_from(pcrs[0].2).unwrap();
        let mut registers: Vec<Pcr> = pcrs
            .iter()
            .filter(|(field, ..)| *field == 2)
            .map(|(_, entry, _)| {
                let entry = fields(entry);
                let index = entry.iter().find(|(field, ..)| *field == 1).map_or(0, |(_, _, index)| *index);
                let value = entry.iter().find(|(field, ..)| *field == 2).unwrap().1.clone();
                Pcr { bank, index: u8::try_from(index).unwrap(), value: Bytes(value) }
            })
            .collect();
        registers.sort_by_key(|pcr| pcr.index);
        // The quote of every bank is signed with SHA-256.
        holds("gce", &ak, &quoted, &[0x90, 0x09], &registers, &BTreeSet::new());
        if log.banks().contains(&bank) {
            let same = replayed(&log, bank, &registers);
            assert!((0..=7).all(|index| same.contains(&index)), "{bank:#06x}: {same:?}");
            let boot = log.boot(bank, |index| same.contains(&index));
            assert_eq!((boot.secure_boot, boot.left_firmware), (Some(true), true), "{:?}", boot.faults);
        }
        banks.push(bank);
    }
    assert_eq!(banks, [SHA1, SHA256, SHA384]);
}

/// What a statement carries of its asker.
fn extra_data(attest: &[u8]) -> Vec<u8> {
    let signer = usize::from(u16::from_be_bytes([attest[6], attest[7]]));
    let at = 8 + signer;
    let length = usize::from(u16::from_be_bytes([attest[at], attest[at + 1]]));
    attest[at + 2..at + 2 + length].to_vec()
}

/// keylime, in the files of tpm2-tools: "quotesig verifies over quote.out under akpub".
#[test]
fn keylime_quotes_three_registers() {
    let Some(quote) = corpus::bytes("tpm/keylime/quote.out") else { return };
    let part = |file: &str| corpus::bytes(&format!("tpm/keylime/{file}")).unwrap();
    let (ak, signature, listed) = (part("ak.pub"), part("quotesig.out"), part("quotepcr.out"));
    // `TPML_PCR_SELECTION` in memory: 16 of eight bytes; then digests of 66 bytes behind two counts.
    assert_eq!((&listed[..4], &listed[4..7]), (&[1, 0, 0, 0][..], &[0x0b, 0, 3][..]));
    let selected: Vec<u8> =
        (0..24).filter(|index| listed[7 + usize::from(index / 8)] >> (index % 8) & 1 == 1).collect();
    assert_eq!(selected, [15, 16, 22]);
    let registers: Vec<Pcr> = selected
        .iter()
        .zip(listed[140..].chunks(66))
        .map(|(index, digest)| Pcr { bank: SHA256, index: *index, value: Bytes(digest[2..34].to_vec()) })
        .collect();
    let quoted = attested(quote.clone(), signature);
    holds("keylime", &ak[2..], &quoted, &extra_data(&quote), &registers, &BTreeSet::new());
    // TPM 2.0 Library, Part 1, §16: a name is the hash of the public area behind the hash's id.
    let name = [&SHA256.to_be_bytes()[..], sha256(&ak[2..]).as_bytes()].concat();
    assert_eq!(name, part("ak.name"));
    // The same key as the text beside it.
    let pem = String::from_utf8(part("akpub.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let info = parse_base64(&body).unwrap();
    let modulus = &ak[ak.len() - 256..];
    assert!(info.windows(256).any(|window| window == modulus));
    // What was activated is what was wrapped.
    assert_eq!(part("actcred.out"), part("secret.data"));
    // Three certificates of device identity: read, and none is one of an endorsement key.
    let chain =
        pem::certificates(&String::from_utf8(part("idevid-test-ca/iak_idevid_chain.pem")).unwrap()).unwrap();
    for certificate in &chain {
        assert!(public_key_of(certificate).is_ok());
        assert_eq!(describe_endorsement(certificate).unwrap_err().code().name(), "purpose");
    }
    assert!(!chain.is_empty());
}

/// trustee's Azure machine: the attestation key is in the claims that the report of the processor binds.
#[test]
fn an_azure_machine_binds_its_attestation_key_and_quotes() {
    let Some(report) = corpus::bytes("tpm/trustee/az-snp/hcl-report.bin") else { return };
    let at = report.windows(8).position(|window| window == b"{\"keys\":").unwrap();
    let length = report[at..].iter().rposition(|byte| *byte == b'}').unwrap() + 1;
    let claims = &report[at..at + length];
    // SEV-SNP ABI 1.55, table 23: 64 bytes at 0x50 of the report, which begins at 0x20 of the file.
    assert_eq!(&report[0x70..0x90], sha256(claims).as_bytes());
    let claims: Value = serde_json::from_slice(claims).unwrap();
    let key = claims["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "HCLAkPub").unwrap();
    let modulus = parse_base64url(key["n"].as_str().unwrap()).unwrap();
    let der = [&[0x30, 0x82, 1, 0x0a, 2, 0x82, 1, 1, 0][..], &modulus, &[2, 3, 1, 0, 1]].concat();
    let part = |file: &str| corpus::bytes(&format!("tpm/trustee/az-snp/{file}")).unwrap();
    let (message, signature) = (part("tpm-quote.msg"), part("tpm-quote.sig"));
    // Expected: "verifies, AK public is inside hcl-report.bin". It does not: raised to the exponent, the signature has no
    // padding under either key of the report (RFC 8017, §9.2); the pair is of another machine.
    let key =
        |bytes: &[u8]| foreign::verify(Scheme::RsaPkcs1(HashName::Sha256), &der, &message, bytes).is_ok();
    assert!(!key(&signature));
    assert_eq!(extra_data(&message), b"challenge");
    // The second quote is of this machine, and comes with its registers. The claims state no attributes; Azure makes restricted keys.
    let attributes = 1_u32 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 18;
    let area = [
        &[0, 1, 0, 0x0b][..],
        &attributes.to_be_bytes(),
        &[0, 0, 0, 0x10, 0, 0x14, 0, 0x0b, 8, 0, 0, 0, 0, 0, 1, 0],
        &modulus,
    ]
    .concat();
    let second = json("tpm/trustee/az-snp/tpm-quote-v1.json").unwrap();
    let text = |name: &str| parse_hex(second[name].as_str().unwrap()).unwrap();
    let signature = [&[0, 0x14, 0, 0x0b, 1, 0][..], &text("signature")].concat();
    let quoted = attested(text("message"), signature);
    let registers: Vec<Pcr> = (0_u8..)
        .zip(second["pcrs"].as_array().unwrap())
        .map(|(index, value)| Pcr {
            bank: SHA256,
            index,
            value: Bytes(parse_hex(value.as_str().unwrap()).unwrap()),
        })
        .collect();
    holds("azure", &area, &quoted, b"challenge", &registers, &BTreeSet::new());
}

/// Google's certificates of virtual TPMs: read, and not by the TCG's profile (§3.2: no purpose, no names of the TPM), so
/// they endorse nothing here.
#[test]
fn certificates_of_virtual_tpms_are_read_and_endorse_nothing() {
    for kind in ["ecc_enc", "ecc_sign", "rsa_enc", "rsa_sign"] {
        let Some(text) = corpus::text(&format!("tpm/go-tpm-tools/pca_tpm_{kind}_cert.pem")) else { return };
        let certificate = pem::certificates(&text).unwrap().remove(0);
        assert!(public_key_of(&certificate).is_ok(), "{kind}");
        let refused = describe_endorsement(&certificate).unwrap_err();
        assert_eq!((refused.code().name(), refused.detail()), ("purpose", "no purpose"), "{kind}");
        // 1.3.6.1.4.1.11129.2.1.21: which machine of which project.
        let instance = [0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 1, 21];
        assert!(certificate.windows(10).any(|window| window == instance), "{kind}");
    }
}

/// A decimal number as big-endian bytes.
fn big_endian(decimal: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = vec![0];
    for digit in decimal.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            let sum = u32::from(*byte) * 10 + carry;
            (*byte, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
        }
        if carry > 0 {
            bytes.insert(0, u8::try_from(carry).unwrap());
        }
    }
    bytes
}

/// File, and whether Intel's key of 2017 signed it ("Intel_nuc_pc, nuc_pc2, pc2, pc3 verify; parse equals .json").
const PLATFORMS: &[(&str, bool)] = &[
    ("Intel_nuc1", false),
    ("Intel_nuc_pc", true),
    ("Intel_nuc_pc2", true),
    // Not in the source's list, and signed by the same key.
    ("Intel_pc1", true),
    ("Intel_pc2", true),
    ("Intel_pc3", true),
    ("plat_cert1", false),
    ("plat_cert2", false),
];

#[test]
fn platform_certificates_say_what_their_source_says() {
    let Some(issuer) = corpus::bytes("tpm/platform-certs/IntelSigningKey_20April2017.cer") else { return };
    let key = public_key_of(&issuer).unwrap();
    for (file, ours) in PLATFORMS {
        let bytes = corpus::bytes(&format!("tpm/platform-certs/{file}.cer")).unwrap();
        let text = corpus::text(&format!("tpm/platform-certs/{file}.cer.json")).unwrap();
        let want: Value = serde_json::from_str(&text).unwrap();
        let found = PlatformCertificate::parse(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        let platform = found.platform();
        let said = |name: &str| want[name].as_str().filter(|text| !text.is_empty());
        assert_eq!(platform.manufacturer.as_deref(), said("PlatformManufacturer"), "{file}");
        assert_eq!(platform.model.as_deref(), said("PlatformModel"), "{file}");
        assert_eq!(platform.version.as_deref(), said("PlatformVersion"), "{file}");
        assert_eq!(Some(&*found.not_before().rfc3339()), said("NotBefore"), "{file}");
        assert_eq!(Some(&*found.not_after().rfc3339()), said("NotAfter"), "{file}");
        // serde_json has no integers of this size; the text has.
        let holder = text.split_once("\"Holder\"").unwrap().1.split_once("\"Serial\"").unwrap().1;
        let serial: String = holder
            .chars()
            .skip_while(|letter| !letter.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        let ours_serial: Vec<u8> =
            found.holder_serial().iter().copied().skip_while(|byte| *byte == 0).collect();
        assert_eq!(ours_serial, big_endian(&serial), "{file}");
        // Intel signed these with SHA-1 in 2017.
        assert_eq!(found.signed_by(&key, &with_sha1()).is_ok(), *ours, "{file}");
        if *ours {
            assert_eq!(found.signed_by(&key, &BTreeSet::new()).unwrap_err().code().name(), "sha1", "{file}");
        }
        // The machine's serial is in the certificate and nowhere in what is read of it.
        if let Some(serial) = said("PlatformSerial") {
            assert!(!format!("{platform:?}").contains(serial), "{file}");
        }
        for length in 0..bytes.len() {
            assert!(PlatformCertificate::parse(&bytes[..length]).is_err(), "{file}: {length}");
        }
    }
    // What is no attribute certificate.
    assert!(PlatformCertificate::parse(&issuer).is_err());
}

/// Every file of the corpus is in a row of some table here.
#[test]
fn no_file_of_the_corpus_is_left_out() {
    let sources =
        [include_str!("published.rs"), include_str!("log.rs"), include_str!("activation.rs")].concat();
    for path in corpus::files("tpm") {
        let file = path.rsplit('/').next().unwrap();
        let stem = file.trim_end_matches(".json").trim_end_matches(".cer");
        let kind = file.strip_prefix("pca_tpm_").and_then(|rest| rest.strip_suffix("_cert.pem"));
        let named = [file, stem].into_iter().chain(kind).any(|name| sources.contains(name));
        assert!(named || ["MANIFEST.md", "ekpub.pem"].contains(&file), "{path}");
    }
}
