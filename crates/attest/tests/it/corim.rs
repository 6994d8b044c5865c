//! Reference values: every file of the corpus, byte for byte and against its source text; what is taken out of them; and
//! what becomes of cut, flipped and swollen ones.

use crate::corpus;
use crate::table::Line;
use glacis_attest::Code;
use glacis_attest::corim::{
    Comid, Document, Identifier, RawValue, Reference, Svn, read, read_template, reencode,
};
use glacis_attest::ear::{Ear, Form, VerifyKey};
use glacis_seal::PublicKey;
use glacis_seal::text::{hex, parse_base64url};

mod diag;

const FOLDER: &str = "ear-corim/corim";

/// Files of the corpus and what each turns out to be. A source text encodes to its document.
#[rustfmt::skip]
const FILES: &[(&str, &str, &str)] = &[
    ("coev/tdx/testcases/ce-pce-evidence.cbor", "evidence: 1 environment, 1 measurement", COEV),
    ("coev/tdx/testcases/ce-seam-evidence.cbor", "evidence: 1 environment, 1 measurement", COEV),
    ("coev/testcases/ce-coswid.cbor", "evidence: 0 environments, 0 measurements", "CoEv: a CoSWID triple, named and not read"),
    ("coev/testcases/ce-evidence.cbor", "evidence: 1 environment, 1 measurement", COEV),
    ("comid/testcases/comid-1.cbor", "comid: 1 environment, 1 measurement", COMID),
    ("comid/testcases/comid-1a.cbor", "comid: 1 environment, 2 measurements", COMID),
    ("comid/testcases/comid-2b.cbor", "comid: 3 environments, 3 measurements", COMID),
    ("comid/testcases/comid-3.cbor", "comid: 1 environment, 5 measurements", COMID),
    ("comid/testcases/comid-4.cbor", "comid: 1 environment, 1 measurement", COMID),
    ("comid/testcases/comid-6.cbor", "comid: 1 environment, 1 measurement", COMID),
    ("comid/testcases/comid-7.cbor", "comid: 1 environment, 2 measurements", "CoMID §5.1.4: ranges of integers, named and not read"),
    ("comid/testcases/comid-cond-endorse-series.cbor", "comid: 1 environment, 1 measurement", "CoMID §5.1.8: conditional endorsements, named and not read"),
    ("comid/testcases/comid-domain-dep.cbor", "comid: 0 environments, 0 measurements", "CoMID §5.1.10: dependencies, named and not read"),
    ("comid/testcases/comid-domain-mem.cbor", "comid: 0 environments, 0 measurements", "CoMID §5.1.9: memberships, named and not read"),
    ("comid/testcases/comid-firmware-cd.cbor", "comid: 2 environments, 2 measurements", COMID),
    ("comid/testcases/comid-integrity-registers.cbor", "comid: 1 environment, 1 measurement", "CoMID §5.1.4: integrity registers, named and not read"),
    ("comid/testcases/comid-opaque-instance-id.cbor", "comid: 1 environment, 1 measurement", COMID),
    ("comid/testcases/comid-raw-value.cbor", "comid: 3 environments, 3 measurements", COMID),
    ("corim/testcases/corim-1.cbor", "corim: 1 environment, 1 measurement", CORIM),
    ("corim/testcases/corim-2.cbor", "corim: 3 environments, 3 measurements", CORIM),
    ("corim/testcases/corim-design-cd.cbor", "corim: 4 environments, 4 measurements", CORIM),
    ("corim/testcases/corim-firmware-cd.cbor", "corim: 2 environments, 2 measurements", CORIM),
    ("corim/testcases/corim-roles.cbor", "corim: 1 environment, 1 measurement", CORIM),
    ("corim/testcases/unsigned-corim-with-extensions.cbor", "corim: 1 environment, 3 measurements", CORIM),
    ("corim/testcases/signed-corim-with-extensions.cbor", "verified corim: 1 environment, 3 measurements", SIGNED),
    ("corim/testcases/signed-example-corim.cbor", "verified corim: 1 environment, 3 measurements", SIGNED),
    ("corim/testcases/signed-good-corim.cbor", "verified corim: 1 environment, 3 measurements", SIGNED),
    ("coserv/testvectors/example-class-selector-noindent.cbor", "query: 2 environments", COSERV),
    ("coserv/testvectors/example-class-selector.cbor", "query: 2 environments", COSERV),
    ("coserv/testvectors/example-instance-selector.cbor", "query: 2 environments", COSERV),
    ("coserv/testvectors/rv-class-simple.cbor", "query: 1 environment", COSERV),
    ("coserv/testvectors/rv-class-simple-results-source-artifacts.cbor", "query: 1 environment; 0 environments, 0 measurements", COSERV),
    ("coserv/testvectors/rv-results.cbor", "query: 1 environment; 1 environment, 1 measurement", COSERV),
];

