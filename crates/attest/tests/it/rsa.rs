//! RSA that signs, as devices of SOTER do: by RSASSA-PSS with SHA-256 and a salt of a length that a test chooses.
//!
//! Only for tests and fuzzers. The keys are published here and may be used for nothing; the arithmetic is slow and not
//! constant in time. Nothing of it is linked into a verifier, whose crypto library cannot sign so on purpose.

use crate::forge::{oid, seq, tlv};
use glacis_seal::sha256;

/// A key: modulus and private exponent in hexadecimal. The public exponent is 65537.
#[derive(Clone, Copy)]
pub(crate) struct RsaKey {
    modulus: &'static str,
    exponent: &'static str,
}

impl RsaKey {
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> Vec<u8> {
        let number = |bytes: &[u8]| tlv(&[2], &[&[0][..], bytes].concat());
        let key = seq(&[number(&hex(self.modulus)), tlv(&[2], &[1, 0, 1])]);
        let algorithm = seq(&[oid("1.2.840.113549.1.1.1"), tlv(&[5], &[])]);
        seq(&[algorithm, tlv(&[3], &[&[0][..], &key].concat())])
    }

    /// Signs with a salt of `salt` bytes (RFC 8017 §8.1.1, §9.1.1).
    pub(crate) fn sign(&self, message: &[u8], salt: usize) -> Vec<u8> {
        let bytes = hex(self.modulus).len();
        let salt = vec![7; salt];
        let hash = sha256(&[&[0; 8][..], sha256(message).as_bytes(), &salt].concat());
        let mut block = vec![0; bytes - 32 - 2 - salt.len()];
        block.push(1);
        block.extend(&salt);
        for (byte, mask) in block.iter_mut().zip(mask(hash.as_bytes(), bytes)) {
            *byte ^= mask;
        }
        block[0] &= 0x7f;
        let encoded = [&block, &hash.as_bytes()[..], &[0xbc]].concat();
        power(&encoded, &hex(self.exponent), &hex(self.modulus))
    }
}

/// MGF1 with SHA-256.
fn mask(seed: &[u8], bytes: usize) -> Vec<u8> {
    let block = |count: u32| sha256(&[seed, &count.to_be_bytes()].concat()).as_bytes().to_vec();
    (0..).flat_map(block).take(bytes).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    glacis_seal::text::parse_hex(&padded).unwrap()
}

/// Limbs, least significant first.
fn limbs(bytes: &[u8], count: usize) -> Vec<u64> {
    let mut found: Vec<u64> =
        bytes.rchunks(8).map(|chunk| chunk.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).collect();
    found.resize(count, 0);
    found
}

/// `base ^ exponent mod modulus`, by Montgomery's multiplication; all numbers big-endian.
fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let count = modulus.len().div_ceil(8);
    let modulus = limbs(modulus, count);
    // The inverse of the lowest limb, by Newton's iteration.
    let inverse = (0..6).fold(1_u64, |x, _| x.wrapping_mul(2_u64.wrapping_sub(modulus[0].wrapping_mul(x))));
    let times = |a: &[u64], b: &[u64]| product(a, b, &modulus, inverse.wrapping_neg());
    // R mod n and R² mod n, by doubling.
    let mut one = limbs(&[1], count);
    (0..64 * count).for_each(|_| double(&mut one, &modulus));
    let mut square = one.clone();
    (0..64 * count).for_each(|_| double(&mut square, &modulus));
    let base = times(&limbs(base, count), &square);
    let mut result = one;
    for byte in exponent {
        for bit in (0..8).rev() {
            result = times(&result, &result);
            if byte >> bit & 1 == 1 {
                result = times(&result, &base);
            }
        }
    }
    let result = times(&result, &limbs(&[1], count));
    result.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

/// `a · b / R mod n`.
fn product(a: &[u64], b: &[u64], modulus: &[u64], inverse: u64) -> Vec<u64> {
    let count = modulus.len();
    let mut sum = vec![0_u64; count + 2];
    for digit in a {
        add_product(&mut sum, *digit, b);
        let quotient = sum[0].wrapping_mul(inverse);
        add_product(&mut sum, quotient, modulus);
        sum.remove(0);
        sum.push(0);
    }
    sum.truncate(count + 1);
    reduce(&mut sum, modulus);
    sum.truncate(count);
    sum
}

/// `sum += digit · number`.
fn add_product(sum: &mut [u64], digit: u64, number: &[u64]) {
    let mut carry = 0_u128;
    for (place, slot) in sum.iter_mut().enumerate() {
        let part = number.get(place).map_or(0, |limb| u128::from(*limb) * u128::from(digit));
        let total = u128::from(*slot) + part + carry;
        *slot = u64::try_from(total & u128::from(u64::MAX)).unwrap();
        carry = total >> 64;
    }
}

