//! `[cloud.passkeys]`: the site whose passkeys pass challenges.
//!
//! Passkeys are registered for a relying party for ever, so its id must be right before the first of them: an id that no
//! origin here could ask for is refused as a typo.

use glacis_attest::Site;
use glacis_edge::ConfigError;
use glacis_edge::config::reader::Keys;

/// Longest domain. Source: RFC 1035 §2.3.4.
const DOMAIN_BYTES_MAX: usize = 253;
/// Origin of an Android app: a digest of its signing certificate (base64url) after it.
const ANDROID: &str = "android:apk-key-hash:";

pub(super) fn passkeys(mut keys: Keys<'_>) -> Result<Site, ConfigError> {
    let rule = "must be a domain in lower case without scheme and port, such as shop.example";
    let id = keys.parsed("rp_id", rule, |text| is_domain(text).then(|| text.to_owned()))?;
    let id = keys.need("rp_id", id)?;
    let origins = keys.texts("origins")?;
    let origins = keys.need("origins", origins)?;
    if origins.is_empty() || !origins.iter().all(|origin| is_origin_of(origin, &id)) {
        let rule = format!(
            "must be a list, not empty, of https://{id}, https://….{id} (each with its port, if any) and {ANDROID}…"
        );
        return Err(keys.bad("origins", rule));
    }
    keys.finish()?;
    Ok(Site { id, origins: origins.into_iter().map(ToOwned::to_owned).collect() })
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = text.rsplit('.').next().is_some_and(is_number);
    text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label) && !is_address
}

/// Whether a browser or a platform could let this origin ask for the relying party (WebAuthn Level 3 §5.1.2).
fn is_origin_of(origin: &str, id: &str) -> bool {
    if let Some(hash) = origin.strip_prefix(ANDROID) {
        return glacis_seal::text::parse_base64url_array::<32>(hash).is_some();
    }
    let Some(rest) = origin.strip_prefix("https://") else { return false };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let own = host == id || host.strip_suffix(id).is_some_and(|sub| sub.ends_with('.') && is_domain(host));
    // A browser leaves the port out that goes without saying.
    let is_port = |port: &str| {
        port.parse::<u16>().is_ok_and(|number| number.to_string() == port && ![0, 443].contains(&number))
    };
    own && port.is_none_or(is_port)
}
