//! Whose a slice is: what its header binds besides event and zone.
//!
//! The envelope of a bundle is signed for a tenant and a realm as well, but a slice is kept, cached and passed on
//! without it. So the slice itself says for whom it was made, and each zone asks before it runs one.
//!
//! An edge and a cloud serve every app of their tenant; a device is one app, and runs what is for it or for all.

use core::fmt;
use glacis_wire::limits::{APP_BYTES_MAX, TENANT_BYTES_MAX};
use glacis_wire::{
    AppName, Decode, DecodeError, Digest, Encode, EncodeError, EventName, NameError, PolicyDigest, Reader,
    Realm, TenantId, Writer, Zone,
};

/// The customer, in the realm of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The customer.
    pub tenant: TenantId,
    /// The realm.
    pub realm: Realm,
}

/// Whose a slice is, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// For whom it was made. Nobody: it runs where it was made, as in a backtest, and no zone accepts it.
    pub owner: Option<Owner>,
    /// The app whose devices run it; `None`: every app of the tenant.
    pub app: Option<AppName>,
    /// The policy that it was cut from.
    pub policy: PolicyDigest,
    /// The catalogue that the policy was compiled against: all of it, not only what the policy reads.
    pub catalogue: Digest,
}

impl Binding {
    /// For nobody.
    pub const fn unbound(policy: PolicyDigest) -> Self {
        Self { owner: None, app: None, policy, catalogue: Digest::new([0; Digest::LEN]) }
    }

    /// Refuses what was made for another tenant or realm, or for nobody.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check_owner(&self, tenant: &TenantId, realm: Realm) -> Result<(), Foreign> {
        let owner = self.owner.as_ref().ok_or(Foreign::Unbound)?;
        if owner.tenant != *tenant {
            return Err(Foreign::Tenant);
        }
        if owner.realm == realm { Ok(()) } else { Err(Foreign::Realm) }
    }

    /// Refuses what was made for an app that `app` is not. An app without a name runs what is for every app.
    ///
    /// # Errors
    /// [`Foreign::App`].
    pub fn check_app(&self, app: Option<&AppName>) -> Result<(), Foreign> {
        if self.app.is_none() || self.app.as_ref() == app { Ok(()) } else { Err(Foreign::App) }
    }
}

/// Why a slice that loads is not for whom it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// It decides another event.
    Event,
    /// It is another zone's.
    Zone,
    /// It was cut from another policy.
    Policy,
    /// It was made for nobody.
    Unbound,
    /// It was made for another tenant.
    Tenant,
    /// It was made for another realm.
    Realm,
    /// It was made for another app.
    App,
    /// Its policy was compiled against another catalogue.
    Catalogue,
    /// There are two for its event.
    Twice,
}

impl Foreign {
    /// A stable name, for logs and for whoever sorts by it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Event => "slice-event",
            Self::Zone => "slice-zone",
            Self::Policy => "slice-policy",
            Self::Unbound => "slice-unbound",
            Self::Tenant => "slice-tenant",
            Self::Realm => "slice-realm",
            Self::App => "slice-app",
            Self::Catalogue => "slice-catalogue",
            Self::Twice => "slice-twice",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "it decides another event",
            Self::Zone => "it is for another zone",
            Self::Policy => "it was cut from another policy",
            Self::Unbound => "it was made for no tenant",
            Self::Tenant => "it was made for another tenant",
            Self::Realm => "it was made for another realm",
            Self::App => "it was made for another app",
            Self::Catalogue => "it was compiled against another catalogue",
            Self::Twice => "there are two for this event",
        })?;
        write!(f, " ({})", self.code())
    }
}

impl core::error::Error for Foreign {}

/// Of one size whatever the names are, so that a slice costs the same whomever it is bound to.
impl Encode for Binding {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let (tenant, realm) = match &self.owner {
            Some(owner) => (owner.tenant.as_str(), Some(owner.realm)),
            None => ("", None),
        };
        padded::<TENANT_BYTES_MAX>(tenant, out);
        realm.unwrap_or(Realm::Production).encode(out)?;
        padded::<APP_BYTES_MAX>(self.app.as_ref().map_or("", AppName::as_str), out);
        self.policy.encode(out)?;
        self.catalogue.encode(out)
    }
}

impl Decode for Binding {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tenant = unpadded::<TENANT_BYTES_MAX, _>(input, "tenant", TenantId::parse)?;
        let no_realm = input.invalid("realm of no tenant");
        let realm = Realm::decode(input)?;
        if tenant.is_none() && realm != Realm::Production {
            return Err(no_realm);
        }
        Ok(Self {
            owner: tenant.map(|tenant| Owner { tenant, realm }),
            app: unpadded::<APP_BYTES_MAX, _>(input, "app", AppName::parse)?,
            policy: Decode::decode(input)?,
            catalogue: Decode::decode(input)?,
        })
    }
}

