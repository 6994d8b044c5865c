//! Certificates of our own making, well-formed and wrong on purpose: what an attacker can make without any secret of a
//! maker. Only for tests; nothing of it is linked into a verifier.

use glacis_seal::SigningKey;

/// DER of one element.
pub(crate) fn tlv(tag: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = tag.to_vec();
    match body.len() {
        short @ 0..=127 => out.push(u8::try_from(short).unwrap()),
        long => {
            let digits: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(digits.len()).unwrap());
            out.extend(digits);
        }
    }
    out.extend(body);
    out
}

pub(crate) fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x30], &parts.concat())
}

pub(crate) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x31], &parts.concat())
}

pub(crate) fn int(number: u64) -> Vec<u8> {
    let mut digits: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    tlv(&[2], &digits)
}

pub(crate) fn enumerated(number: u8) -> Vec<u8> {
    tlv(&[10], &[number])
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(&[4], bytes)
}

pub(crate) fn oid(text: &str) -> Vec<u8> {
    let numbers: Vec<u64> = text.split('.').map(|part| part.parse().unwrap()).collect();
    let mut body = vec![u8::try_from(numbers[0] * 40 + numbers[1]).unwrap()];
    for number in &numbers[2..] {
        let mut groups = vec![u8::try_from(number & 0x7f).unwrap()];
        let mut rest = number >> 7;
        while rest > 0 {
            groups.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
            rest >>= 7;
        }
        body.extend(groups.iter().rev());
    }
    tlv(&[6], &body)
}

/// A context tag around `body`, also a long one.
pub(crate) fn context(number: u32, body: &[u8]) -> Vec<u8> {
    if number < 31 {
        return tlv(&[0xa0 | u8::try_from(number).unwrap()], body);
    }
    let (high, low) = (u8::try_from(number >> 7).unwrap(), u8::try_from(number & 0x7f).unwrap());
    if high == 0 { tlv(&[0xbf, low], body) } else { tlv(&[0xbf, 0x80 | high, low], body) }
}

/// `SubjectPublicKeyInfo` of a P-256 key.
pub(crate) fn spki(key: &SigningKey) -> Vec<u8> {
    let algorithm = seq(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]);
    seq(&[algorithm, tlv(&[3], &[&[0][..], &key.public().0].concat())])
}

/// A name of one `commonName`, or of one other attribute.
pub(crate) fn name(attribute: &str, text: &str) -> Vec<u8> {
    seq(&[set(&[seq(&[oid(attribute), tlv(&[12], text.as_bytes())])])])
}

pub(crate) fn common_name(text: &str) -> Vec<u8> {
    name("2.5.4.3", text)
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) serial: u64,
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) begins: &'static str,
    pub(crate) ends: &'static str,
    /// `None`: no basic constraints. `Some(None)`: a CA without a limit.
    pub(crate) ca: Option<Option<u64>>,
    /// Object identifier, critical, value.
    pub(crate) extensions: Vec<(&'static str, bool, Vec<u8>)>,
}

impl Draft {
    pub(crate) fn new(subject: &str, issuer: &str) -> Self {
        Self {
            serial: 77,
            subject: common_name(subject),
            issuer: common_name(issuer),
            begins: "20200101000000Z",
            ends: "20400101000000Z",
            ca: None,
            extensions: Vec::new(),
        }
    }

    pub(crate) fn ca(mut self, path_len: Option<u64>) -> Self {
        self.ca = Some(path_len);
        self
    }

    pub(crate) fn with(mut self, oid: &'static str, critical: bool, value: Vec<u8>) -> Self {
        self.extensions.push((oid, critical, value));
        self
    }

    /// The certificate of `subject`, signed by `issuer`.
    pub(crate) fn sign(&self, subject: &SigningKey, issuer: &SigningKey) -> Vec<u8> {
        self.sign_for(spki(subject), issuer)
    }

    /// The certificate of a key of any kind (`SubjectPublicKeyInfo`), signed by `issuer`.
    pub(crate) fn sign_for(&self, subject: Vec<u8>, issuer: &SigningKey) -> Vec<u8> {
        let algorithm = seq(&[oid("1.2.840.10045.4.3.2")]);
        let time = |text: &str| {
            if text < "2050" { tlv(&[0x17], &text.as_bytes()[2..]) } else { tlv(&[0x18], text.as_bytes()) }
        };
        let mut extensions = Vec::new();
        if let Some(path_len) = self.ca {
            let limit = path_len.map(int).unwrap_or_default();
            let value = seq(&[tlv(&[1], &[0xff]), limit]);
            extensions.push(seq(&[oid("2.5.29.19"), tlv(&[1], &[0xff]), octets(&value)]));
        }
        for (id, critical, value) in &self.extensions {
            let critical = if *critical { tlv(&[1], &[0xff]) } else { Vec::new() };
            extensions.push(seq(&[oid(id), critical, octets(value)]));
        }
        let mut parts = vec![
            context(0, &int(2)),
            int(self.serial),
            algorithm.clone(),
            self.issuer.clone(),
            seq(&[time(self.begins), time(self.ends)]),
            self.subject.clone(),
            subject,
        ];
        if !extensions.is_empty() {
            parts.push(context(3, &seq(&extensions)));
        }
        let body = seq(&parts);
        let signature = asn1_signature(&issuer.sign_raw(&body).unwrap());
        seq(&[body, algorithm, tlv(&[3], &[&[0][..], &signature].concat())])
    }
}

/// `SEQUENCE { r, s }` of the 64 bytes that our own signatures are.
pub(crate) fn asn1_signature(fixed: &[u8; 64]) -> Vec<u8> {
    let half = |bytes: &[u8]| {
        let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        if digits.first().is_none_or(|first| first & 0x80 != 0) {
            digits.insert(0, 0);
        }
        tlv(&[2], &digits)
    };
    seq(&[half(&fixed[..32]), half(&fixed[32..])])
}

/// A key from one byte.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_scalar(&[seed; 32]).unwrap()
}