const COEV: &str = "TCG Concise Evidence: tag 571";
const COMID: &str = "draft-ietf-rats-corim §5.1: CoMID";
const CORIM: &str = "draft-ietf-rats-corim §4.1: corim-map, tag 501";
const SIGNED: &str = "draft-ietf-rats-corim §4.2: COSE_Sign1, tag 18; under the example key of RFC 7517, A.1";
const COSERV: &str = "draft-ietf-rats-coserv";

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn shown<'a>(all: impl Iterator<Item = &'a Reference>) -> String {
    let all: Vec<&Reference> = all.collect();
    let measurements = all.iter().map(|one| one.measurements.len()).sum();
    format!("{}, {}", count(all.len(), "environment"), count(measurements, "measurement"))
}

/// What a document is, in one line.
fn line(bytes: &[u8]) -> String {
    let values = |comids: &[Comid]| shown(comids.iter().flat_map(|comid| &comid.references));
    match read(bytes) {
        Err(refused) => format!("refused: {}", refused.code()),
        Ok(Document::Unsigned(corim)) => format!("corim: {}", values(&corim.comids)),
        Ok(Document::Signed(signed)) => {
            let word = if signed.verify(&example_key()).is_ok() { "verified" } else { "signed" };
            format!("{word} corim: {}", values(&signed.corim.comids))
        }
        Ok(Document::Comid(comid)) => format!("comid: {}", shown(comid.references.iter())),
        Ok(Document::Evidence(found)) => format!("evidence: {}", shown(found.measured.iter())),
        Ok(Document::Coserv(query)) => {
            let asked = count(query.environments.len(), "environment");
            let answer = query.references.map(|all| format!("; {}", shown(all.iter()))).unwrap_or_default();
            format!("query: {asked}{answer}")
        }
        Ok(other) => format!("{other:?}"),
    }
}

/// Where the document of a source text is.
fn document_of(text: &str) -> String {
    text.replace("/src/", "/").replace(".diag", ".cbor")
}