/// Length, bytes, and zeros up to the longest. A name's own type keeps it within that.
fn padded<const MAX: usize>(name: &str, out: &mut Writer) {
    let mut bytes = [0; MAX];
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.raw(&bytes);
}

fn unpadded<const MAX: usize, T>(
    input: &mut Reader<'_>,
    what: &'static str,
    parse: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Option<T>, DecodeError> {
    let invalid = input.invalid(what);
    let length = usize::from(input.u8()?);
    let bytes: [u8; MAX] = input.array()?;
    let (name, rest) = bytes.split_at_checked(length).ok_or(invalid)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(invalid);
    }
    if name.is_empty() {
        return Ok(None);
    }
    let name = core::str::from_utf8(name).map_err(|_| invalid)?;
    parse(name).map(Some).map_err(|_| invalid)
}

/// Whether a slice is what a bundle, or a publish, says that it is.
impl super::Slice {
    /// Refuses a slice of another event, zone, policy, tenant or realm.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check_place(
        &self,
        (event, policy): (&EventName, PolicyDigest),
        zone: Zone,
        (tenant, realm): (&TenantId, Realm),
    ) -> Result<(), Foreign> {
        if self.event() != event {
            return Err(Foreign::Event);
        }
        if self.zone() != zone {
            return Err(Foreign::Zone);
        }
        if self.policy() != policy {
            return Err(Foreign::Policy);
        }
        self.binding().check_owner(tenant, realm)
    }
}

#[cfg(test)]
mod tests {
    use super::{APP_BYTES_MAX, Binding, Foreign, Owner, TENANT_BYTES_MAX};
    use glacis_wire::{AppName, Decode, Digest, Encode, PolicyDigest, Realm, TenantId};

    fn binding(tenant: &str, app: Option<&str>) -> Binding {
        Binding {
            owner: Some(Owner { tenant: TenantId::parse(tenant).unwrap(), realm: Realm::Demo }),
            app: app.map(|app| AppName::parse(app).unwrap()),
            policy: PolicyDigest::new([1; 32]),
            catalogue: Digest::new([2; 32]),
        }
    }

    #[test]
    fn every_binding_has_one_form_of_one_size() {
        let unbound = Binding::unbound(PolicyDigest::new([1; 32]));
        let longest = binding(&"t".repeat(TENANT_BYTES_MAX), Some(&"A".repeat(APP_BYTES_MAX)));
        for binding in
            [&unbound, &binding("acme", None), &binding("acme", Some("com.example.bank")), &longest]
        {
            let bytes = binding.to_bytes().unwrap();
            assert_eq!(bytes.len(), unbound.to_bytes().unwrap().len());
            assert_eq!(Binding::from_bytes(&bytes).as_ref(), Ok(binding));
        }
        let bytes = binding("acme", None).to_bytes().unwrap();
        // Behind the tenant, its length beyond the longest, a byte of no name, a realm of nobody, behind no app.
        let app = 2 + TENANT_BYTES_MAX;
        for (at, byte) in [(5, b'x'), (0, 33), (1, b'A'), (0, 0), (app + 1, b'x'), (app, 129)] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert!(Binding::from_bytes(&bytes).is_err(), "{byte} at {at}");
        }
        let mut nobody = unbound.to_bytes().unwrap();
        nobody[1 + TENANT_BYTES_MAX] = Realm::Demo as u8;
        assert!(Binding::from_bytes(&nobody).is_err());
    }

    #[test]
    fn a_zone_knows_what_is_its_own() {
        let tenant = |name| TenantId::parse(name).unwrap();
        let acme = binding("acme", None);
        assert_eq!(acme.check_owner(&tenant("acme"), Realm::Demo), Ok(()));
        assert_eq!(acme.check_owner(&tenant("other"), Realm::Demo), Err(Foreign::Tenant));
        assert_eq!(acme.check_owner(&tenant("acme"), Realm::Production), Err(Foreign::Realm));
        let unbound = Binding::unbound(PolicyDigest::new([1; 32]));
        assert_eq!(unbound.check_owner(&tenant("acme"), Realm::Production), Err(Foreign::Unbound));
        let (bank, shop) = (AppName::parse("com.example.bank").unwrap(), AppName::parse("shop").unwrap());
        let for_bank = binding("acme", Some("com.example.bank"));
        assert_eq!(for_bank.check_app(Some(&bank)), Ok(()));
        assert_eq!(for_bank.check_app(Some(&shop)), Err(Foreign::App));
        assert_eq!(for_bank.check_app(None), Err(Foreign::App));
        assert_eq!([Some(&bank), None].map(|app| acme.check_app(app)), [Ok(()); 2]);
    }
}
