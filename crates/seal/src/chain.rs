//! The chain of a device's keys, checked: device key → app key → scene key.
//!
//! The chain begins below the device key, which the caller trusts already (by its certificate). Each statement is signed
//! by exactly the key before it, of the level that follows, and not past its end. That a key is held to its limits the
//! chain does not show; only the store that keeps it can do that.

use crate::context::{Context, Purpose};
use crate::envelope::open_envelope;
use crate::error::SealError;
use crate::key::thumbprint;
use glacis_wire::Timestamp;
use glacis_wire::message::custody::{KeyLevel, KeyStatement};
use glacis_wire::message::{PublicKey, Signed};

/// Checks a chain below `device_key`; what it says about its last key. An empty chain is [`ChainError::Broken`].
///
/// # Errors
/// If any link is not signed by the key before it, is out of order, or past its end.
pub fn open_chain(
    context: &Context,
    device_key: &PublicKey,
    chain: &[Signed],
    now: Timestamp,
) -> Result<KeyStatement, ChainError> {
    if chain.len() > LEVELS.len() {
        return Err(ChainError::Broken);
    }
    let (mut parent, mut last) = (*device_key, None);
    for (signed, level) in chain.iter().zip(LEVELS) {
        let statement: KeyStatement = open_envelope(signed, context, Purpose::KeyStatement, &parent)?;
        let named = statement.level == level && (level == KeyLevel::Scene) != statement.scene.is_empty();
        if !named || statement.parent != thumbprint(&parent) {
            return Err(ChainError::Broken);
        }
        if statement.not_after.is_some_and(|end| end < now) {
            return Err(ChainError::Expired);
        }
        parent = statement.key;
        last = Some(statement);
    }
    last.ok_or(ChainError::Broken)
}

/// Why a chain proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A link is missing, out of order, or about another parent.
    #[error("the chain of keys is broken")]
    Broken,
    /// A key is past its end.
    #[error("a key of the chain is past its end")]
    Expired,
    /// A link is not signed by the key before it.
    #[error(transparent)]
    Seal(#[from] SealError),
}

const LEVELS: [KeyLevel; 2] = [KeyLevel::App, KeyLevel::Scene];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::sign_envelope;
    use crate::key::SigningKey;
    use glacis_wire::message::Text;
    use glacis_wire::{Realm, TenantId};

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn context() -> Context {
        Context::new(TenantId::parse("acme").unwrap(), Realm::Demo)
    }

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_scalar(&[byte; 32]).unwrap()
    }

    fn statement(parent: &SigningKey, key: &SigningKey, scene: &str) -> KeyStatement {
        KeyStatement {
            parent: parent.thumbprint(),
            key: key.public(),
            level: if scene.is_empty() { KeyLevel::App } else { KeyLevel::Scene },
            scene: Text(scene.to_owned()),
            user_verification: true,
            uses_max: Some(3),
            not_after: Some(NOW),
            issued: NOW,
        }
    }

    fn signed(parent: &SigningKey, statement: &KeyStatement) -> Signed {
        sign_envelope(parent, &context(), Purpose::KeyStatement, statement).unwrap()
    }

    #[test]
    fn a_chain_ends_at_the_key_that_it_is_about() {
        let [device, app, pay] = [key(1), key(2), key(3)];
        let chain =
            [signed(&device, &statement(&device, &app, "")), signed(&app, &statement(&app, &pay, "pay"))];
        let last = open_chain(&context(), &device.public(), &chain, NOW).unwrap();
        assert_eq!(last, statement(&app, &pay, "pay"));
        assert_eq!(
            open_chain(&context(), &device.public(), &chain[..1], NOW).unwrap().key,
            app.public(),
            "an app key alone is a chain, too"
        );
    }

    #[test]
    fn a_chain_with_any_other_link_proves_nothing() {
        let [device, app, pay, thief] = [key(1), key(2), key(3), key(4)];
        let above = signed(&device, &statement(&device, &app, ""));
        let below = signed(&app, &statement(&app, &pay, "pay"));
        let open = |chain: &[Signed]| open_chain(&context(), &device.public(), chain, NOW);
        let broken = |chain: &[Signed]| assert!(open(chain).is_err(), "{chain:?}");
        broken(&[]);
        broken(core::slice::from_ref(&below));
        broken(&[below.clone(), above.clone()]);
        broken(&[above.clone(), below.clone(), below.clone()]);
        broken(&[above.clone(), signed(&thief, &statement(&app, &pay, "pay"))]);
        broken(&[above.clone(), signed(&app, &statement(&device, &pay, "pay"))]);
        broken(&[signed(&device, &statement(&device, &pay, "pay"))]);
        // A scene key cannot stand in for the app key above itself.
        broken(&[above.clone(), signed(&app, &statement(&app, &pay, ""))]);
        let other = Context::new(TenantId::parse("other").unwrap(), Realm::Demo);
        assert!(
            open_chain(&other, &device.public(), core::slice::from_ref(&above), NOW).is_err(),
            "another tenant"
        );
        let late = NOW.after(core::time::Duration::from_millis(1));
        assert_eq!(open_chain(&context(), &device.public(), &[above], late), Err(ChainError::Expired));
    }
}
