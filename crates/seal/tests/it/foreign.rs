//! Foreign signatures: made by OpenSSL 3.0 over one message, for every scheme; and everything that must not verify.

use glacis_seal::foreign::{Curve, HashName, Scheme, danger_sha1, sha384, sha512, verify};
use glacis_seal::text::parse_base64;

const MESSAGE: &[u8] = b"glacis foreign signature";

fn bytes(text: &str) -> Vec<u8> {
    parse_base64(text).unwrap()
}

const P256: &str = "\
    BNQR8iBfv+lh3jbL7wJTR44+0SCvCbLBVDZDBDE78MTdimktUgU5yCPuc73fCmx7bVpd5SZi2Xsu+aekwPQByM8=";
const P384: &str = "\
    BN/wJ55s0JoZ/4c5Fv9kXInCZyVC3ocXWPkNhrjOFQ5LV2CEtR7EyNs5nUzVb5PDTPRu7kacZVHeE84W/hLWth+nZNaObt6Jyd3X\
    /WvOhGpBJc5CVzH/B7kOIBArcSCKgQ==";
const P521: &str = "\
    BAHsERrF5ofNFmaPJUEhe8a/kwawbepbPfdSkQc/7ezpDRzxvFoRRoCVNC9iiT8Ms7A5h040gmHWrL9S0RcZ/eUTdgER2c8ng7Nl\
    PvdLDdVhFhXs8O5uFlK//ZjNzgOnyxe1fSKUfP1mI0Pbki4AW2rKhPJP8RyHDUxEv2nKdx3eSGKVTA==";
const RSA: &str = "\
    MIIBCgKCAQEAr05cXU5YOCtVJSI1wosOBmJDk44nrJ5jQSGJ8SACHx9DmKtsAmlG0ZHM8EMPBAPcwaE4Cvflb3B1xKOt9/Bukpks\
    MsQ4B6562xoPhuFn1uafnGy0Ng06GAXqHVP5jnfnJ64GtB2g2qS/fHkGoqmXQRZ7zyuwG5Sw8RyZiPd2N98RpTeu9NUFYm8qf3ML\
    H2j4WSix0N56L9lgD201ObuiZhqhs+y9y9lQD8OESCap0GAuwb+kZ1wGDPnKI/SI8U5BG8L8VdlXaOZeSFKHBS6CPUHqzbCduWWD\
    wD24WF09psOHTgiitdRTqL+T748w0GzC+3Qu1JRLk6PQpZCNl2gi4wIDAQAB";
const ED: &str = "\
    4xVrAjR59dFPG93TYInaaE0bYbld8L1fohFxk055nok=";
const RSA_AS_INFO: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr05cXU5YOCtVJSI1wosOBmJDk44nrJ5jQSGJ8SACHx9DmKtsAmlG0ZHM\
    8EMPBAPcwaE4Cvflb3B1xKOt9/BukpksMsQ4B6562xoPhuFn1uafnGy0Ng06GAXqHVP5jnfnJ64GtB2g2qS/fHkGoqmXQRZ7zyuw\
    G5Sw8RyZiPd2N98RpTeu9NUFYm8qf3MLH2j4WSix0N56L9lgD201ObuiZhqhs+y9y9lQD8OESCap0GAuwb+kZ1wGDPnKI/SI8U5B\
    G8L8VdlXaOZeSFKHBS6CPUHqzbCduWWDwD24WF09psOHTgiitdRTqL+T748w0GzC+3Qu1JRLk6PQpZCNl2gi4wIDAQAB";
const RSA_1024: &str = "\
    MIGJAoGBAMvWEzvN8l/zbLHQvjl3zRimHvde4oiHOcPZaxogYw4ClxhB9bu3erO3tzSiH+b0sAL9y6edIsh/KfbDKMYiAX3gq20N\
    WffRP+g3wnD5vAzfL3IZR7/CrzG7wtwzuv8zrKku/bOvj4H80kTmkWMIIRs4oCCKCKXoZu7V1rrmocy3AgMBAAE=";
const RSA_1024_SIGNATURE: &str = "\
    KebzW/JM+i8b2cXZbBD0Wp0dutqSyAQnsnUZjv8yOvXzlbgTqB+ZwaDcK2/D1DO2ekGypN30T9FY7HBDa8bTMDgLdAis+1TJHY2N\
    ToA4N33tDqGVRw+m93Jpvfem9E3ZswH0TSCSoVGdPtgI9CPTf2gDFR7inKvTAMJgfLNhpZ0=";

