//! Public keys of the roots that Google and Apple publish, as base64 of DER `SubjectPublicKeyInfo`.
//!
//! Keys, not certificates: certificates end (Google's first one did in May 2026), their keys live on in new ones. Each
//! constant says where the key is published. Whoever wants fewer, or others, builds [`crate::Roots`] by hand.

use glacis_seal::text::parse_base64;

/// The bytes of a constant of this file.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    parse_base64(text)
}

/// Google, RSA 4096, since 2016; <https://android.googleapis.com/attestation/root>.
pub(crate) const GOOGLE_RSA: &str = "\
    MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAr7bHgiuxpwHsK7Qui8xUFmOr75gvMsd/dTEDDJdSSxtf6An7xyqpRR90\
    PL2abxM1dEqlXnf2tqw1Ne4Xwl5jlRfdnJLmN0pTy/4lj4/7tv0Sk3iiKkypnEUtR6WfMgH0QZfKHM1+di+y9TFRtv6y//0rb+T+\
    W8a9nsNL/ggjnar86461qO0rOs2cXjp3kOG1FEJ5MVmFmBGtnrKpa73XpXyTqRxB/M0n1n/W9nGqC4FSYa04T6N5RIZGBN2z2MT5\
    IKGbFlbC8UrW0DxW7AYImQQcHtGl/m00QLVWutHQoVJYnFPlXTcHYvASLu+RhhsbDmxMgJJ0mcDpvsC4PjvB+TxywElgS70vE0Xm\
    LD+OJtvsBslHZvPBKCOdT0MS+tgSOIfga+z1Z1g7+DVagf7quvmag8jfPioyKvxnK/EgsTUVi2ghzq8wm27ud/mIM7AY2qEORR8G\
    o3TVB4HzWQgpZrt3i5MIlCaY504LzSRiigHCzAPlHws+W0rB5N+er5/2pJKnfBSDiCiFAVtCLOZ7gLiMm0jhO2B6tUXHI/+MRPjy\
    02i59lINMRRev56GKtcd9qO/0kUJWdZTdA2XoS82ixPvZtXQpUpuL12ab+9EaDK8Z4RHJYYfCT3Q5vNAXaiWQ+8PTWm2QgBR/bkw\
    SWc+NpUFgNPN9PvQi8WEg5UmAGMCAwEAAQ==";

/// Google, P-384, "Key Attestation CA1", since 2025; <https://android.googleapis.com/attestation/root>.
pub(crate) const GOOGLE_P384: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEI9ojcU7fPlsFCjxy6IRqzgeOoK0b+YsV9FPQywiyw8EQRTkJ9u3qwfnI4DGoSLlBqClT\
    XJfgfCcZvs60FikNMHnu4fkRzObfgDkU2KNXezT9/RQ+XvNslxPHrHCowhGr";

/// Apple App Attestation Root CA, P-384; <https://www.apple.com/certificateauthority/private/>.
pub(crate) const APPLE_APP_ATTESTATION: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAERTHhmLW07ATaFQIEVwTtT4dyctdhNbJhFs/Ii2FdCgAHGbpphY3+d8qjuDngIN3WVhQU\
    BHAoMeQ/cLiP1sOUtgjqK9auYen1mMEvRq9Sk3Jm5X8U62H+xTD3FE9TgS41";

/// Apple WebAuthn Root CA, P-384; <https://www.apple.com/certificateauthority/private/>.
pub(crate) const APPLE_WEBAUTHN: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEIkJDalNWHOOXhajoiEe0xIDM7Zy/4f0NAp6/f/98bn0bXWTG714jT/ujpXm5KEGl7W7q\
    XqZLX1LUUSHrIaWOdkAn7YY0/WaL9graRJci5MePED+lyhF/teQ607ijWqVx";

/// Apple Root CA - G3, P-384; <https://www.apple.com/certificateauthority/>.
pub(crate) const APPLE_G3: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEmOkvPUBypO2TInKBExzdEJXxxaNOcdwUFtkO5aYFKndke19OONO7HES1f/UftjJiXcnp\
    hFtPME8RWgD9WFgMpfUPLE0HRxN12peXl28xXO0rnXsgO9i5VNlemaQ6UQox";

/// Android's software attestation root, P-256: emulators. Its private key is in the source of Android.
#[cfg(feature = "android-key")]
pub(crate) const ANDROID_SOFTWARE_P256: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7l1ex+HA220Dpn7mthvsTWpdamguD/9/SQ59dx9EIm29sa/6FsvHrcV30lacqrew\
    LVQBXT5DKyqO107sSHVBpA==";

/// Android's software attestation root, RSA 1024: too short to verify anything; known to be named.
#[cfg(feature = "android-key")]
pub(crate) const ANDROID_SOFTWARE_RSA: &str = "\
    MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCia63rbi5EYe/VDoLmt5TRdSMfd5tjkWP/96r/C3JHTsAsQ+wzfNes7UA+jCig\
    ZtX3hwszl94OuE4TQKuvpSe/lWmgMdsGUmX4RFlXYfC78hdLt0GAZMAoDo9Sd47b0ke2RekZyOmLw9vCkT/X11DEHTVm+Vfkl5YL\
    CazOkjWFmwIDAQAB";
