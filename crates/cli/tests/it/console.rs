//! The console of a running installation: a link over its socket, one session, the page.

use crate::installation::Installation;
use crate::live::ask_with;
use crate::{code, stderr, stdout};
use serde_json::{Value, json};

#[test]
fn a_link_from_the_socket_opens_the_console_once() {
    let installation = Installation::start();
    let at = installation.console;
    let made = installation.json(&["console"]);
    let link = made["link"].as_str().unwrap();
    let secret = link.strip_prefix(&format!("http://{at}/login#link=")).unwrap();
    assert!(made["expires_ms"].is_u64());
    let host = at.to_string();
    let own = [("host", host.as_str()), ("x-glacis-console", "1"), ("content-type", "application/json")];
    let ask = |method, path, fields: &[_], body: &str| ask_with(at, method, path, fields, body).unwrap();
    let sign_in = || ask("POST", "/console/v1/session", &own, &json!({ "link": secret }).to_string());
    let session = sign_in();
    assert_eq!(session.status, 201, "{}", session.body);
    assert_eq!(sign_in().status, 401, "once");
    let cookie = session.header("set-cookie").unwrap().split(';').next().unwrap();
    let asked = ask("GET", "/console/v1/overview", &[("host", host.as_str()), ("cookie", cookie)], "");
    let overview: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((overview["tenant"].as_str(), overview["policy_version"].as_u64()), (Some("acme"), Some(0)));
    let page = ask("GET", "/login", &[("host", host.as_str())], "");
    assert!(page.body.contains("<div id=\"app\">"), "{}", page.body);
}

#[test]
fn a_link_is_for_who_can_open_the_socket_and_a_token_makes_none() {
    let installation = Installation::start();
    let token = installation.token("ops", &["read", "tokens"]);
    let refused = installation.with_token(&token, &["console"]);
    assert_eq!(code(&refused), 4, "{}", stderr(&refused));
    let printed = installation.run(&["console"]);
    assert!(stdout(&printed).starts_with("http://127.0.0.1:"), "{}", stdout(&printed));
}
