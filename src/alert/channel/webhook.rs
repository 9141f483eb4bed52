//! Any server: the one body that programs read, signed as Standard Webhooks says.
//!
//! The id is the same when the same notice is sent again, so that a receiver can tell; the time is that of the
//! sending, since receivers refuse what is old.

use aws_smithy_types::base64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::words;
use crate::alert::notice::Notice;

/// What a key in base64 begins with.
const ENCODED: &str = "whsec_";

/// Identity of a notice towards its receiver.
pub fn id(notice: &Notice) -> String {
    format!("msg_{}", words::identity(notice))
}

/// The body of a notice.
pub fn body(notice: &Notice) -> String {
    notice.body.to_string()
}

/// The signature of what is sent under an id at a time, by a key; `None` where the key is not what it says it is.
pub fn signature(key: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let key = match key.strip_prefix(ENCODED) {
        // Some leave out what only fills up the last group.
        Some(encoded) => {
            let encoded = encoded.trim_end_matches('=');
            base64::decode(format!("{encoded}{}", &"==="[..(4 - encoded.len() % 4) % 4])).ok()?
        }
        None => key.as_bytes().to_vec(),
    };
    let mut signer = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    signer.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", base64::encode(signer.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(signature("whsec_§", "a", 0, ""), None);
        assert_eq!(signature("whsec_YWJjZA", "a", 0, ""), signature("abcd", "a", 0, ""));
    }
}
