//! Signatures of webhooks as standard-webhooks has them: HMAC-SHA256 over id, time and body, under a shared secret.
//!
//! The signed bytes are the standard's, so the purpose and the tenant are not in them: a secret belongs to one
//! receiver and is used for nothing else. A secret is shown nowhere and comes in as its text only.

use crate::error::SealError;
use crate::text;
use aws_lc_rs::hmac;

/// The secret shared with one receiver.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// From `whsec_` and 24 to 64 bytes in base64, as the standard has it.
    pub fn parse(secret: &str) -> Result<Self, SealError> {
        let bytes = secret.strip_prefix("whsec_").and_then(text::parse_base64).ok_or(SealError::Key)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(SealError::Key);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// One entry of `webhook-signature`: `v1,` and the MAC over `id.seconds.body` in base64.
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut state = hmac::Context::with_key(&self.0);
        state.update(format!("{id}.{seconds}.").as_bytes());
        state.update(body);
        let mut entry = "v1,".to_owned();
        text::write_base64(&mut entry, state.sign().as_ref());
        entry
    }
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_has_its_signature() {
        // From the reference libraries of standard-webhooks.
        let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{key:?}"), "WebhookKey(…)");
    }

    #[test]
    fn a_secret_has_its_prefix_its_form_and_its_length() {
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8I", "whsec_%"]
        {
            assert!(WebhookKey::parse(bad).is_err(), "{bad}");
        }
        assert!(WebhookKey::parse(&format!("whsec_{}", "A".repeat(88))).is_err(), "66 bytes");
    }
}
