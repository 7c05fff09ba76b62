//! What Docusign has and Countersign does not: such a path answers 501 and says so, where a made-up one answers 404.

/// First parts of paths below an account.
const OF_ACCOUNT: &[&str] = &[
    "billing_charges",
    "billing_invoices",
    "billing_invoices_past_due",
    "billing_payments",
    "billing_plan",
    "brands",
    "bulk_send_batch",
    "bulk_send_lists",
    "captive_recipients",
    "chunked_uploads",
    "comments",
    "consumer_disclosure",
    "contacts",
    "custom_fields",
    "favorite_templates",
    "folders",
    "groups",
    "identity_verification",
    "payment_gateway_accounts",
    "permission_profiles",
    "powerforms",
    "recipient_names",
    "reserved_domains",
    "seals",
    "search_folders",
    "settings",
    "shared_access",
    "signatureProviders",
    "signatures",
    "signing_groups",
    "supported_languages",
    "tab_definitions",
    "unsupported_file_types",
    "users",
    "views",
    "watermark",
    "workspaces",
];

/// What stands below one envelope or one template.
const OF_ENVELOPE: &[&str] = &[
    "attachments",
    "comments",
    "docGenFormFields",
    "documents",
    "html_definitions",
    "lock",
    "powerforms",
    "recipients",
    "responsive_html",
    "responsive_html_preview",
    "tabs_blob",
    "templates",
    "views",
    "workflow",
];

/// What stands beside the accounts.
const OF_NOBODY: &[&str] = &["billing_plans", "current_user", "diagnostics"];

/// True for a path, from `/v2.1` on, that Docusign documents and that has no route here.
pub(super) fn is_docusigns(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let known = |list: &[&str], part: &str| list.iter().any(|name| name.eq_ignore_ascii_case(part));
    match parts[..] {
        ["v2.1", "accounts", _, "envelopes", "transfer_rules", ..] => true,
        ["v2.1", "accounts", _, "envelopes" | "templates", _, part, ..] => known(OF_ENVELOPE, part),
        ["v2.1", "accounts", _, part, ..] => known(OF_ACCOUNT, part),
        ["v2.1", "accounts"] | ["v2.1", "accounts", _] => true,
        ["v2.1", part, ..] => known(OF_NOBODY, part),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docusign_has_is_told_from_what_nobody_has() {
        for (path, expected) in [
            ("/v2.1/accounts/1/bulk_send_lists", true),
            ("/v2.1/accounts/1/bulk_send_lists/7/send", true),
            ("/v2.1/accounts/1/users", true),
            ("/v2.1/accounts/1/envelopes/2/workflow", true),
            ("/v2.1/accounts/1/envelopes/2/documents/1/pages", true),
            ("/v2.1/accounts/1/envelopes/2/nonsense", false),
            ("/v2.1/accounts/1/nonsense", false),
            ("/v2.1/accounts/1", true),
            ("/v2.1/accounts/provisioning", true),
            ("/v2.1/diagnostics/settings", true),
            ("/v3/accounts/1/users", false),
            ("/", false),
        ] {
            assert_eq!(is_docusigns(path), expected, "{path}");
        }
    }
}
