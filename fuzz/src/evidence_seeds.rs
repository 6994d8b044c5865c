//! Seeds of the evidence targets: small, faithful evidence under keys that everybody may know.
//!
//! Each is accepted by the check that it is a seed of, so that a fuzzer starts behind the first refusal. Signatures
//! differ from run to run, since ECDSA draws a nonce; everything else is fixed.

use crate::evidence::{APP, CHALLENGE};
use crate::forge::{
    Draft, asn1_signature, common_name, context, enumerated, int, key, octets, oid, seq, set, spki, tlv,
};
use glacis_seal::text::base64url;
use glacis_seal::{SigningKey, sha256, sha256_parts};

/// Target, name, bytes.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let attestation = attestation();
    let mut all = vec![
        ("attest_android", "chain", android()),
        (
            "attest_android",
            "list",
            br#"{"entries":{"12":{"status":"REVOKED"},"ff":{"status":"SUSPENDED"}}}"#.to_vec(),
        ),
        ("attest_android", "pem", b"-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n".to_vec()),
        ("attest_apple", "attestation", [vec![0], attestation].concat()),
        ("attest_apple", "assertion", [vec![1], assertion()].concat()),
        ("attest_apple", "receipt", [vec![2], receipt()].concat()),
        ("attest_webauthn", "none", registration("none", cbor_map(&[]))),
        ("attest_webauthn", "packed", registration("packed", packed())),
        ("attest_webauthn", "login", login()),
    ];
    all.extend(crate::statements::seeds());
    all.extend(crate::tpm::seeds());
    all
}

fn issued(leaf: Draft, subject: &SigningKey) -> Vec<Vec<u8>> {
    vec![leaf.sign(subject, &key(2)), Draft::new("issuer", "root").ca(None).sign(&key(2), &key(1))]
}

fn android() -> Vec<u8> {
    let root = seq(&[octets(&[9; 32]), tlv(&[1], &[0xff]), enumerated(0), octets(&[8; 32])]);
    let hardware = [
        context(1, &set(&[int(2)])),
        context(503, &tlv(&[5], &[])),
        context(702, &int(0)),
        context(704, &root),
        context(706, &int(202_601)),
        context(716, &octets(b"Maker")),
    ];
    let app = seq(&[set(&[seq(&[octets(b"com.example"), int(1)])]), set(&[octets(&[7; 32])])]);
    let software = [context(701, &int(1)), context(709, &octets(&app))];
    let (level, version) = (enumerated(1), int(400));
    let statement = seq(&[
        version.clone(),
        level.clone(),
        version,
        level,
        octets(CHALLENGE),
        octets(b""),
        seq(&software),
        seq(&hardware),
    ]);
    let leaf = Draft::new("leaf", "issuer").with("1.3.6.1.4.1.11129.2.1.17", false, statement);
    issued(leaf, &key(3)).concat()
}

fn attestation() -> Vec<u8> {
    let point = key(3).public().0;
    let id = *sha256(&point).as_bytes();
    let aaguid = b"appattest\0\0\0\0\0\0\0".to_vec();
    let head = [sha256(APP.as_bytes()).as_bytes().to_vec(), vec![0x40, 0, 0, 0, 0]].concat();
    let data = [head, aaguid, vec![0, 32], id.to_vec(), cose(&key(3))].concat();
    let nonce = sha256_parts(&[&data, sha256(CHALLENGE).as_bytes()]);
    let extension = seq(&[context(1, &octets(nonce.as_bytes()))]);
    let leaf = Draft::new("leaf", "issuer").with("1.2.840.113635.100.8.2", false, extension);
    let chain: Vec<Vec<u8>> = issued(leaf, &key(3)).iter().map(|cert| cbor_bytes(cert)).collect();
    let statement = cbor_map(&[
        (cbor_text("x5c"), [cbor_head(4, chain.len()), chain.concat()].concat()),
        (cbor_text("receipt"), cbor_bytes(b"receipt")),
    ]);
    object("apple-appattest", statement, &data)
}

fn assertion() -> Vec<u8> {
    let data = [sha256(APP.as_bytes()).as_bytes().to_vec(), vec![0x40, 0, 0, 0, 5]].concat();
    let nonce = sha256_parts(&[&data, sha256(CHALLENGE).as_bytes()]);
    cbor_map(&[
        (cbor_text("signature"), cbor_bytes(&signed(&key(3), nonce.as_bytes()))),
        (cbor_text("authenticatorData"), cbor_bytes(&data)),
    ])
}