/// Every file of the family, for the table of the documentation; none where there is no corpus.
pub(crate) fn rows() -> Option<Vec<Line>> {
    let mut rows = Vec::new();
    for (file, want, clause) in FILES {
        let bytes = corpus::bytes(&format!("{FOLDER}/{file}"))?;
        let same = reencode(&bytes).is_ok_and(|again| again == bytes);
        let obtained = format!("{}{}", line(&bytes), if same { "; the same bytes again" } else { "" });
        let want = format!("{want}; the same bytes again");
        rows.push(Line::new(&format!("{FOLDER}/{file}"), &want, &obtained, clause));
    }
    for text in corpus::files(FOLDER).iter().filter(|file| file.ends_with(".diag")) {
        let document = corpus::bytes(&document_of(text))?;
        let obtained = match diag::encode(&corpus::text(text)?) {
            Some(bytes) if bytes == document => "source text: the document's bytes",
            _ => "source text: other bytes",
        };
        rows.push(Line::new(
            text,
            "source text: the document's bytes",
            obtained,
            "RFC 8949 §8: diagnostic notation",
        ));
    }
    for (file, unread) in [("corim.json", 0), ("corim-ext.json", 1)] {
        let file = format!("{FOLDER}/corim/testcases/{file}");
        let obtained = match read_template(&corpus::bytes(&file)?) {
            Ok(template) => format!(
                "template of {}, {} named",
                template.entities.join(", "),
                count(template.unread.len(), "member")
            ),
            Err(refused) => format!("refused: {}", refused.code()),
        };
        let want = format!("template of ACME Ltd., {} named", count(unread, "member"));
        rows.push(Line::new(&file, &want, &obtained, "a template, out of which a tool makes a manifest"));
    }
    for file in ["ear-claims.json", "ear-claims-extension-ok.json", "ear-claims-key-attestation-ok.json"] {
        let file = format!("ear-corim/ear/{file}");
        let obtained = match Ear::from_bytes(&corpus::bytes(&file)?, Form::Json) {
            Ok(ear) => format!("result: {}", ear.status().name()),
            Err(refused) => format!("refused: {}", refused.code()),
        };
        rows.push(Line::new(
            &file,
            "result: affirming",
            &obtained,
            "draft-fv-rats-ear §3: claims set, not signed",
        ));
    }
    let file = "ear-corim/ear/pkey.json";
    let obtained = match VerifyKey::from_jwk(&corpus::bytes(file)?) {
        Ok(_) => "key: ES256".to_owned(),
        Err(refused) => format!("refused: {}", refused.code()),
    };
    rows.push(Line::new(file, "key: ES256", &obtained, "RFC 7517: EC, P-256"));
    Some(rows)
}

#[test]
fn every_document_is_what_the_table_says_and_is_written_as_it_was_read() {
    let Some(rows) = rows() else { return };
    for row in rows {
        assert_eq!(row.obtained, row.expected, "{}", row.file);
    }
    for (file, ..) in FILES {
        let bytes = corpus::bytes(&format!("{FOLDER}/{file}")).unwrap();
        assert_eq!(hex(&reencode(&bytes).unwrap()), hex(&bytes), "{file}");
    }
}

fn comid(file: &str) -> Option<Comid> {
    match read(&corpus::bytes(&format!("{FOLDER}/{file}"))?) {
        Ok(Document::Comid(comid)) => Some(comid),
        other => panic!("{other:?}"),
    }
}

/// Values against the source text of the corpus.
#[test]
fn values_are_taken_out_as_their_source_text_has_them() {
    let Some(one) = comid("comid/testcases/comid-1.cbor") else { return };
    assert_eq!(one.id.to_string(), "3f06af63a93c11e4979700505690773f");
    assert_eq!((one.version, one.entities.as_slice(), one.endorsed), (0, &["ACME Inc.".to_owned()][..], 0));
    let Reference { environment, measurements } = &one.references[0];
    assert_eq!(environment.class_id.as_ref().unwrap().to_string(), "67b28b6c34cc40a19117ab5b05911e37");
    assert_eq!(environment.vendor.as_deref(), Some("ACME Inc."));
    assert_eq!((environment.model.as_deref(), environment.layer), (Some("ACME RoadRunner"), Some(1)));
    let digest = &measurements[0].digests[0];
    assert_eq!(
        (&digest.algorithm, measurements[0].version.as_deref()),
        (&Identifier::Number(1), Some("1.0.0"))
    );
    assert_eq!(hex(&digest.value), "44aa336af4cb14a879432e53dd6571c7fa9bccafb75f488259262d6ea3a4d91b");
    let firmware = comid("comid/testcases/comid-firmware-cd.cbor").unwrap();
    let svns: Vec<_> = firmware.references.iter().map(|one| one.measurements[0].svn).collect();
    assert_eq!((svns, firmware.endorsed), (vec![Some(Svn::Exactly(1)); 2], 1));
    assert_eq!(firmware.references[1].environment.model.as_deref(), Some("fwX_n5x"));
    assert_eq!(firmware.references[1].environment.index, Some(0));
    assert_eq!(firmware.unread, ["entity 1", "entity 2", "endorsed values: 1"], "what is not read is named");
    let keys: Vec<_> = comid("comid/testcases/comid-3.cbor").unwrap().references[0]
        .measurements
        .iter()
        .map(|one| one.key.as_ref().map(ToString::to_string))
        .collect();
    let key = |text: &str| Some(text.to_owned());
    assert_eq!(
        keys,
        [key("700"), key("my_element"), key("oid:5502c001"), key("67b28b6c34cc40a19117ab5b05911e38"), None]
    );
    let instance = comid("comid/testcases/comid-6.cbor").unwrap().references[0].environment.instance.clone();
    assert_eq!(instance, Some(Identifier::Tagged { tag: 554, text: "base64_key_X".into() }));
    let ranges = comid("comid/testcases/comid-7.cbor").unwrap();
    assert!(ranges.unread.contains(&"measured value 15".to_owned()), "{:?}", ranges.unread);
    let series = comid("comid/testcases/comid-cond-endorse-series.cbor").unwrap();
    assert!(series.unread.iter().any(|line| line.starts_with("triples ")), "{:?}", series.unread);
    let Some(design) = corpus::bytes(&format!("{FOLDER}/corim/testcases/corim-design-cd.cbor")) else {
        return;
    };
    let Document::Unsigned(design) = read(&design).unwrap() else { panic!("not a manifest") };
    let raw = design.comids[0].references[0].measurements[0].raw.clone();
    let (value, mask) = (vec![0; 8], Some(vec![255, 255, 255, 255, 0, 0, 0, 0]));
    assert_eq!(raw, Some(RawValue { value, mask }));
}