fn double(number: &mut Vec<u64>, modulus: &[u64]) {
    number.push(0);
    let mut carry = 0;
    for limb in number.iter_mut() {
        (*limb, carry) = (*limb << 1 | carry, *limb >> 63);
    }
    reduce(number, modulus);
    number.pop();
}

/// Subtracts the modulus once where the number is not below it.
fn reduce(number: &mut [u64], modulus: &[u64]) {
    let at = |place: usize| modulus.get(place).copied().unwrap_or(0);
    let above =
        (0..number.len()).rev().map(|place| number[place].cmp(&at(place))).find(|order| order.is_ne());
    if above == Some(std::cmp::Ordering::Less) {
        return;
    }
    let mut borrow = false;
    for (place, limb) in number.iter_mut().enumerate() {
        let (less, first) = limb.overflowing_sub(at(place));
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (less, first || second);
    }
}

/// The device's key of these tests.
pub(crate) const ATTK: RsaKey = RsaKey {
    modulus: "\
    e577782c7fbc3ba5ef57bc1c3647c7bc3ff98ee33b7a29c8b925f6d88734a6fcb87a3246f763e8f373acbdd2f562d2e755b3\
    35c3bb1c65d6baa53c51f5960dbf2b04907673af34bee6201c819083ac5a9b641ca5a0ac18f0d9e9065ece7c0bf9081deb03\
    7492e547f65bd2dc3f9b6d986649ad589ecc6939ac9a1fdb427e0844d20c70e6c2f19e83d506789fbbba5b71ccf8e47ecdf9\
    146ab22befe0acaf2689646448c98899ebac9aaedcfc58eede29092901479ed2633ee60eeca577707adc31db393c353e2293\
    bcb3d3ab3a9a6f25660528ff1044671bde9af786ced105dca5f6ba3a898e20a4d71c9c3857b84d1b0a9783587f46dca453d2\
    a0d66cc95595",
    exponent: "\
    89d38c770df23dd199451553ccb6a89dc5bf5bb7d8cdb3b340a230f6359fc67d1d412859bfd65ee17ba5520f181cd798e3bc\
    d49a5014ea86636d4421e664ceb4f85db177b45c944de5637c3bc655907c8bc14203a9d234d8d5ca456d4490f5900af40d68\
    f1e8199773be0b95070f90706d5feba2c31efc450c0b36ff379d03d14f1ceb16ca1a38dcccb6e14c2bd761ade64fb5d20742\
    d8e7e9e5a16c6b6c23104a72aebd644e45623da6113bed04efdcf26cd775de5c22c5222b17321dfb2e01d7ccf9b805f56f80\
    33c787aaa2ece4fc8b18e078769375cb764e0b74522615071041398db58e5822991322ed6ce7be8de6d8d07a121e743e916f\
    27b23a686c1",
};

/// The app's key of these tests.
pub(crate) const ASK: RsaKey = RsaKey {
    modulus: "\
    cbe7676b2c698d819a1a25060bb8dfc5728ef5476748f26c12269ebf4988fcc6e3c3da314cd524930e8948079b9d7a9cbe2d\
    d8a887f2dfc333a313b5440e8e1193e7c9436846841250814d269b93d6161be0c0c9359f6f36b73c76f8814e6f1b14c1f444\
    45212772ac834d67d90a27ff15b92e8336885118bf241b7cbb57a8693bb8028b06a2b2e203a2ca34b161c869c8875255f27c\
    68441beab6ff7c591eb50524d9524acdbf98f144f492eb9e428899e98cb61a8c449f4b2ceb479b561980ce724bb70d8d4805\
    8e8038165710fc53616f090d30308482518791d9d398803fa928247951d8e84b8a3f728f724e733aa7b4d37060450ef4d549\
    38866bcd2f9d",
    exponent: "\
    62984abc1a76119c14f1466cc5774810b7e3a37bbad81d8c9f3c386fa3758f50f6aa69d383e4de721349d36006619ffbb1c4\
    066afb8db7a032544cffcde041d7030f459508136ce2543629a19d01dfb7c2142bf43f2f103e435d03e406d66fc807020004\
    90eec69ddf0800825202e4b326046c96bae4305e887243ae4d0246667b2945ffc2c9c8dc4e19f7f584a0ed05f3982d3d3a94\
    929d8999e668af9becd530180711c8f6093f71f4fe52df4bade7871f21811fb709a79d591377b09cbc71a6911ec942c746a2\
    a9f697e0242cecc5cabb47084419d55345325edc789c0125c91226b93a8ad0c39f4613391c33cf2779de6dccf5ecd5474896\
    c6d8e0b55e9b",
};

