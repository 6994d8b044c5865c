//! What each host can do, as data, and the check of a configuration against it.
//!
//! Nothing is weakened for a host: what a route needs and its host lacks is an error at start that names both, and
//! where only a request can tell, that request is refused.

use glacis_edge::EdgeConfig;
use glacis_edge::config::{Mode, RouteConfig, Segment};

/// Which bodies a host brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyReach {
    /// All of a body.
    Whole,
    /// None: it knows only whether there is one.
    None,
}

/// What a host can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Its name in the configuration and in errors.
    pub name: &'static str,
    /// Which bodies it brings.
    pub body: BodyReach,
    /// Whether it compares a body with its signed digest while the body goes on, so that it need not fit into memory.
    pub streaming: bool,
    /// Whether it sees the service's answer; routes are learnt from those.
    pub response: bool,
    /// Whether it takes every header with our prefix out of a request, not only those that a proxy's configuration
    /// can name.
    pub strips_unknown: bool,
}

/// The built-in gateway.
pub const GATEWAY: Capabilities = Capabilities {
    name: "gateway",
    body: BodyReach::Whole,
    streaming: true,
    response: true,
    strips_unknown: true,
};
/// The service that Envoy asks.
pub const EXT_AUTHZ: Capabilities = Capabilities {
    name: "ext-authz",
    body: BodyReach::Whole,
    streaming: false,
    response: false,
    strips_unknown: true,
};
/// The service that nginx asks.
pub const AUTH_REQUEST: Capabilities = Capabilities {
    name: "auth-request",
    body: BodyReach::None,
    streaming: false,
    response: false,
    strips_unknown: false,
};
/// The layer inside a service.
pub const LAYER: Capabilities = Capabilities {
    name: "layer",
    body: BodyReach::Whole,
    streaming: false,
    response: true,
    strips_unknown: true,
};

/// Longest body of a decided route on a host that does not stream. Unit: bytes.
pub const BUFFER_MAX: usize = 4 << 20;

/// A configuration needs what its host lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route `{route}` needs {need}, which the host `{host}` lacks: {remedy}")]
pub struct LackError {
    route: String,
    host: &'static str,
    need: &'static str,
    remedy: &'static str,
}

impl LackError {
    /// The route, as `METHOD /path`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The host.
    pub const fn host(&self) -> &'static str {
        self.host
    }
}

impl Capabilities {
    /// Whether a host of these capabilities can do what `config` asks for.
    ///
    /// # Errors
    /// The first route that needs what the host lacks.
    pub fn check(&self, config: &EdgeConfig) -> Result<(), LackError> {
        config.routes.iter().try_for_each(|route| match self.lack(route) {
            Some((need, remedy)) => Err(LackError { route: shown(route), host: self.name, need, remedy }),
            None => Ok(()),
        })
    }

    /// What `route` needs in vain, and what helps.
    fn lack(&self, route: &RouteConfig) -> Option<(&'static str, &'static str)> {
        route.event.as_ref()?;
        let may_have_body = route.body_max > 0;
        match self.body {
            BodyReach::None if route.reads_body() => Some((
                "the request's body, from which it reads fields",
                "serve it by a host that brings bodies, or read no `json` or `form` field",
            )),
            BodyReach::None if may_have_body && route.mode == Mode::Enforce => Some((
                "the request's body, to compare it with what was signed",
                "set `body_max_bytes = 0` where its requests have none, or serve it by a host that brings bodies",
            )),
            BodyReach::Whole if !self.streaming && route.body_max > BUFFER_MAX => Some((
                "a body of more than 4 MiB, compared while it goes on",
                "lower `body_max_bytes`, or serve it by the gateway",
            )),
            _ => None,
        }
    }
}

fn shown(route: &RouteConfig) -> String {
    let mut text = route.method.as_deref().unwrap_or("*").to_owned();
    text.push(' ');
    for segment in &route.path {
        text.push('/');
        match segment {
            Segment::Fixed(fixed) => text.push_str(fixed),
            Segment::Capture(name) => {
                text.push('{');
                text.push_str(name);
                text.push('}');
            }
            Segment::Rest => text.push_str("{*}"),
        }
    }
    if route.path.is_empty() {
        text.push('/');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &Capabilities, route: &str) -> String {
        let text = format!(
            "tenant = \"acme\"\nrealm = \"demo\"\nnode = \"n\"\nlisten = \"127.0.0.1:0\"\ncloud = \"127.0.0.1:9\"\n\
             [upstream.shop]\naddress = \"127.0.0.1:9\"\n[[route]]\nupstream = \"shop\"\n{route}"
        );
        let config = EdgeConfig::parse("edge.toml", &text).unwrap();
        host.check(&config).map_or_else(|error| error.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn a_route_that_needs_what_its_host_lacks_is_refused_and_named() {
        let json = "method = \"POST\"\npath = \"/pay/{id}\"\nevent = \"a.b\"\n[route.fields.payee]\njson = \"/payee\"\n";
        let signed = "path = \"/view\"\nevent = \"a.b\"\n";
        let bodiless = "path = \"/view\"\nevent = \"a.b\"\nbody_max_bytes = 0\n";
        let observed = "path = \"/view\"\nevent = \"a.b\"\nmode = \"observe\"\n";
        let plain = "path = \"/{*}\"\nbody_max_bytes = 1000000000\n";
        let large = "path = \"/upload\"\nevent = \"a.b\"\nbody_max_bytes = 5000000\n";
        for (host, route, want) in [
            (
                &AUTH_REQUEST,
                json,
                "route `POST /pay/{id}` needs the request's body, from which it reads fields",
            ),
            (&AUTH_REQUEST, signed, "route `* /view` needs the request's body, to compare"),
            (&AUTH_REQUEST, bodiless, "fits"),
            (&AUTH_REQUEST, observed, "fits"),
            (&AUTH_REQUEST, plain, "fits"),
            (&EXT_AUTHZ, json, "fits"),
            (&EXT_AUTHZ, plain, "fits"),
            (&EXT_AUTHZ, large, "route `* /upload` needs a body of more than 4 MiB"),
            (&LAYER, large, "route `* /upload` needs a body of more than 4 MiB"),
            (&GATEWAY, large, "fits"),
        ] {
            let got = check(host, route);
            assert!(got.starts_with(want), "{}: {got}", host.name);
            assert!(want == "fits" || got.contains(&format!("the host `{}` lacks: ", host.name)), "{got}");
        }
    }
}
