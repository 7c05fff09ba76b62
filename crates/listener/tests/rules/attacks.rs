//! The attack matrix: more than six hundred forged tokens, each refused for its own reason, and mutations of good ones, none accepted.
//!
//! Over 500 lines because it is one table, in groups, with a helper between.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_listener::{JwtVerifier, TokenRefused, VerifyToken as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, CLIENT, FakeServer, ISSUER, NOW, ServerKey, good_claims, verify, with};

/// A forged token and why it must be refused.
struct Attack {
    name: String,
    token: String,
    refused: TokenRefused,
}

/// The keys of the server, and the attacker's own.
struct Scene {
    ec: ServerKey,
    rsa: ServerKey,
    ed: ServerKey,
    forger: ServerKey,
    verifier: JwtVerifier,
}

impl Scene {
    fn set() -> Self {
        let (ec, rsa, ed) = (ServerKey::es256("ec"), ServerKey::rsa("rsa", Algorithm::RS256), ServerKey::ed25519("ed"));
        let verifier = FakeServer::with_keys(&[&ec, &rsa, &ed]).jwt_verifier();
        Self { ec, rsa, ed, forger: ServerKey::es256("ec"), verifier }
    }

    fn keys(&self) -> [&ServerKey; 3] {
        [&self.ec, &self.rsa, &self.ed]
    }

    fn attacks(&self) -> Vec<Attack> {
        let groups = [
            self.without_signature(),
            self.with_the_public_key_as_secret(),
            self.with_key_ids(),
            self.with_keys_inside(),
            self.with_extensions(),
            self.with_algorithms(),
            self.with_types(),
            self.with_times(),
            self.with_claims(),
            self.with_repeated_members(),
            self.with_forms(),
            self.with_signatures(),
        ];
        groups.into_iter().flatten().collect()
    }

