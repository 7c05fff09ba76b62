//! What an envelope refuses, in Docusign's codes (reference: 8.5). The one place where they are chosen.

use countersign_core::envelope::{Missing, Refused, Verb};
use http::StatusCode;

use crate::failure::Failure;

/// How every message about a parameter begins; clients are known to look for it.
const ONE_INVALID: &str = "The request contained at least one invalid parameter.";

/// The failure to answer with.
#[must_use]
pub fn refused(refusal: Refused) -> Failure {
    let (code, message) = match &refusal {
        Refused::WrongStatus { verb: Verb::Void, status } => (
            "ENVELOPE_CANNOT_VOID_INVALID_STATE",
            format!("Only envelopes in the 'Sent' or 'Delivered' states may be voided. This one is '{status}'."),
        ),
        Refused::WrongStatus { verb: Verb::Resend | Verb::Lock, status } => (
            "EDIT_LOCK_INVALID_STATE_FOR_LOCK",
            format!("Only envelopes in the 'Sent' or 'Delivered' states may be corrected or resent. This one is '{status}'."),
        ),
        Refused::WrongStatus { .. } | Refused::AlreadySigned(_) | Refused::NotDue { .. } => {
            ("ENVELOPE_INVALID_STATUS", refusal.to_string())
        }
        Refused::VoidReasonMissing => {
            ("INVALID_REQUEST_PARAMETER", format!("{ONE_INVALID} Value for 'voidedReason' must be specified when voiding an envelope."))
        }
        Refused::Incomplete(Missing::Email(_)) | Refused::BadEmail { .. } => ("INVALID_EMAIL_ADDRESS_FOR_RECIPIENT", refusal.to_string()),
        Refused::Incomplete(Missing::Subject | Missing::Documents | Missing::Recipients) => ("ENVELOPE_IS_INCOMPLETE", refusal.to_string()),
        Refused::UnknownRecipient(_) => ("UNKNOWN_ENVELOPE_RECIPIENT", refusal.to_string()),
        Refused::NotInSequence(_) => ("RECIPIENT_NOT_IN_SEQUENCE", refusal.to_string()),
        Refused::RecipientStatus { .. } => ("RECIPIENT_INVALID_STATUS", refusal.to_string()),
        Refused::Unknown { what: "document", .. } => ("DOCUMENT_DOES_NOT_EXIST", refusal.to_string()),
        Refused::Locked { .. } => {
            return Failure::new(StatusCode::CONFLICT, "EDIT_LOCK_NOT_LOCK_OWNER", format!("{refusal}; send its token in X-DocuSign-Edit"));
        }
        Refused::NotLocked => return Failure::not_found("EDIT_LOCK_NOT_LOCKED", refusal.to_string()),
        Refused::Incomplete(Missing::Name(_) | Missing::Host(_))
        | Refused::WrongKind { .. }
        | Refused::Duplicate { .. }
        | Refused::Unknown { .. }
        | Refused::TabValue { .. }
        | Refused::TabRequired(_)
        | Refused::BadNotification
        | Refused::BadOrder(_)
        | Refused::BadId { .. }
        | Refused::TooMany { .. }
        | Refused::TooLong { .. }
        | Refused::TemplateNameMissing
        | Refused::LockDuration(_)
        | Refused::PurgeState(_) => ("INVALID_REQUEST_PARAMETER", format!("{ONE_INVALID} {refusal}")),
    };
    Failure::new(StatusCode::BAD_REQUEST, code, message)
}

#[cfg(test)]
mod tests {
    use countersign_core::envelope::EnvelopeStatus;

    use super::*;

    #[test]
    fn refusals_have_docusigns_codes() {
        for (refusal, status, code) in [
            (Refused::WrongStatus { verb: Verb::Void, status: EnvelopeStatus::Completed }, 400, "ENVELOPE_CANNOT_VOID_INVALID_STATE"),
            (Refused::WrongStatus { verb: Verb::Resend, status: EnvelopeStatus::Voided }, 400, "EDIT_LOCK_INVALID_STATE_FOR_LOCK"),
            (Refused::WrongStatus { verb: Verb::Send, status: EnvelopeStatus::Sent }, 400, "ENVELOPE_INVALID_STATUS"),
            (Refused::VoidReasonMissing, 400, "INVALID_REQUEST_PARAMETER"),
            (Refused::UnknownRecipient("9".into()), 400, "UNKNOWN_ENVELOPE_RECIPIENT"),
            (Refused::NotInSequence("2".into()), 400, "RECIPIENT_NOT_IN_SEQUENCE"),
            (Refused::Unknown { what: "document", id: "9".into() }, 400, "DOCUMENT_DOES_NOT_EXIST"),
            (Refused::Unknown { what: "tab", id: "x".into() }, 400, "INVALID_REQUEST_PARAMETER"),
            (Refused::NotLocked, 404, "EDIT_LOCK_NOT_LOCKED"),
        ] {
            let text = format!("{refusal:?}");
            let failure = refused(refusal);
            assert_eq!((failure.status.as_u16(), failure.code), (status, code), "{text}");
        }
    }
}
