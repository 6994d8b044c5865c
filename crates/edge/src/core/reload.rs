//! Other settings while the node runs: checked whole, then in force by one pointer.
//!
//! Requests under way finish with the settings that they started with. What the tables of a running node are made of
//! (their sizes, its address, its name) stays; settings that would change it are refused, and nothing of them is taken.

use super::live::Live;
use super::{EdgeCore, ModeError};
use crate::config::{EdgeConfig, Mode};
use crate::state::lock;
use std::sync::{Arc, PoisonError};

/// Why settings were not taken; those in force stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// These keys need a new process.
    #[error("{} cannot change while the node runs: start it anew, or leave as before", .0.join(", "))]
    Fixed(Vec<&'static str>),
    /// The token key is not a key.
    #[error("token key is not usable")]
    Token,
    /// The change could not be audited, so it was not made.
    #[error(transparent)]
    Audit(#[from] ModeError),
}

impl EdgeCore {
    /// Audits that the files of TLS were read again, before what they hold is in force.
    pub(crate) fn audit_certificates(&self, actor: &str) -> Result<(), ReloadError> {
        Ok(self.audit(actor, "reload", "certificates and CAs read again".to_owned())?)
    }

    /// Whether other settings would change anything.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn would_reload(&self, config: &EdgeConfig) -> Result<bool, ReloadError> {
        Ok(other(&self.live(), config.clone())?.is_some())
    }

    /// Puts other settings in force, audited; whether anything changed.
    ///
    /// # Errors
    /// If a setting changed that a running node cannot change; then nothing does.
    pub fn reload(&self, config: EdgeConfig, actor: &str) -> Result<bool, ReloadError> {
        let _one_at_a_time = lock(&self.operating);
        // No bundle may come in between, or it would be planned for routes that are gone.
        let _published = lock(&self.published);
        let Some(live) = other(&self.live(), config)?.map(Arc::new) else { return Ok(false) };
        self.audit(actor, "reload", summary(&live.config))?;
        let limits = &live.config.limits;
        self.prefixes.set_rate(limits.prefix);
        self.devices.set_rate(limits.device);
        self.asymmetric.set_rate(limits.asymmetric);
        self.modes.reconfigure(&live.config);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        self.facts.reloaded();
        Ok(true)
    }
}

/// What would be in force under `config`; `None` where that is in force already.
fn other(before: &Live, config: EdgeConfig) -> Result<Option<Live>, ReloadError> {
    if config == *before.config {
        return Ok(None);
    }
    let fixed = fixed(&before.config, &config);
    if !fixed.is_empty() {
        return Err(ReloadError::Fixed(fixed));
    }
    before.with_config(config).map(Some).map_err(|_| ReloadError::Token)
}

/// What the audit says of settings: enough to see that enforcement went, nothing secret.
fn summary(config: &EdgeConfig) -> String {
    let events = config.routes.iter().filter(|route| route.event.is_some());
    let (decided, enforced) =
        (events.clone().count(), events.filter(|route| route.mode == Mode::Enforce).count());
    format!("{} routes, {decided} of them decided, {enforced} enforced", config.routes.len())
}

/// The keys that differ and may not.
fn fixed(old: &EdgeConfig, new: &EdgeConfig) -> Vec<&'static str> {
    let differs = [
        ("tenant", old.tenant != new.tenant),
        ("realm", old.realm != new.realm),
        ("node", old.node != new.node),
        ("listen", old.listen != new.listen),
        ("threads", old.threads != new.threads),
        ("cloud", old.cloud != new.cloud),
        ("limits.rate_keys", old.limits.rate_keys != new.limits.rate_keys),
        ("limits.legs", old.limits.legs != new.limits.legs),
        ("limits.events", old.limits.events != new.limits.events),
        ("limits.journal_bytes", old.limits.journal_bytes != new.limits.journal_bytes),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl Fn(&str) -> String) -> EdgeConfig {
        let text = r#"
            tenant = "t"
            realm = "demo"
            node = "n"
            listen = "127.0.0.1:1"
            cloud = "127.0.0.1:2"
            threads = 1
            [limits]
            legs = 16
            events = 16
            rate_keys = 1024
            journal_bytes = 262144
            [upstream.a]
            address = "127.0.0.1:3"
            [[route]]
            path = "/{*}"
            upstream = "a"
        "#;
        EdgeConfig::parse("edge.toml", &change(text)).unwrap()
    }

    #[test]
    fn each_key_that_may_not_change_is_named() {
        let base = config(str::to_owned);
        for (from, to, key) in [
            (r#"tenant = "t""#, r#"tenant = "u""#, "tenant"),
            (r#"realm = "demo""#, r#"realm = "production""#, "realm"),
            (r#"node = "n""#, r#"node = "m""#, "node"),
            ("127.0.0.1:1", "127.0.0.1:9", "listen"),
            ("127.0.0.1:2", "127.0.0.1:9", "cloud"),
            ("threads = 1", "threads = 2", "threads"),
            ("legs = 16", "legs = 32", "limits.legs"),
            ("events = 16", "events = 32", "limits.events"),
            ("rate_keys = 1024", "rate_keys = 2048", "limits.rate_keys"),
            ("journal_bytes = 262144", "journal_bytes = 524288", "limits.journal_bytes"),
        ] {
            assert_eq!(fixed(&base, &config(|text| text.replace(from, to))), [key]);
        }
        let free = config(|text| text.replace("127.0.0.1:3", "127.0.0.1:4").replace("/{*}", "/a/{*}"));
        assert!(fixed(&base, &free).is_empty() && free != base);
    }
}
