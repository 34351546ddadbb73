//! Access control.

use dvm_web::server::{Config, Error, Server};
use serde_json::json;

use crate::client::{Answer, JSON, PREDICT, Running, config, instance, picture};

const TOKEN: &str = "0123456789abcdef-secret";

fn with_token(mut config: Config) -> Config {
    config.token = Some(TOKEN.into());
    config
}

fn refused(config: Config) -> Error {
    Server::new(config).err().unwrap()
}

#[test]
fn a_host_name_that_is_not_allowed_is_refused() {
    let mut config = config();
    config.hosts = vec!["Explain.example.org".into()];
    let server = Running::new(config);
    let ask = |path, host| server.ask("GET", path, &[("Host", host)], b"");
    let status = |host| ask("/v2/models", host).status;
    for host in [
        "localhost",
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.168.1.7",
        "explain.example.org:443",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "xlocalhost",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    // Not even the page, and not health.
    for path in ["/", "/health", "/v2/health/live"] {
        let answer = ask(path, "evil.example");
        assert!(answer.refused(421).contains("`evil.example`"));
    }
    // The name in the request line is also checked.
    let answer = server.ask("GET", "http://evil.example/v2", &[], b"");
    assert_eq!(answer.status, 421);
    for raw in [
        "GET /v2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /v2 HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET /v2 HTTP/1.0\r\n\r\n",
    ] {
        assert_eq!(server.raw(raw.as_bytes()).status, 400, "{raw}");
    }
}

#[test]
fn pages_of_other_sites_cannot_change_or_read_anything() {
    let server = Running::new(config());
    let body = json!({ "instances": [instance(&picture())] }).to_string();
    let post = |origin: &str| {
        let headers = [JSON, ("Origin", origin), ("Host", "localhost:8080")];
        server.ask("POST", PREDICT, &headers, body.as_bytes())
    };
    assert_eq!(post("http://localhost:8080").status, 200);
    for origin in [
        "https://evil.example",
        "http://localhost:9999",
        "null",
        "http://127.0.0.1:8080",
        "x",
    ] {
        post(origin).refused(403);
    }
    // A page can send requests that change nothing, but its browser hides the answer.
    let answer = server.ask("GET", "/v2", &[("Origin", "https://evil.example")], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(
        answer.header("cross-origin-resource-policy"),
        Some("same-origin")
    );
    // The preflight request of a browser.
    let headers = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let answer = server.ask("OPTIONS", PREDICT, &headers, b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn an_allowed_site_can_use_the_server_with_the_token() {
    let mut config = config();
    config.origins = vec!["https://good.example".into()];
    config.token = Some(TOKEN.into());
    let server = Running::new(config);
    let origin = ("Origin", "https://good.example");
    let allowed_origin = |answer: &Answer| {
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some(origin.1));
    };
    let headers = [
        origin,
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type",
        ),
    ];
    let answer = server.ask("OPTIONS", PREDICT, &headers, b"");
    assert_eq!(answer.status, 200);
    allowed_origin(&answer);
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"));
    let bearer = format!("Bearer {TOKEN}");
    let headers = [origin, JSON, ("Authorization", &bearer)];
    let body = json!({ "instances": [instance(&picture())] }).to_string();
    let answer = server.ask("POST", PREDICT, &headers, body.as_bytes());
    assert_eq!(answer.status, 200);
    allowed_origin(&answer);
    // Error answers can also be read.
    let answer = server.ask("POST", PREDICT, &headers[..2], body.as_bytes());
    assert_eq!(answer.status, 401);
    allowed_origin(&answer);
}

#[test]
fn without_the_token_only_the_page_and_health_are_served() {
    let server = Running::new(with_token(config()));
    for path in [
        "/",
        "/page.js",
        "/page.css",
        "/health",
        "/v2/health/live",
        "/v2/health/ready",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in [
        "/metrics",
        "/openapi.json",
        "/v1/models",
        "/v1/models/net",
        "/v2",
        "/v2/models/net/ready",
        "/api/info",
        "/nothing",
    ] {
        let answer = server.get(path);
        let error = answer.refused(401);
        assert!(error.contains("Authorization: Bearer"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let with = |value: &str| {
        let headers = [("Authorization", value)];
        server.ask("GET", "/v1/models", &headers, b"").status
    };
    assert_eq!(with(&format!("Bearer {TOKEN}")), 200);
    assert_eq!(with(&format!("bearer  {TOKEN}")), 200);
    let short = &TOKEN[..TOKEN.len() - 1];
    for wrong in [
        "Bearer",
        "Bearer ",
        TOKEN,
        &format!("Basic {TOKEN}"),
        &format!("Bearer {short}"),
        &format!("Bearer {TOKEN}x"),
        "Bearer 0123456789abcdef-Secret",
    ] {
        assert_eq!(with(wrong), 401, "{wrong}");
    }
}

#[test]
fn requests_are_refused_before_their_body_is_received() {
    let server = Running::new(with_token(config()));
    let head = "POST /v1/models/net:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n";
    server.raw(head.as_bytes()).refused(401);
}

#[test]
fn a_server_that_other_machines_can_reach_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.7:8080"] {
        let mut open = config();
        open.listen = address.parse().unwrap();
        let error = refused(open).to_string();
        assert!(error.contains("a token is needed"), "{error}");
        let mut closed = with_token(config());
        closed.listen = address.parse().unwrap();
        assert!(Server::new(closed).is_ok());
    }
}

#[test]
fn a_short_or_invalid_token_is_an_error() {
    for token in ["", "short", "with spaces in between", "línea-de-más-de-16"] {
        let mut config = config();
        config.token = Some(token.into());
        assert!(matches!(refused(config), Error::Token(_)), "{token}");
    }
}

#[test]
fn an_invalid_origin_is_an_error() {
    for origin in [
        "*",
        "example.org",
        "https://example.org/",
        "https://example.org/page",
        "null",
    ] {
        let mut config = config();
        config.origins = vec![origin.into()];
        assert!(matches!(refused(config), Error::Origin(_)), "{origin}");
    }
}

#[test]
fn answers_have_security_headers() {
    let server = Running::new(config());
    for path in ["/", "/v2", "/nothing", "/health"] {
        let answer = server.get(path);
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("cache-control").is_some());
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let policy = server.get("/");
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("style-src 'self'"));
}

#[test]
fn every_answer_has_an_id_and_a_clients_id_is_kept() {
    let server = Running::new(config());
    let id = |headers: &[(&str, &str)]| {
        let answer = server.ask("GET", "/health", headers, b"");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_ne!(id(&[]), id(&[]));
    assert_eq!(id(&[("X-Request-Id", "my-id_7.a")]), "my-id_7.a");
    let long = "a".repeat(65);
    for odd in ["a b", "<script>", &long] {
        assert_ne!(id(&[("X-Request-Id", odd)]), odd);
    }
}