    /// `none` in every case form.
    fn without_signature(&self) -> Vec<Attack> {
        let mut attacks = Vec::new();
        for form in 0..16_u8 {
            let name: String =
                "none".chars().enumerate().map(|(at, c)| if form >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
            let header = with(self.ec.header(), "alg", name.as_str().into()).to_string();
            let signed = self.ec.sign(&header, &good_claims().to_string());
            let unsigned = signed.rsplit_once('.').expect("a signature").0;
            attacks.push(attack(format!("{name}, signed"), &signed, TokenRefused::Algorithm));
            attacks.push(attack(format!("{name}, something as signature"), &format!("{unsigned}.AA"), TokenRefused::Algorithm));
            attacks.push(attack(format!("{name}, unsigned"), &format!("{unsigned}."), TokenRefused::Malformed("not signed")));
        }
        attacks
    }

    /// An HMAC whose secret is the public key, in every form that somebody might load it in.
    fn with_the_public_key_as_secret(&self) -> Vec<Attack> {
        let (pem, der, jwk) = (&self.rsa.public_pem, &self.rsa.public_der, self.rsa.public());
        let texts = [
            ("pem", pem.clone()),
            ("pem trimmed", pem.trim().to_owned()),
            ("pem behind a space", format!(" {pem}")),
            ("pem and a line end", format!("{pem}\n")),
            ("pem with CRLF", pem.replace('\n', "\r\n")),
            ("pem without line ends", pem.replace('\n', "")),
            ("pem without markers", pem.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n")),
            ("jwk", jwk.to_string()),
            ("jwk behind a space", format!(" {jwk}")),
            ("jwk with CRLF", format!("{jwk}\r\n")),
            ("jwk, pretty", serde_json::to_string_pretty(&jwk).expect("it is JSON")),
            ("key set", json!({"keys": [jwk]}).to_string()),
            ("modulus as text", jwk["n"].as_str().expect("a modulus").to_owned()),
            ("key id", "rsa".to_owned()),
            ("nothing", String::new()),
        ];
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("a modulus")).expect("base64url");
        // PKCS #1 stands at the end of SubjectPublicKeyInfo, behind 24 bytes for a key of 2048 bits.
        let bytes = [("der", der.clone()), ("pkcs1 der", der[24..].to_vec()), ("modulus", modulus)];
        let secrets: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).chain(bytes).collect();
        let mut attacks = Vec::new();
        for (name, secret) in secrets {
            for (algorithm, alg) in [
                (Algorithm::HS256, "HS256"),
                (Algorithm::HS384, "HS384"),
                (Algorithm::HS512, "HS512"),
                (Algorithm::HS256, "RS256"),
                (Algorithm::HS256, "PS256"),
            ] {
                let header = with(self.rsa.header(), "alg", alg.into()).to_string();
                let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good_claims().to_string()));
                let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(&secret), algorithm).expect("it signs");
                let refused = match alg {
                    "RS256" => TokenRefused::Signature,
                    // The published key says that it is for RS256.
                    "PS256" => TokenRefused::UnknownKey,
                    _ => TokenRefused::Algorithm,
                };
                attacks.push(attack(format!("{alg} with the {name} as secret"), &format!("{signed}.{mac}"), refused));
            }
        }
        attacks
    }

    fn with_key_ids(&self) -> Vec<Attack> {
        let strange = [
            "",
            " ",
            "ec ",
            " ec",
            "EC",
            "ec\0",
            "\0",
            "../../../../dev/null",
            "/dev/null",
            "file:///dev/null",
            "..\\..\\nul",
            "ec' OR '1'='1",
            "' UNION SELECT 'c2VjcmV0'--",
            "ec; ls",
            "$(id)",
            "`id`",
            "|id",
            "https://evil.example/jwks",
            "data:,ec",
            "ec%00",
            "\u{202e}ce",
            "e\u{301}c",
            "*",
            "0",
            "null",
            "{}",
            "ec\n",
            "ec\r\nX: y",
            "${jndi:ldap://evil.example}",
        ];
        let mut attacks: Vec<Attack> =
            strange.iter().map(|kid| self.headed(format!("kid {kid:?}"), "kid", (*kid).into(), TokenRefused::UnknownKey)).collect();
        attacks.push(self.headed("kid of 256 bytes", "kid", "k".repeat(256).into(), TokenRefused::UnknownKey));
        let long = || TokenRefused::Malformed("kid is longer than 256 bytes");
        attacks.push(self.headed("kid of 257 bytes", "kid", "k".repeat(257).into(), long()));
        attacks.push(self.headed("kid of 4 KiB", "kid", "k".repeat(4096).into(), long()));
        let oversize = || TokenRefused::Malformed("longer than 8 KiB");
        attacks.push(self.headed("kid of 64 KiB", "kid", "k".repeat(65_536).into(), oversize()));
        for wrong in [json!(1), json!(true), json!(["ec"]), json!({"ec": 1})] {
            attacks.push(self.headed(format!("kid {wrong}"), "kid", wrong, TokenRefused::Claim("kid")));
        }
        let null = self.ec.header().to_string().replace("\"kid\":\"ec\"", "\"kid\":null");
        attacks.push(attack("kid null", &self.ec.sign(&null, &good_claims().to_string()), TokenRefused::Claim("kid")));
        attacks
    }

    /// The token brings the key it wants to be verified with.
    fn with_keys_inside(&self) -> Vec<Attack> {
        let inside = [
            ("jwk", self.forger.public()),
            ("jwk", with(self.forger.public(), "kid", Value::Null)),
            ("jku", "https://evil.example/jwks".into()),
            ("jku", "https://id.example@evil.example/jwks".into()),
            ("jku", "https://id.example/../jwks".into()),
            ("x5u", "https://evil.example/certificate.pem".into()),
            ("x5c", json!(["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"])),
            ("x5t", "dGh1bWJwcmludA".into()),
            ("x5t#S256", "dGh1bWJwcmludA".into()),
        ];
        let mut attacks = Vec::new();
        for (number, (name, value)) in inside.into_iter().enumerate() {
            for (kid, refused) in [("ec", TokenRefused::Signature), ("forged", TokenRefused::UnknownKey)] {
                let header = with(with(self.forger.header(), "kid", kid.into()), name, value.clone()).to_string();
                let token = self.forger.sign(&header, &good_claims().to_string());
                attacks.push(attack(format!("{name} {number} with kid {kid}"), &token, refused));
            }
        }
        attacks
    }

    fn with_extensions(&self) -> Vec<Attack> {
        let extensions = [
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("crit", json!(["b64"])),
            ("crit", json!("exp")),
            ("crit", json!({})),
            ("crit", json!(["http://example.com/unknown"])),
            ("crit", json!(["alg", "typ"])),
            ("b64", json!(false)),
            ("b64", json!(true)),
            ("b64", json!("false")),
            ("zip", json!("DEF")),
            ("zip", json!("none")),
            ("zip", json!(1)),
        ];
        extensions
            .into_iter()
            .map(|(name, value)| self.headed(format!("{name} {value}"), name, value, TokenRefused::Extension(name)))
            .collect()
    }

    fn with_algorithms(&self) -> Vec<Attack> {
        let names = [
            "",
            " ",
            "es256",
            "ES256 ",
            " ES256",
            "ES256\0",
            "ES256\n",
            "ES256K",
            "ES384",
            "ES512",
            "RS384",
            "RS512",
            "PS384",
            "PS512",
            "RS1",
            "HS1",
            "dir",
            "A128KW",
            "RSA-OAEP",
            "RSA1_5",
            "ECDH-ES",
            "Ed25519",
            "Ed448",
            "EDDSA",
            "eddsa",
            "ML-DSA-44",
            "SHA256",
            "null",
            "false",
            "ＥＳ２５６",
        ];
        let mut attacks: Vec<Attack> =
            names.iter().map(|alg| self.headed(format!("alg {alg:?}"), "alg", (*alg).into(), TokenRefused::Algorithm)).collect();
        for wrong in [json!(1), json!(false), json!(["ES256"]), json!({"ES256": 1})] {
            attacks.push(self.headed(format!("alg {wrong}"), "alg", wrong, TokenRefused::Claim("alg")));
        }
        attacks.push(self.headed("no alg", "alg", Value::Null, TokenRefused::Claim("alg")));
        // The algorithm of one key with the id of another.
        for key in self.keys() {
            for other in self.keys().into_iter().filter(|other| other.id != key.id) {
                let header = with(key.header(), "kid", other.id.as_str().into()).to_string();
                let token = key.sign(&header, &good_claims().to_string());
                attacks.push(attack(format!("a token of {} with the id of {}", key.id, other.id), &token, TokenRefused::UnknownKey));
                let header = with(key.header(), "alg", other.header()["alg"].clone()).to_string();
                let token = key.sign(&header, &good_claims().to_string());
                attacks.push(attack(format!("a token of {} with the algorithm of {}", key.id, other.id), &token, TokenRefused::UnknownKey));
            }
        }
        attacks
    }

    /// Other JWTs of the same server, well signed: ID tokens, logout tokens, assertions, proofs.
    fn with_types(&self) -> Vec<Attack> {
        let kinds = [
            "JWT",
            "jwt",
            "",
            "at",
            "at+jwt ",
            " at+jwt",
            "at+jwt;a=b",
            "text/at+jwt",
            "application/at+jwt+x",
            "at+JWS",
            "JOSE",
            "id+jwt",
            "logout+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "token-introspection+jwt",
            "client-authentication+jwt",
            "oauth-authz-req+jwt",
            "application/jwt",
        ];
        let mut attacks: Vec<Attack> =
            kinds.iter().map(|kind| self.headed(format!("typ {kind:?}"), "typ", (*kind).into(), TokenRefused::Type)).collect();
        attacks.push(self.headed("no typ", "typ", Value::Null, TokenRefused::Type));
        for wrong in [json!(1), json!(["at+jwt"]), json!({})] {
            attacks.push(self.headed(format!("typ {wrong}"), "typ", wrong, TokenRefused::Claim("typ")));
        }
        let id_token = with(with(good_claims(), "nonce", "n".into()), "at_hash", "h".into()).to_string();
        let header = with(self.ec.header(), "typ", "JWT".into()).to_string();
        attacks.push(attack("an ID token", &self.ec.sign(&header, &id_token), TokenRefused::Type));
        attacks
    }

    fn with_times(&self) -> Vec<Attack> {
        let mut attacks = Vec::new();
        for name in ["exp", "iat", "nbf"] {
            let no_numbers = [
                "\"9999999999\"",
                "\"9\"",
                "\"never\"",
                "\"\"",
                "true",
                "false",
                "null",
                "[]",
                "[9999999999]",
                "{}",
                "{\"a\":1}",
                "-1",
                "-1e10",
                "1e300",
                "1e17",
                "18446744073709551615",
                "-0.5",
            ];
            for literal in no_numbers {
                attacks.push(self.claiming(name, literal, TokenRefused::Claim(name)));
            }
            // What is no JSON is no token.
            for literal in ["1e400", "NaN", "Infinity", "0x7fffffff", "01", "+1", ".5", "1.", "1_000", "'1'"] {
                attacks.push(self.claiming(name, literal, malformed_claims()));
            }
        }
        for (name, literal, refused) in [
            ("exp", "0".to_owned(), TokenRefused::Expired { seconds: NOW }),
            ("exp", "1e0".to_owned(), TokenRefused::Expired { seconds: NOW - 1 }),
            ("exp", (NOW - 61).to_string(), TokenRefused::Expired { seconds: 61 }),
            ("exp", format!("{}.999", NOW - 61), TokenRefused::Expired { seconds: 61 }),
            ("exp", (NOW + 86_391).to_string(), TokenRefused::TooLong),
            ("exp", "9007199254740991".to_owned(), TokenRefused::TooLong),
            ("iat", (NOW + 61).to_string(), TokenRefused::NotYet),
            ("nbf", (NOW + 61).to_string(), TokenRefused::NotYet),
            ("nbf", "9007199254740991".to_owned(), TokenRefused::NotYet),
            ("iat", "0".to_owned(), TokenRefused::TooLong),
        ] {
            attacks.push(self.claiming(name, &literal, refused));
        }
        attacks
    }

    fn with_claims(&self) -> Vec<Attack> {
        let mut attacks = Vec::new();
        let mut add = |name: &'static str, literals: &[&str], refused: &dyn Fn() -> TokenRefused| {
            attacks.extend(literals.iter().map(|literal| self.claiming(name, literal, refused())));
        };
        let (upper, slashed) = (format!("\"{}\"", ISSUER.to_uppercase()), format!("\"{ISSUER}/\""));
        let (below, spaced, dotted) = (format!("\"{ISSUER}/tenant\""), format!("\" {ISSUER}\""), format!("\"{ISSUER}.evil.example\""));
        let (plain, nul) = (format!("\"{}\"", ISSUER.replace("https", "http")), format!("\"{ISSUER}\\u0000\""));
        add("iss", &[&upper, &slashed, &below, &spaced, &dotted, &plain, &nul, "\"\"", "\"https://evil.example\""], &|| {
            TokenRefused::Issuer
        });
        let (one, member) = (format!("[\"{ISSUER}\"]"), format!("{{\"{ISSUER}\":1}}"));
        add("iss", &[&one, &member, "null", "1", "true"], &|| TokenRefused::Claim("iss"));

        let (upper, below) = (format!("\"{}\"", AUDIENCE.to_uppercase()), format!("\"{AUDIENCE}/x\""));
        let (shorter, listed) = (format!("\"{}\"", &AUDIENCE[..AUDIENCE.len() - 1]), format!("\"{AUDIENCE} https://other.example\""));
        add("aud", &[&upper, &below, &shorter, &listed, "\"\"", "\"*\"", "[]", "[\"*\"]", "[\"https://other.example\"]"], &|| {
            TokenRefused::Audience
        });
        let (mixed, nested) = (format!("[\"{AUDIENCE}\",1]"), format!("[[\"{AUDIENCE}\"]]"));
        let member = format!("{{\"{AUDIENCE}\":1}}");
        add("aud", &["{}", "null", "1", "true", &mixed, &nested, &member], &|| TokenRefused::Claim("aud"));

        add("client_id", &["1", "null", "[\"connect\"]", "{}", "true"], &|| TokenRefused::Claim("client_id"));
        add("sub", &["1", "null", "[\"connect\"]", "{}"], &|| TokenRefused::Claim("sub"));
        add("jti", &["1", "null", "[]", "{}"], &|| TokenRefused::Claim("jti"));
        add("scope", &["1", "null", "[\"notify\"]", "{}", "true"], &|| TokenRefused::Claim("scope"));
        let lacking = || TokenRefused::Scope { scope: "notify".into() };
        add(
            "scope",
            &["\"\"", "\"NOTIFY\"", "\"notify2\"", "\"notif\"", "\"no tify\"", "\"notify\\u0000\"", "\"notify,other\"", "\"*\""],
            &lacking,
        );
        add(
            "cnf",
            &["{\"jkt\":\"x\"}", "{\"x5t#S256\":\"x\"}", "{\"x5t#S256\":\"\"}", "{\"x5t#S256\":1}", "{}", "{\"kid\":\"ec\"}"],
            &|| TokenRefused::Binding,
        );
        add("cnf", &["null", "\"x\"", "1", "[]"], &|| TokenRefused::Claim("cnf"));
        for name in ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"] {
            let token = self.ec.token(&with(good_claims(), name, Value::Null));
            attacks.push(attack(format!("no {name}"), &token, TokenRefused::Claim(name)));
        }
        for stranger in ["stranger", "CONNECT", "connect ", "connect\0", ""] {
            let claims = with(with(good_claims(), "client_id", stranger.into()), "sub", stranger.into());
            attacks.push(attack(format!("client {stranger:?}"), &self.ec.token(&claims), TokenRefused::Client));
        }
        attacks
    }

    /// Parsers disagree about repeated members: one reads the first, another the last.
    fn with_repeated_members(&self) -> Vec<Attack> {
        let (header, claims) = (self.ec.header().to_string(), good_claims().to_string());
        let mut attacks = Vec::new();
        for name in ["iss", "aud", "exp", "iat", "sub", "client_id", "scope", "jti"] {
            let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
            for spelled in [name, &escaped] {
                let value = &good_claims()[name];
                let before = claims.replacen('{', &format!("{{\"{spelled}\":{value},"), 1);
                let behind = format!("{},\"{spelled}\":\"evil\"}}", &claims[..claims.len() - 1]);
                attacks.push(attack(format!("{spelled} twice, first"), &self.ec.sign(&header, &before), malformed_claims()));
                attacks.push(attack(format!("{spelled} twice, last"), &self.ec.sign(&header, &behind), malformed_claims()));
            }
        }
        for name in ["alg", "kid", "typ"] {
            for value in ["\"none\"", "\"ES256\"", "1"] {
                let twice = header.replacen('{', &format!("{{\"{name}\":{value},"), 1);
                let refused = TokenRefused::Malformed("the header is not a plain JSON object");
                attacks.push(attack(format!("{name} twice with {value}"), &self.ec.sign(&twice, &claims), refused));
            }
        }
        let nested = with(good_claims(), "x", json!({"a": 1})).to_string().replace("{\"a\":1}", "{\"a\":1,\"a\":2}");
        attacks.push(attack("twice in a member", &self.ec.sign(&header, &nested), malformed_claims()));
        attacks
    }

    fn with_forms(&self) -> Vec<Attack> {
        let (header, claims) = (self.ec.header().to_string(), good_claims().to_string());
        let token = self.ec.sign(&header, &claims);
        let [one, two, three]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three segments");
        let segment = || TokenRefused::Malformed("a segment is empty or not unpadded base64url");
        let segments = || TokenRefused::Malformed("not three segments");
        let header_form = || TokenRefused::Malformed("the header is not a plain JSON object");
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let mut attacks = vec![
            attack("nothing", "", segments()),
            attack("one segment", one, segments()),
            attack("two segments", &format!("{one}.{two}"), segments()),
            attack("four segments", &format!("{token}.{three}"), segments()),
            attack("six segments", "a.b.c.d.e.f", segments()),
            attack("a hundred segments", &"a.".repeat(100), segments()),
            attack("two full stops", "..", TokenRefused::Malformed("not signed")),
            attack("no header", &format!(".{two}.{three}"), segment()),
            attack("no claims", &format!("{one}..{three}"), segment()),
            attack("no signature", &format!("{one}.{two}."), TokenRefused::Malformed("not signed")),
            attack("JWE, direct", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXY.Y2lwaGVy.dGFn", TokenRefused::Encrypted),
            attack("JWE of five letters", "a.b.c.d.e", TokenRefused::Encrypted),
            attack(
                "an unsigned token in a JWE",
                &format!("{}.{}.aXY.{}.dGFn", encoded("{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\",\"cty\":\"JWT\"}"), encoded("key"), two),
                TokenRefused::Encrypted,
            ),
            attack("a token as claims", &self.ec.sign(&header, &format!("\"{token}\"")), malformed_claims()),
            attack("a token as claims, bare", &self.ec.sign(&header, &token), malformed_claims()),
            attack("claims in an array", &self.ec.sign(&header, &format!("[{claims}]")), malformed_claims()),
            attack("claims with something behind", &self.ec.sign(&header, &format!("{claims}{{}}")), malformed_claims()),
            attack("claims with a comment", &self.ec.sign(&header, &claims.replacen('{', "{/**/", 1)), malformed_claims()),
            attack("claims with a comma too many", &self.ec.sign(&header, &claims.replace('}', ",}")), malformed_claims()),
            attack("claims behind a byte order mark", &self.ec.sign(&header, &format!("\u{feff}{claims}")), malformed_claims()),
            attack("claims are empty", &self.ec.sign(&header, "{}"), TokenRefused::Claim("exp")),
            attack("claims are null", &self.ec.sign(&header, "null"), malformed_claims()),
            attack("the header is an array", &self.ec.sign(&format!("[{header}]"), &claims), header_form()),
            attack("the header is null", &self.ec.sign("null", &claims), header_form()),
            attack("the header is cut", &self.ec.sign(&header[..header.len() - 1], &claims), header_form()),
            attack(
                "the header is UTF-16",
                &self.ec.sign(&header.chars().map(|c| format!("{c}\0")).collect::<String>(), &claims),
                header_form(),
            ),
            attack(
                "over 8 KiB",
                &self.ec.token(&with(good_claims(), "x", "x".repeat(8192).into())),
                TokenRefused::Malformed("longer than 8 KiB"),
            ),
            attack("64 KiB of full stops", &".".repeat(65_536), TokenRefused::Malformed("longer than 8 KiB")),
        ];
        for depth in [9, 100, 1_000] {
            let deep = claims.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth)), 1);
            attacks.push(attack(format!("nested {depth} deep"), &self.ec.sign(&header, &deep), malformed_claims()));
        }
        for (at, name) in ["header", "claims", "signature"].into_iter().enumerate() {
            let changed = |change: &dyn Fn(&str) -> String| {
                let mut parts = [one, two, three].map(str::to_owned);
                parts[at] = change(&parts[at]);
                parts.join(".")
            };
            attacks.push(attack(format!("{name} padded"), &changed(&|part| format!("{part}=")), segment()));
            attacks.push(attack(format!("{name} padded twice"), &changed(&|part| format!("{part}==")), segment()));
            attacks.push(attack(format!("{name} behind a space"), &changed(&|part| format!(" {part}")), segment()));
            attacks.push(attack(format!("{name} with a line end"), &changed(&|part| format!("{part}\n")), segment()));
            attacks.push(attack(format!("{name} with NUL"), &changed(&|part| format!("{part}\0")), segment()));
            attacks.push(attack(
                format!("{name} in the standard alphabet"),
                &changed(&|part| format!("{}+/", &part[..part.len() / 4 * 4 - 2])),
                segment(),
            ));
            attacks.push(attack(
                format!("{name} percent-encoded"),
                &changed(&|part| format!("%{:02X}{}", part.as_bytes()[0], &part[1..])),
                segment(),
            ));
        }
        // The unused bits of the last character set: the same bytes, another text. 64 bytes of signature leave four bits.
        let last = ALPHABET.find(&three[three.len() - 1..]).expect("base64url");
        for bit in [1, 2, 4, 8] {
            let other = &ALPHABET[last ^ bit..][..1];
            attacks.push(attack(format!("trailing bit {bit}"), &format!("{one}.{two}.{}{other}", &three[..three.len() - 1]), segment()));
        }
        attacks
    }

    fn with_signatures(&self) -> Vec<Attack> {
        let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        let mut attacks = Vec::new();
        for key in self.keys() {
            let token = key.token(&good_claims());
            let (signed, signature) = token.rsplit_once('.').expect("a signature");
            let own = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            let mut add = |name: &str, bytes: &[u8]| {
                let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
                attacks.push(attack(format!("{}: {name}", key.id), &token, TokenRefused::Signature));
            };
            for length in [1, 32, 63, 64, 65, 72, 128, 255, 256, 257] {
                add(&format!("{length} zeros"), &vec![0; length]);
                add(&format!("{length} ones"), &vec![0xff; length]);
            }
            add("cut by a byte", &own[..own.len() - 1]);
            add("with a byte more", &[own.as_slice(), &[0]].concat());
            add("behind a zero", &[&[0], own.as_slice()].concat());
            add("twice", &own.repeat(2));
            add("in halves swapped", &[&own[own.len() / 2..], &own[..own.len() / 2]].concat());
            add("backwards", &own.iter().rev().copied().collect::<Vec<_>>());
            let of_another = key.token(&with(good_claims(), "jti", "t2".into()));
            add("of another token", &URL_SAFE_NO_PAD.decode(of_another.rsplit_once('.').expect("a signature").1).expect("base64url"));
        }
        // ECDSA: r and s are numbers from 1 to the order of the curve, less one.
        let signed = self.ec.token(&good_claims());
        let (signed, signature) = signed.rsplit_once('.').expect("a signature");
        let own = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let (r, s) = own.split_at(32);
        let zero = [0_u8; 32];
        let one = [&[0_u8; 31][..], &[1]].concat();
        let as_der = [&[0x30, 70, 2, 33, 0][..], r, &[2, 33, 0], s].concat();
        for (name, bytes) in [
            ("r of zero", [&zero[..], s].concat()),
            ("s of zero", [r, &zero].concat()),
            ("r of the order", [&order, s].concat()),
            ("s of the order", [r, &order].concat()),
            ("both of the order", [order.as_slice(), &order].concat()),
            ("r and s of one", [one.as_slice(), &one].concat()),
            ("in DER", as_der),
        ] {
            attacks.push(attack(format!("ES256: {name}"), &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)), TokenRefused::Signature));
        }
        // Claims of one token with header and signature of another.
        for key in self.keys() {
            let token = key.token(&good_claims());
            let [one, _, three]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three segments");
            let claims = URL_SAFE_NO_PAD.encode(with(good_claims(), "exp", (NOW + 1_200).into()).to_string());
            attacks.push(attack(format!("{}: other claims", key.id), &format!("{one}.{claims}.{three}"), TokenRefused::Signature));
        }
        attacks
    }

    /// A token of the good key with one member of its header changed.
    fn headed(&self, name: impl Into<String>, member: &str, value: Value, refused: TokenRefused) -> Attack {
        let header = with(self.ec.header(), member, value).to_string();
        attack(name, &self.ec.sign(&header, &good_claims().to_string()), refused)
    }

    /// A token of the good key with one claim written as `literal`.
    fn claiming(&self, name: &str, literal: &str, refused: TokenRefused) -> Attack {
        let others = with(good_claims(), name, Value::Null).to_string();
        let claims = format!("{},\"{name}\":{literal}}}", &others[..others.len() - 1]);
        attack(format!("{name} {literal}"), &self.ec.sign(&self.ec.header().to_string(), &claims), refused)
    }
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn attack(name: impl Into<String>, token: &str, refused: TokenRefused) -> Attack {
    Attack { name: name.into(), token: token.to_owned(), refused }
}