/// The scene's key of these tests.
pub(crate) const AUTH_KEY: RsaKey = RsaKey {
    modulus: "\
    bdb207273c30c66718f1e980d027622688fa64541004fd7179e0e17366d1d783ef9d9d50afe0a7cb2cfb75f1c501daa6e105\
    233c9d79882c5b4b52c26918c726943f15ccb4d4813dc867f89b3bf0920996f568283a0c6412c8a5309cf070801b23bf7923\
    d66450f675316cb3a9722b58d4cede59fbaee75ea299d12c62be54c0e9fd91949393adf666fa01227b44383c69b9d712b521\
    72694bf5a70e75bf1695702cc31a6b5fe5603ac5b328bf8a7e8e2d22761b5bbdc9b1fcd29b871b5ad704f7e3eb09419c861f\
    860852b238b3a666a1d10c6badef1a125638c7db313944bd58e3e966769da804619e9c0034c1b56fc09bd93cbbf27b70b421\
    8a147c5109c5",
    exponent: "\
    2a0d0d08e58eea6c705b30281dfc9d056dd813e58ea78c875b3d3ebd164dee3891259f7a038309af40897ddbda904ea82fb9\
    b3d5fc12b4dd205fd238c693779255caa64a7acba0dad1523b0a2e7f65e03a56ac803e5e00d12929755d54ef9b7668b64964\
    686254904dea66ee6ce1a23a4ef28cd7e5b320171a747eaa1839990fc9086e36bb65dc8fc6290366b4a3785b60967e8936b0\
    aeecb01e754d6363b44b2bd16f89d470486df03886a17354340e54b987e81f75b79c4fa658bfc238683c180c8dac1253e939\
    affae4866c19e9ef51f69a042534312e91e85244ba09e46c366e4e590764897cc8821874d29a355fa82a55cd1d8344348309\
    6379e406911",
};

/// A key that nobody anchored.
pub(crate) const STRANGER: RsaKey = RsaKey {
    modulus: "\
    d2d1decbff77a06fdf0fd283b622b555b16b391c39df866d8a683ac9e57eb26d60e7ab4e95ccea5ddb3292b9a2b56ca57b84\
    c1ce4d3659ccae82da0288a93e8662135d6ece1aec67047d956fb26d082cfc1a5de98a5a62f2908b445be701a83b43a0868a\
    75f110c11db9c91e7076ee51a1faa814a73db02952bc7e5e98021cbf37daa987b9a776ca05a1da87f7b32d878e60a1c35877\
    024a5ae4c841efe76ba2009bb16bd10684091fddf01b6174b4dde01fc5ce3266317d9a400825fd2cebbd4d779d2f0a87bd76\
    034d2343b1492636800a3ac90e3c9fca6008d5a877130067a0fc8136d42982e0e097d1f826669b21b13c32831c6c37b11bfc\
    2c74bfa049f3",
    exponent: "\
    1f27c1cd145219a5296a0805214fb6cc5508660111b26d5b81dbf91828db6a434cd20a8320bde442d392813ed5835f422e0e\
    06aad61bfaa060dd2defb8423409c85e5942a1f5e0f58678880836439e5f8630355713f45b46c2980f95a4a973885d41a605\
    b9fbfd55b4c41080a2ee888b602c9000b6b320a0b2bd457af596eba80d0bfb52fb562f47eb9b40e73bc4dd15794b5ae3586f\
    ae56a99ec818a69fdc0866d551ee143cc27a8ac7b20e710bb3f2ed0aaeed49223134e00f267588e7945f120f59097f0c5160\
    a664e8566d32fe19a96adc5ccca92969f5f1f9489ca9a2b46cf1c831ac37d637e585cd83f1eed1510903aa72a17d04755973\
    d8dc6f1afe1d",
};

/// 1024 bits: too short for anything.
pub(crate) const SHORT: RsaKey = RsaKey {
    modulus: "\
    b0813f4b00dd7923cb2bd355142a1fed893a540032a95d7ee8c692a20293e0e46a668f9bf5d744c5e26a91247dd4ad3ea3a8\
    e99362d6b539f999a21086df9f197f8767a76642ae6f1873586545b099cd35e00022e023ad1da343818d37f854518ad21f9a\
    3c13d6addcbeb49c25f2661c1c5299a2e8791b95efb2b0788c76fd95",
    exponent: "\
    13b83cf40a42b4381588edf181713b63f482f9c393e56c36b3970be6e1d6d7b76d53cc13a6a1c8633b6aa090ad2647bcc9d8\
    23507e2872d2e95a0acb41e65605f9c08171b16d4f1ddaf86776679a8af5a1b27642cbae4b4f9f393d87277cce36c2fc38b2\
    31dacdef4270982d4ff99b4cbe798ad126b8ad739c44686463645001",
};
