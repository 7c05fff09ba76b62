//! Folders: where an envelope is seen, as a filter and as a place to move to.

use countersign_core::{envelope::Folder, id::AccountGuid};
use uuid::Uuid;

use super::request::{Parameters, cut};
use crate::{envelopes::folder_word, failure::Failure};

/// What a folder filter comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    /// Stored folders; `None` when no folder was named.
    pub(super) folders: Option<Vec<String>>,
    /// Statuses, for folders that are views of one.
    pub(super) statuses: Option<Vec<String>>,
}

/// A folder by its name or by its id, which follows from the account's.
pub(super) fn folder(text: &str, account: AccountGuid) -> Option<Folder> {
    if let Ok(id) = text.parse::<Uuid>() {
        return [(1, Folder::Drafts), (2, Folder::Sent), (3, Folder::Bin)]
            .into_iter()
            .find(|(number, _)| Uuid::from_u128(account.0.as_u128() ^ number) == id)
            .map(|(_, folder)| folder);
    }
    match text.to_ascii_lowercase().as_str() {
        "draft" | "drafts" => Some(Folder::Drafts),
        "sentitems" => Some(Folder::Sent),
        "recyclebin" => Some(Folder::Bin),
        _ => None,
    }
}

/// Reads `folder_ids` and `folder_types`.
///
/// # Errors
/// 400 that names a folder which is not supported.
pub(super) fn place(parameters: &Parameters, account: AccountGuid) -> Result<Place, Failure> {
    let mut place = Place::default();
    for name in ["folder_ids", "folder_types"] {
        for text in parameters.list(name) {
            let views: &[&str] = match text.to_ascii_lowercase().as_str() {
                "completed" if name == "folder_ids" => &["completed"],
                "out_for_signature" | "waiting_for_others" if name == "folder_ids" => &["sent", "delivered"],
                _ => &[],
            };
            if !views.is_empty() {
                place.statuses.get_or_insert_default().extend(views.iter().map(|status| (*status).to_owned()));
                place.folders.get_or_insert_default().push(folder_word(Folder::Sent).to_owned());
                continue;
            }
            let folder = folder(text, account)
                .ok_or_else(|| Failure::invalid_parameter(format!("{name} holds '{}', which is not a supported folder", cut(text))))?;
            place.folders.get_or_insert_default().push(folder_word(folder).to_owned());
        }
    }
    // A whole folder beside a view of a part of one: the whole includes the part.
    let named = parameters.list("folder_ids").len() + parameters.list("folder_types").len();
    if place.statuses.as_ref().is_some_and(|_| named > 1) {
        return Err(Failure::invalid_parameter("folder_ids can name one of completed, out_for_signature and waiting_for_others, alone"));
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_place_or_a_view_of_one() {
        let account = AccountGuid(Uuid::from_u128(0xabc0));
        let read = |query: &str| place(&Parameters::read(query).expect("short"), account).map(|p| (p.folders, p.statuses)).ok();
        let words = |list: &[&str]| Some(list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(""), Some((None, None)));
        assert_eq!(read("folder_ids=drafts,recyclebin"), Some((words(&["draft", "deleted"]), None)));
        assert_eq!(read("folder_ids=completed"), Some((words(&["sent"]), words(&["completed"]))));
        assert_eq!(read(&format!("folder_ids={}", Uuid::from_u128(0xabc0 ^ 3))), Some((words(&["deleted"]), None)));
        for refused in ["folder_ids=inbox", "folder_types=templates", "folder_types=completed", "folder_ids=completed,drafts"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
