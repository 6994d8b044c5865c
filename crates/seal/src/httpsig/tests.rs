//! Tests of the text layer on hand-made fields; the RFC's vectors are in `tests/it/rfc9421.rs`.

use super::*;
use glacis_wire::Timestamp;
use glacis_wire::http::Request;

fn request() -> Request {
    Request {
        method: "POST".into(),
        authority: "Shop.example:8443".into(),
        path: "/transfers".into(),
        query: String::new(),
        headers: vec![
            ("X-A".into(), "  one ".into()),
            ("x-a".into(), "two\t".into()),
            ("empty".into(), "".into()),
        ],
        body: Vec::new(),
    }
}

fn base_of(field: &str) -> Result<String, HttpSigError> {
    let input = parse_input(field, "glacis")?.unwrap();
    let mut base = String::from("left over");
    input.write_base(&mut base, &request())?;
    Ok(base)
}

#[test]
fn base_has_one_line_a_component_and_canonical_parameters() {
    let field = r#"other=1, glacis=(  "@method"   "@authority" "@path" "@query" "x-a" "empty" );created=5;  x;y=?0;z=1.50;tag="a\"b""#;
    let want = "\"@method\": POST\n\"@authority\": shop.example:8443\n\"@path\": /transfers\n\"@query\": ?\n\
        \"x-a\": one, two\n\"empty\": \n\"@signature-params\": (\"@method\" \"@authority\" \"@path\" \"@query\" \
        \"x-a\" \"empty\");created=5;x;y=?0;z=1.5;tag=\"a\\\"b\"";
    assert_eq!(base_of(field).unwrap(), want);
}

#[test]
fn what_is_signed_is_what_is_verified() {
    let params = Params {
        created: Some(7),
        expires: Some(9),
        nonce: Some("12".into()),
        keyid: Some("k\\\"".into()),
        alg: Some(Algorithm::HmacSha256.name().into()),
        tag: Some(profile::TAG_REQUEST.into()),
    };
    let names: &[&str] = &["@method", "@path", "x-a"];
    let (mut base, mut input) = (String::new(), String::new());
    write_base(
        &mut base,
        &mut input,
        &request(),
        &Cover { label: "glacis", components: names, params: params.clone() },
    )
    .unwrap();
    let parsed = parse_input(&input, "glacis").unwrap().unwrap();
    assert!(parsed.covers(names) && parsed.has_profile_params());
    assert!(!parsed.covers(&["@method", "@path"]) && !parsed.covers(&["@path", "@method", "x-a"]));
    assert_eq!(parsed.params, params);
    let mut again = String::new();
    parsed.write_base(&mut again, &request()).unwrap();
    assert_eq!(again, base);
}