/// Scheme, key, signature.
#[rustfmt::skip]
const ROWS: &[(Scheme, &str, &str)] = &[
    (Scheme::Ecdsa(Curve::P256, HashName::Sha256), P256, "MEQCIFIGLSjbKpkMsjCL6uRerNllubEMWmH9Zt1XZXURT8CUAiAB67qDEPJj4USk+f9c19iY9qngRnyaGr1AVgpY2zvhKg=="),
    (Scheme::Ecdsa(Curve::P256, HashName::Sha384), P256, "MEQCIDqjnT7U2CFgLmKiRt8Fjo7QlhY/amUfryta0t8ke7o/AiBdxH7uEpjJM0NVdha/c6ywOkARXVZERTPobjLF62GSeA=="),
    (Scheme::Ecdsa(Curve::P384, HashName::Sha256), P384, "MGYCMQCv9iNhUz18i0/9HzrkLQEQFy3afXJoVzao2PObrj8MyKQFjccan+WmSDTturwpGPgCMQD9oUQ3an+gbR2ChUY6B+lYuhYE+0Ohou2IA1Vb4EfBvQ412JqqvtdZTbwTlZSPzuM="),
    (Scheme::Ecdsa(Curve::P384, HashName::Sha384), P384, "MGUCMQCij7TlrXQdG1Qww+uMkEhscUaWK6De77ZhxqtvH27kSF1AyRmDbKWgXyNK9dDIUy4CMF3HTotubZAv9x4n0CVxFwRBZM/QttD2B0Ycc7I+x+OUr8vfVuZHLgDgdZGYHaprwA=="),
    (Scheme::Ecdsa(Curve::P521, HashName::Sha512), P521, "MIGIAkIBQiaglSB86JH0XTR1SxcAVwsK38jeaDlWkDn466z+yCcKORo/K4gtoXeiwa96rGBUrAOZASxVlJBBpQNf2pQEyOkCQgGL6hV8m5rZCuJX7ZVmfYuF11sLJqXMVT6xlorydb+mVRUNKDcNIQZ1m+jF/NT9Wv6DTAyi+6QVeP06CMkyVtoZdw=="),
    (Scheme::RsaPkcs1(HashName::Sha256), RSA, "hZvevpsnG0G5atRjBqfB/FN09dISdyHoqKULRlH7Uo567x4Ty+NOL6CvWbZ15XJrMICB1tcXDduNgxjwKJ8U3y6Ktc70QTz6kkeZFr4hHnqa/AV2uFswTP1+Y63F71cBklITItb5HGlgxDrRT2GGsQpjPj9H2dANUBQzYnq52uCorlNl85NPFuOOPYkZygZloLa2BHMRwmqn0GRaVcgX46K4kwcbKt7ryxRPwPCJ1ClrVhXsV2U8DA84vsnpD0lIqVKowRHnxMzanfzCYIWsYZfwUWiatiRcjUTUTlPB9QYeREDVldbKXBK9DuLix1hkW9kJPiVSaVI+i2RKJbb34g=="),
    (Scheme::RsaPkcs1(HashName::Sha384), RSA, "LlbtskUDGUzlaJyU81ETj6C6shh2bbWJcvWCvjB1RzKvkyag/OEpX5SjHAInQJmH0T8616NPEE5GUbZmao9l8nsK3PmmmDak6o6W46LugqV6inF63yCB9dEeHF1Lx1TmiWNsh3uR1Ktu29UNR2HucaSxHJRWKXU71XNXU5J8WkeeZwlgJFpvDCq7gZqttuImhJaJZdN/kJazMKbZtQcQnMbOjxqDybyNKbhC3Uo4IM35GZh7s0pXMUZEbx0uDdjZgwLe4PYappPeZXSUdZhTGYKTDU02uwR0YQtiihU6XGTDc/CbC6c4AVaX4H2QRuBzI6gsCHO/WUbMHSDRt3C8Ag=="),
    (Scheme::RsaPkcs1(HashName::Sha512), RSA, "iK+g9TdNtMqxJ2UCVBZ8gMIGOWobsHnBPw6hAdXsYJ1Z67zF7AdtdQPD49tPiMSVQN7Bis+fkZER4A9KjjM39jPdpG4TJd2sfTR2fqCDOXDkRlSRdV0rd41kWX5og8cDRjp4H+V4CXtk39UNItt9JqNtYhVJS+QXI0S6MwKr6tS5X+gdvSVLfH31ErD9tW0CvHyr9ukUa/xTmUg5WG6KkqW9IFZMwpFjxgYKIap6TSTkOSAV/srSPqplErLHUfr0qYgCuTGvE/cip2xuZwqc0e1/dXioFgP2T0n/0Wn8AsJ6Zeqs0tDCZDXWPu19esId3VCseMX+Hf5j8BwYEA03Uw=="),
    (Scheme::RsaPss(HashName::Sha256), RSA, "H3gF3qYSLqbI63RGHnsryoiCAYpBUhsglgTDVNrCReokTgNUQm4taL0WmrjEWtbP3e3+9PtZlc5eWKuUvUXW43U2DGcDo0BIXSr27MUz48kZx29kH0gCSs4cBg2bxz8t7m4htYf6h5suA2iUctlnXg/Kp2zj4PIBielWswGlssLf6tlsCsVoMBC9BQ/52Ydu0p2nmc2gcWb5/HLcIPcKkJ+L+ZEL8IaQm0QCHFW3ZpoCVHzdeCRYExqutWLoV6oFinWacZmfy6cvuOGDHFnhBJKSAD5kY2TZ+z26SynSE0FjQaOA8AjS9Pve5TTkOuAOfT9bZNnBx5/CwYGsKzNs/w=="),
    (Scheme::RsaPss(HashName::Sha384), RSA, "hmoPeoCGuxHi7L7SpR+GGNqKm2Nav5DO9TrERcB47Tz3DdvT79Me+yktfq2yXV7TgTR2WeNdcxL5p1aY33hlrwrDCB8Lky8JhsUktFWbGsTAQCELZPKPjWk/NDx5wvcA51xLlB2MBsy8Zg+w0Vj7yAhIa/B2i5g44bqs+bdjMd+KOYqMHFOTCYNe+N8w0bAFJd2Xp22D/frYMgnNgEX0rBT/4H8+J8lsKaX1SlqDPiOqr/oUmLxg31xEVSZsutnV+brvitWd16BLHp/iv8FsPH25S3h2R7qsSmtnlJXtZqLnYWhycrXjOK9E0gq90JcQ2dTwomi9REI5DpN1cTQxHA=="),
    (Scheme::DangerRsaPkcs1Sha1, RSA, "a9xurugk01kQrRIGPv4XaTB4BRko+FuyN//L3Qp0fDWnhobCxz/QsaytdNniFUkQnVKj2snHcQ4Hj1zYw9olV01Ga3iv5MotneP9Rf61BHeScEAHcXa2GRHkd2pKIJ4DupqTAHGkCE1CTplo7dyXgq+UzoABNudUGbKDTy//Bsg43UAsAD9iC8CuqLbY9/VkPr5vH7fRzZIbt9hPStjwUzr0xW+w9YZ3tOaLvLfkfQ+xCw1S3aWEJzAYOJWTiiMVeaT7R+X5JYsEe6vvqhZZXKL7HDmIm5sJetMnpMhDd/mxlb1mfmGb8iRzavcg9iD72urAX2i3r2uMu/FjxGkHMA=="),
    (Scheme::Ed25519, ED, "4a0+nYXQhk1qI4VQ1vx7zm2NwFCs2PAwVMdMchOdOqusCc1b9fgvVgHximILfZojvBoGlo7yhQS2zmp1Zl7zAg=="),
];