#[test]
fn evidence_and_queries_say_whom_they_are_about() {
    let Some(bytes) = corpus::bytes(&format!("{FOLDER}/coev/testcases/ce-evidence.cbor")) else { return };
    let Document::Evidence(found) = read(&bytes).unwrap() else { panic!("not evidence") };
    let authority = &found.measured[0].measurements[0].authorized_by;
    assert_eq!((authority.len(), authority[0].tag), (1, 554));
    assert!(authority[0].value.starts_with("-----BEGIN PUBLIC KEY-----\nMFkw"));
    let bytes = corpus::bytes(&format!("{FOLDER}/coserv/testvectors/rv-results.cbor")).unwrap();
    let Document::Coserv(query) = read(&bytes).unwrap() else { panic!("not a query") };
    assert_eq!((query.profile.as_str(), query.artifact), ("tag:example.com,2025:cc-platform#1.0.0", 2));
    assert_eq!(query.expires.as_deref(), Some("2030-12-13T18:30:02Z"));
    let references = query.references.unwrap();
    let measured = &references[0].measurements[0];
    assert_eq!((measured.version.as_deref(), measured.svn), (Some("1.2.3"), Some(Svn::AtLeast(2))));
    assert_eq!(query.unread, ["result 1"], "who answers for it");
    let bytes =
        corpus::bytes(&format!("{FOLDER}/coserv/testvectors/example-instance-selector.cbor")).unwrap();
    let Document::Coserv(query) = read(&bytes).unwrap() else { panic!("not a query") };
    let instances: Vec<_> =
        query.environments.iter().map(|one| one.instance.as_ref().unwrap().to_string()).collect();
    assert_eq!(instances, ["550:02deadbeefdead", "560:8999786556"]);
}

/// A manifest of the corpus under a key of ours: it verifies, and with no bit flipped and no other key does it.
#[test]
fn a_manifest_verifies_as_it_was_signed_and_not_otherwise() {
    let Some(manifest) = corpus::bytes(&format!("{FOLDER}/corim/testcases/corim-1.cbor")) else { return };
    let id = *crate::ear::signer("result").key_id().as_bytes();
    let headers = |alg: u8| [&[0xa2, 1, alg, 4, 0x50][..], &id].concat();
    let genuine = crate::ear::attack::message(&headers(0x26), &[0xa0], &manifest);
    let key = crate::ear::signer("result").public();
    let verify = |bytes: &[u8]| match read(bytes) {
        Ok(Document::Signed(signed)) => signed.verify(&key).map_err(|refused| refused.code()),
        _ => Err(Code::ReferencesMalformed),
    };
    assert_eq!(verify(&genuine), Ok(()));
    for bit in 0..genuine.len() * 8 {
        let mut flipped = genuine.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&flipped).is_err(), "bit {bit}");
    }
    let other = crate::ear::attack::message(&headers(0x27), &[0xa0], &manifest);
    assert_eq!(verify(&other), Err(Code::ResultAlgorithm));
    let bare = crate::ear::attack::message(&headers(0x26), &[0xa0], &manifest[3..]);
    assert_eq!(
        verify(&bare),
        Err(Code::ReferencesMalformed),
        "a signature over something else than a manifest"
    );
}