fn malformed_claims() -> TokenRefused {
    TokenRefused::Malformed("the claims are not a plain JSON object")
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

#[tokio::test]
async fn every_forged_token_is_refused_for_its_own_reason() {
    let scene = Scene::set();
    for key in scene.keys() {
        assert!(verify(&scene.verifier, &key.token(&good_claims())).await.is_ok(), "a good token of {} is accepted", key.id);
    }
    let attacks = scene.attacks();
    let names: std::collections::BTreeSet<&str> = attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!(names.len(), attacks.len(), "each attack has a name of its own");
    assert!(attacks.len() >= 300, "{} attacks", attacks.len());
    let mut wrong = Vec::new();
    for Attack { name, token, refused } in &attacks {
        // By itself, since unknown keys cost a fetch and the next ones wait.
        let result = verify(&scene.verifier, token).await;
        if result.as_ref().err() != Some(refused) {
            wrong.push(format!("{name}: {result:?}, not {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} attacks:\n{}", wrong.len(), attacks.len(), wrong.join("\n"));
    println!("{} forged tokens, each refused for its own reason", attacks.len());
}

#[tokio::test]
async fn keys_that_are_no_points_of_the_curve_verify_nothing() {
    let key = ServerKey::es256("k1");
    let token = key.token(&good_claims());
    let coordinate = |bytes: [u8; 32]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
    let prime: [u8; 32] = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff").try_into().expect("32 bytes");
    let public = key.public();
    for (row, x, y) in [
        ("the origin", coordinate([0; 32]), coordinate([0; 32])),
        ("x of zero", coordinate([0; 32]), public["y"].clone()),
        ("y of zero", public["x"].clone(), coordinate([0; 32])),
        ("x is y", public["x"].clone(), public["x"].clone()),
        ("swapped", public["y"].clone(), public["x"].clone()),
        ("beyond the field", coordinate(prime), public["y"].clone()),
        ("all ones", coordinate([0xff; 32]), coordinate([0xff; 32])),
        ("a point of nobody", coordinate([7; 32]), coordinate([9; 32])),
    ] {
        let bad = with(with(public.clone(), "x", x), "y", y);
        let verifier = FakeServer::with_json(&json!({"keys": [bad]})).jwt_verifier();
        assert_eq!(verify(&verifier, &token).await, Err(TokenRefused::Signature), "{row}");
    }
}

#[tokio::test]
async fn twenty_thousand_unknown_key_ids_in_two_minutes_cost_one_fetch_in_30_seconds() {
    let key = ServerKey::ed25519("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = server.jwt_verifier();
    let claims = good_claims().to_string();
    let signature = key.sign(&key.header().to_string(), &claims).rsplit_once('.').expect("a signature").1.to_owned();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    for number in 0..20_000_u64 {
        let header = URL_SAFE_NO_PAD.encode(with(key.header(), "kid", format!("unknown-{number}").into()).to_string());
        let refused = verifier.verify(&format!("{header}.{claims}.{signature}"), None, NOW + number * 120 / 20_000).await;
        assert_eq!(refused, Err(TokenRefused::UnknownKey));
    }
    assert_eq!(server.count(), 4, "at 0, 30, 60 and 90 seconds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// What is done to the bytes inside the segments, not to their text: the result is of good form and still not accepted.
    #[test]
    fn a_token_with_any_changed_bit_inside_is_refused(segment in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        thread_local! {
            static SCENE: (ServerKey, JwtVerifier, String, tokio::runtime::Runtime) = {
                let key = ServerKey::ed25519("k1");
                let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
                let token = key.token(&good_claims());
                (key, verifier, token, tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"))
            };
        }
        SCENE.with(|(_, verifier, token, runtime)| {
            let mut parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
            let at = at.index(parts[segment].len());
            parts[segment][at] ^= 1 << bit;
            let changed = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
            let result = runtime.block_on(verify(verifier, &changed));
            prop_assert!(result.is_err(), "{}", CLIENT);
            Ok(())
        })?;
    }
}
