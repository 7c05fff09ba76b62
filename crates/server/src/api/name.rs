//! Names that people give to things, and their e-mail addresses.

use crate::failure::Failure;

/// The longest name kept, in characters.
const NAME_CHARS_MAX: usize = 200;
/// The longest e-mail address (RFC 5321 §4.5.3.1.3 allows 256 with its brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// A name as given, without blanks around it.
///
/// # Errors
/// 400 when nothing is left, it is too long, or holds a control character.
pub fn name(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Failure::invalid_parameter(format!(
            "name must have 1 to {NAME_CHARS_MAX} characters, none of them a control character"
        )));
    }
    Ok(text.to_owned())
}

/// An e-mail address as given. Whether somebody reads there only a mail could tell.
///
/// # Errors
/// 400 when it cannot be one.
pub fn email(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let fits = text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Failure::new(http::StatusCode::BAD_REQUEST, "INVALID_EMAIL_ADDRESS", "email is not an e-mail address such as name@example.com"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_kept_as_given_or_refused() {
        assert_eq!(name("  Ada Lovelace ").ok().as_deref(), Some("Ada Lovelace"));
        for text in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(name(text).is_err(), "{text:?}");
        }
        assert_eq!(email("Ada@Example.com").ok().as_deref(), Some("Ada@Example.com"));
        for text in ["", "ada", "@example.com", "ada@", "a b@example.com", &format!("{}@example.com", "x".repeat(300))] {
            assert!(email(text).is_err(), "{text:?}");
        }
    }
}
