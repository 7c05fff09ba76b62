//! Known answers of others, for tests alone: RFC 4231 §4.2 to §4.8, and Project Wycheproof.

use hmac::Mac as _;

use crate::{
    header::{HeaderFault, Signature, macs_match, read_mac},
    key::state_of,
    signer::finish_mac,
};

struct Vector {
    case: u8,
    key: Vec<u8>,
    data: Vec<u8>,
    mac: &'static str,
}

fn vector(case: u8, key: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>, mac: &'static str) -> Vector {
    Vector { case, key: key.into(), data: data.into(), mac }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rfc_4231_vectors_hold() {
    let vectors = [
        vector(1, [0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        vector(2, "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        vector(3, [0xaa; 20], [0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        vector(4, (1..=25).collect::<Vec<u8>>(), [0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        vector(
            6,
            [0xaa; 131],
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        vector(
            7,
            [0xaa; 131],
            "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before \
             being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for Vector { case, key, data, mac } in vectors {
        let own = finish_mac(state_of(&key).chain_update(&data));
        assert_eq!(hex(&own), mac, "case {case}");
        assert_eq!(read_mac(Signature::from_mac(&own).as_str().as_bytes()), Ok(own), "case {case} as a header");
    }
}

#[test]
fn rfc_4231_case_5_is_truncated_and_so_refused_as_a_header() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let own = finish_mac(state_of(&[0x0c; 20]).chain_update("Test With Truncation"));
    assert_eq!(hex(&own[..16]), "a3b6167473100ee06e0c796c2955552b");
    assert_eq!(read_mac(STANDARD.encode(&own[..16]).as_bytes()), Err(HeaderFault::WrongLength { bytes: 16 }));
}

#[test]
fn every_vector_of_wycheproof_is_judged_as_there() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use wycheproof::{
        TestResult,
        mac::{TestName, TestSet},
    };
    let vectors = TestSet::load(TestName::HmacSha256).expect("the vectors are in the crate");
    let (mut whole, mut truncated) = (0, 0);
    for group in &vectors.test_groups {
        for test in &group.tests {
            let own = finish_mac(state_of(&test.key).chain_update(&test.msg));
            let header = STANDARD.encode(test.tag.as_slice());
            match read_mac(header.as_bytes()) {
                Ok(given) => {
                    whole += 1;
                    let fits = bool::from(macs_match(&own, &given));
                    assert_eq!(fits, test.result == TestResult::Valid, "case {}", test.tc_id);
                }
                // Truncated HMACs are right by the RFC and refused as headers: Connect never cuts them.
                Err(fault) => {
                    truncated += 1;
                    assert_eq!(fault, HeaderFault::WrongLength { bytes: test.tag.len() }, "case {}", test.tc_id);
                }
            }
        }
    }
    assert!(whole > 50 && truncated > 50, "{whole} whole, {truncated} truncated");
}