/// The example key of RFC 7517, appendix A.1: what makers of test vectors sign with.
fn example_key() -> PublicKey {
    let coordinates =
        ["MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"];
    let point: Vec<u8> = coordinates.iter().flat_map(|text| parse_base64url(text).unwrap()).collect();
    PublicKey([&[4][..], &point].concat().try_into().unwrap())
}

#[test]
fn a_signed_manifest_says_who_signed_and_verifies_under_his_key_only() {
    for file in ["signed-good-corim", "signed-example-corim", "signed-corim-with-extensions"] {
        let Some(bytes) = corpus::bytes(&format!("{FOLDER}/corim/testcases/{file}.cbor")) else { return };
        let Document::Signed(signed) = read(&bytes).unwrap() else { panic!("not signed") };
        assert_eq!(
            (signed.signer.as_deref(), signed.key_id.as_deref()),
            (Some("ACME Ltd signing key"), Some(&b"1"[..]))
        );
        let times = [signed.not_before, signed.not_after].map(|time| time.unwrap().as_secs());
        assert_eq!(times, [1_640_908_800, 1_767_139_200], "{file}");
        let stranger = crate::ear::signer("stranger").public();
        assert_eq!(signed.verify(&stranger).unwrap_err().code(), Code::ResultSignature, "{file}");
        assert_eq!(signed.verify(&example_key()), Ok(()), "{file}");
    }
}

#[test]
fn cut_documents_are_refused_and_flipped_ones_are_refused_or_say_what_they_say() {
    for (file, ..) in FILES {
        let Some(bytes) = corpus::bytes(&format!("{FOLDER}/{file}")) else { return };
        assert!(bytes.len() <= 4_096);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{file} cut to {length}");
        }
        assert!(read(&[&bytes[..], &[0]].concat()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if read(&flipped).is_err() {
                continue;
            }
            // One form only: what is read is written as it came, so that no two documents are read alike by accident.
            assert_eq!(reencode(&flipped).ok(), Some(flipped), "{file}, bit {bit}");
        }
    }
}

#[test]
fn bombs_end_at_the_limits() {
    let code = |bytes: &[u8]| read(bytes).unwrap_err().code();
    for bomb in [
        vec![0x81; 60_000],
        vec![0xd9; 60_000],
        vec![0xa1; 60_000],
        [[0xd9, 1, 0xf4].repeat(20_000), vec![0]].concat(),
    ] {
        assert_eq!(code(&bomb), Code::ReferencesMalformed);
    }
    assert_eq!(code(&vec![0; 65_537]), Code::ReferencesTooLarge);
    for (bytes, what) in [
        (&b"\xd9\x01\xf5\xa0"[..], "an empty manifest"),
        (b"\xa2\x01\xa1\x00\x61a\x04\xa1\x00\x81\x82\xa0\x80", "no measurement"),
        (
            b"\xa2\x01\xa1\x00\x61a\x04\xa1\x00\x81\x82\xa0\x81\xa1\x01\xa1\x05\x41\x00",
            "a mask without a value",
        ),
        (b"\xa2\x01\xa0\x04\xa0", "no id"),
        (b"\x00", "a number"),
        (b"\xd9\x02\x3b\xa0", "evidence of nothing"),
        (b"\xd2\x84\x40\xa0\xf6\x40", "detached"),
    ] {
        assert_eq!(code(bytes), Code::ReferencesMalformed, "{what}");
    }
}