#[test]
fn every_scheme_verifies_its_own_signature_and_no_other_does() {
    for (scheme, key, signature) in ROWS {
        let (key, signature) = (bytes(key), bytes(signature));
        assert!(verify(*scheme, &key, MESSAGE, &signature).is_ok(), "{scheme:?}");
        assert!(
            verify(*scheme, &key, b"glacis foreign signatur", &signature).is_err(),
            "{scheme:?}: message"
        );
        for (other, ..) in ROWS.iter().filter(|(other, ..)| other != scheme) {
            assert!(verify(*other, &key, MESSAGE, &signature).is_err(), "{scheme:?} as {other:?}");
        }
        for (_, stranger, _) in ROWS.iter().filter(|(_, stranger, _)| bytes(stranger) != key) {
            assert!(verify(*scheme, &bytes(stranger), MESSAGE, &signature).is_err(), "{scheme:?}: key");
        }
    }
}

#[test]
fn damaged_signatures_and_keys_do_not_verify() {
    for (scheme, key, signature) in ROWS {
        let (key, signature) = (bytes(key), bytes(signature));
        for bad in crate::damaged(&signature).step_by(5) {
            assert!(verify(*scheme, &key, MESSAGE, &bad).is_err(), "{scheme:?}");
        }
        for bad in crate::damaged(&key).step_by(7) {
            assert!(verify(*scheme, &bad, MESSAGE, &signature).is_err(), "{scheme:?}");
        }
    }
}

#[test]
fn short_rsa_keys_other_encodings_and_long_input_are_refused() {
    let scheme = Scheme::RsaPkcs1(HashName::Sha256);
    assert!(verify(scheme, &bytes(RSA_1024), MESSAGE, &bytes(RSA_1024_SIGNATURE)).is_err());
    let (_, key, signature) = ROWS.iter().find(|(other, ..)| *other == scheme).unwrap();
    assert!(verify(scheme, &bytes(RSA_AS_INFO), MESSAGE, &bytes(signature)).is_err(), "a key has one form");
    assert!(verify(scheme, &[bytes(key), vec![0; 4_096]].concat(), MESSAGE, &bytes(signature)).is_err());
    assert!(verify(scheme, &bytes(key), MESSAGE, &vec![0; 100_000]).is_err());
    assert!(verify(scheme, &[], MESSAGE, &[]).is_err());
}

#[test]
fn hashes_match_fips_180() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(danger_sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert!(hex(sha384(b"abc")).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
    assert!(hex(sha512(b"abc")).starts_with("ddaf35a193617abacc417349ae204131"));
}