#[test]
fn malformed_signature_inputs_are_refused_by_kind() {
    use HttpSigErrorKind::*;
    for (field, kind) in [
        ("glacis", Syntax),
        ("glacis=", Syntax),
        ("glacis=(", Syntax),
        (r#"glacis=("@method""#, Syntax),
        (r#"glacis=("@method")x"#, Syntax),
        (r#"glacis=("@method""@path")"#, Syntax),
        (r#"glacis=(@method)"#, Syntax),
        (r#"glacis=("X-Upper")"#, Syntax),
        (r#"glacis=("a b")"#, Syntax),
        (r#"glacis=("@method"),"#, Syntax),
        (r#"glacis=("@method"),,a=1"#, Syntax),
        (r#"glacis=("@method");created=x"#, Parameter),
        (r#"glacis=("@method");created=-1"#, Parameter),
        (r#"glacis=("@method");created=1.0"#, Parameter),
        (r#"glacis=("@method");created=1234567890123456"#, Syntax),
        (r#"glacis=("@method");nonce=5"#, Parameter),
        (r#"glacis=("@method");created=1;created=1"#, Duplicate),
        (r#"glacis=("@method");x;x"#, Duplicate),
        (r#"glacis=("@method" "@method")"#, Duplicate),
        (r#"glacis=("@method"), glacis=("@path")"#, Duplicate),
        (r#"glacis=("@method";req)"#, Unsupported),
        (r#"glacis=("x-a";sf)"#, Unsupported),
        (r#"glacis=("@unheard-of")"#, Unsupported),
        (r#"glacis=("@query-param")"#, Unsupported),
        ("glacis=(\"@method\")\n", Syntax),
        ("glacis=(\"ä\")", Syntax),
    ] {
        assert_eq!(parse_input(field, "glacis").unwrap_err().kind, kind, "{field}");
    }
    assert_eq!(parse_input(&format!("glacis=(){}", " ".repeat(5_000)), "glacis").unwrap_err().kind, TooLarge);
    let many: String = (0..33).map(|at| format!("\"h{at}\" ")).collect();
    assert_eq!(parse_input(&format!("glacis=({many})"), "glacis").unwrap_err().kind, TooLarge);
    assert_eq!(parse_input("", "glacis").unwrap(), None);
    assert_eq!(parse_input("other=()", "glacis").unwrap(), None);
}

#[test]
fn a_base_over_missing_or_unsignable_values_is_refused() {
    use HttpSigErrorKind::*;
    assert_eq!(base_of(r#"glacis=("absent")"#).unwrap_err().kind, MissingComponent);
    assert_eq!(base_of(r#"glacis=("@status")"#).unwrap_err().kind, MissingComponent);
    assert_eq!(base_of(r#"glacis=("@query-param";name="q")"#).unwrap_err().kind, MissingComponent);
    let mut request = request();
    request.headers.push(("bad".into(), "a\nb".into()));
    let input = parse_input(r#"glacis=("bad")"#, "glacis").unwrap().unwrap();
    assert_eq!(input.write_base(&mut String::new(), &request).unwrap_err().kind, Value);
    request.query = "?q=1&q=2".into();
    let input = parse_input(r#"glacis=("@query-param";name="q")"#, "glacis").unwrap().unwrap();
    assert_eq!(input.write_base(&mut String::new(), &request).unwrap_err().kind, Unsupported);
}

#[test]
fn query_parameters_are_decoded_and_encoded_again() {
    // RFC 9421 §2.2.8, second example.
    let mut request = request();
    request.query = "?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something".into();
    let field = r#"glacis=("@query-param";name="var" "@query-param";name="bar" "@query-param";name="fa%C3%A7ade%22%3A%20")"#;
    let mut base = String::new();
    parse_input(field, "glacis").unwrap().unwrap().write_base(&mut base, &request).unwrap();
    let values: Vec<&str> = base
        .lines()
        .filter_map(|line| line.split_once("\": ").or(line.split_once("\"; ")))
        .map(|(_, v)| v)
        .collect();
    assert_eq!(
        values[..3],
        ["this%20is%20a%20big%0Amultiline%20value", "with%20plus%20whitespace", "something"]
    );
}

#[test]
fn signatures_are_read_strictly() {
    let sixty_four = crate::text::base64url(&[0xff; 66]).replace('_', "/");
    let sixty_four = sixty_four.get(..88).unwrap();
    for (field, want) in [
        ("glacis=:AQID:", Some(vec![1, 2, 3])),
        ("a=:AQID:, glacis=::", Some(vec![])),
        ("a=:AQID:", None),
        ("", None),
    ] {
        assert_eq!(parse_signature(field, "glacis").unwrap().map(|s| s.to_vec()), want, "{field}");
    }
    for field in
        ["glacis=AQID", "glacis=:AQI:", "glacis=:AQIE=:", "glacis=:AQID", "glacis=:AQID:,", "glacis=\"AQID\""]
    {
        assert!(parse_signature(field, "glacis").is_err(), "{field}");
    }
    assert_eq!(
        parse_signature("glacis=:AQID:,glacis=:AQID:", "glacis").unwrap_err().kind,
        HttpSigErrorKind::Duplicate
    );
    let long = format!("glacis=:{sixty_four}:");
    assert_eq!(parse_signature(&long, "glacis").unwrap_err().kind, HttpSigErrorKind::TooLarge);
}

#[test]
fn content_digests_round_trip_and_demand_sha_256() {
    let digest = crate::sha256(b"{\"hello\": \"world\"}");
    let field = content_digest(&digest);
    // RFC 9530 appendix D.
    assert_eq!(field, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
    assert_eq!(parse_content_digest(&field).unwrap(), digest);
    assert_eq!(parse_content_digest(&format!("md5=:AQID:, {field}")).unwrap(), digest);
    for bad in [
        "",
        "sha-256",
        "sha-256=:AQID:",
        "sha-512=:AQID:",
        "sha-256=1",
        &format!("{field},{field}"),
        &format!("{field},"),
    ] {
        assert!(parse_content_digest(bad).is_err(), "{bad}");
    }
}

#[test]
fn byte_sequences_are_read_strictly() {
    assert_eq!(sfv::bytes(&[1, 2, 3]), ":AQID:");
    assert_eq!(sfv::parse_bytes(":AQID:", 3).unwrap(), [1, 2, 3]);
    assert_eq!(sfv::parse_bytes("::", 0).unwrap(), Vec::<u8>::new());
    assert_eq!(sfv::parse_bytes(":AQID:", 2).unwrap_err().kind, HttpSigErrorKind::TooLarge);
    assert_eq!(sfv::parse_bytes_array::<3>(":AQID:").unwrap(), [1, 2, 3]);
    for bad in ["", ":", "AQID", ":AQID", ":AQI:", ":AQ ID:", ":AQID:;a", ":AQIE=:", "(:AQID:)"] {
        assert!(sfv::parse_bytes(bad, 10).is_err(), "{bad}");
        assert!(sfv::parse_bytes_array::<3>(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_time_window_is_sixty_seconds_and_thirty_of_skew() {
    let now = Timestamp::from_secs(1_000);
    let timely = |created, expires| {
        profile::is_timely(
            &Params { created: Some(created), expires: Some(expires), ..Params::default() },
            now,
        )
    };
    assert!(timely(1_000, 1_060) && timely(1_030, 1_090) && timely(910, 970) && timely(1_000, 1_000));
    assert!(!timely(1_000, 1_061) && !timely(1_031, 1_040) && !timely(910, 969) && !timely(1_001, 1_000));
    assert!(!profile::is_timely(&Params { created: Some(1_000), ..Params::default() }, now));
    assert!(!timely(u64::MAX, u64::MAX));
}