fn receipt() -> Vec<u8> {
    let subject = Draft::new("key", "issuer").sign(&key(3), &key(2));
    let field = |number: u64, value: &[u8]| seq(&[int(number), int(1), octets(value)]);
    let content = set(&[
        field(2, APP.as_bytes()),
        field(3, &subject),
        field(4, &[1; 32]),
        field(5, b"token"),
        field(6, b"RECEIPT"),
        field(7, b"production"),
        field(12, b"2027-01-15T00:00:00.1Z"),
        field(17, b"2"),
        field(19, b"2027-01-16T00:00:00Z"),
        field(21, b"2037-01-15T00:00:00Z"),
    ]);
    let chain = issued(Draft::new("signer", "issuer"), &key(4));
    let sha256 = seq(&[oid("2.16.840.1.101.3.4.2.1")]);
    let inner = seq(&[oid("1.2.840.113549.1.7.1"), context(0, &octets(&content))]);
    let signer = seq(&[
        int(1),
        seq(&[common_name("issuer"), int(77)]),
        sha256.clone(),
        seq(&[oid("1.2.840.10045.4.3.2")]),
        octets(&signed(&key(4), &content)),
    ]);
    let data = seq(&[int(1), set(&[sha256]), inner, context(0, &chain.concat()), set(&[signer])]);
    seq(&[oid("1.2.840.113549.1.7.2"), context(0, &data)])
}

fn auth_data() -> Vec<u8> {
    let head = [sha256(b"site.test").as_bytes().to_vec(), vec![0x41, 0, 0, 0, 1]].concat();
    [head, vec![0; 16], vec![0, 2, b'i', b'd'], cose(&key(5))].concat()
}

fn client_data() -> Vec<u8> {
    let challenge = base64url(CHALLENGE);
    format!(r#"{{"type":"webauthn.create","challenge":"{challenge}","origin":"https://site.test"}}"#)
        .into_bytes()
}

fn packed() -> Vec<u8> {
    let message = [auth_data(), sha256(&client_data()).as_bytes().to_vec()].concat();
    cbor_map(&[(cbor_text("alg"), vec![0x26]), (cbor_text("sig"), cbor_bytes(&signed(&key(5), &message)))])
}

fn registration(format: &str, statement: Vec<u8>) -> Vec<u8> {
    let object = base64url(&object(format, statement, &auth_data()));
    let (id, client) = (base64url(b"id"), base64url(&client_data()));
    let response = format!(r#"{{"attestationObject":"{object}","clientDataJSON":"{client}"}}"#);
    format!(r#"{{"id":"{id}","rawId":"{id}","type":"public-key","response":{response}}}"#).into_bytes()
}

fn login() -> Vec<u8> {
    let challenge = base64url(CHALLENGE);
    let client =
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"https://site.test"}}"#);
    let auth = [sha256(b"site.test").as_bytes().to_vec(), vec![5, 0, 0, 0, 5]].concat();
    let signature = signed(&key(5), &[&auth[..], sha256(client.as_bytes()).as_bytes()].concat());
    let (id, auth, client) = (base64url(b"id"), base64url(&auth), base64url(client.as_bytes()));
    let signature = base64url(&signature);
    let response =
        format!(r#"{{"authenticatorData":"{auth}","clientDataJSON":"{client}","signature":"{signature}"}}"#);
    format!(r#"{{"id":"{id}","rawId":"{id}","type":"public-key","response":{response}}}"#).into_bytes()
}

fn signed(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    key.sign_raw(message).map(|signature| asn1_signature(&signature)).unwrap_or_default()
}

fn object(format: &str, statement: Vec<u8>, data: &[u8]) -> Vec<u8> {
    cbor_map(&[
        (cbor_text("fmt"), cbor_text(format)),
        (cbor_text("attStmt"), statement),
        (cbor_text("authData"), cbor_bytes(data)),
    ])
}

fn cose(key: &SigningKey) -> Vec<u8> {
    let info = spki(key);
    let point = info.get(info.len().saturating_sub(64)..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    cbor_map(&[
        (vec![1], vec![2]),
        (vec![3], vec![0x26]),
        (vec![0x20], vec![1]),
        (vec![0x21], cbor_bytes(x)),
        (vec![0x22], cbor_bytes(y)),
    ])
}

fn cbor_head(major: u8, length: usize) -> Vec<u8> {
    let major = major << 5;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=23), _) => vec![major | short],
        (Ok(short), _) => vec![major | 24, short],
        (_, Ok(long)) => [&[major | 25][..], &long.to_be_bytes()].concat(),
        _ => Vec::new(),
    }
}

fn cbor_text(text: &str) -> Vec<u8> {
    [cbor_head(3, text.len()), text.as_bytes().to_vec()].concat()
}

fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    [cbor_head(2, bytes.len()), bytes.to_vec()].concat()
}

fn cbor_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let body = entries.iter().flat_map(|(name, value)| [name.clone(), value.clone()].concat());
    cbor_head(5, entries.len()).into_iter().chain(body).collect()
}

#[cfg(test)]
mod tests {
    /// A seed that is refused at once would teach the fuzzer nothing.
    #[test]
    fn seeds_are_faithful_evidence() {
        for (target, name, bytes) in super::all() {
            let accepted = match target {
                "attest_android" => crate::evidence::accepts_android(&bytes),
                "attest_apple" => crate::evidence::accepts_apple(&bytes),
                "attest_play" => crate::statements::accepts_play(&bytes),
                "attest_soter" => crate::statements::accepts_soter(&bytes),
                "tpm_evidence" => crate::tpm::accepts_evidence(&bytes),
                "tpm_eventlog" => crate::tpm::accepts_event_log(&bytes),
                _ => crate::evidence::accepts_webauthn(&bytes),
            };
            assert_eq!(accepted, name != "pem", "{target}/{name}");
        }
    }
}
