//! Tabs as a caller gives them.

use countersign_core::{envelope::Tab, message::tab};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{failure::Failure, restapi::wire::Wire};

/// Switches of a tab that have a meaning here; anything but true and false in them is refused, not taken for false.
const SWITCHES: [&str; 3] = ["required", "locked", "selected"];

/// Reads an object of arrays of tabs, such as `{"textTabs": [...]}`.
///
/// # Errors
/// 400 when an array of tabs is none, or a switch is neither true nor false.
pub(in crate::restapi) fn tabs(wire: Wire) -> Result<Vec<Tab>, Failure> {
    let arrays: Map<String, Value> = super::rest_of(wire, &[]);
    for (name, value) in &arrays {
        if tab::kind_of_array(name).is_none() {
            continue;
        }
        let Value::Array(items) = value else {
            return Err(Failure::invalid_parameter(format!("{name} must be a list of tabs")));
        };
        for item in items {
            if !item.is_object() {
                return Err(Failure::invalid_parameter(format!("{name} must hold objects")));
            }
            let one = Wire::of(item.clone())?;
            SWITCHES.iter().try_for_each(|switch| one.flag(switch).map(drop))?;
        }
    }
    let mut tabs = tab::read(&arrays, &mut Uuid::new_v4);
    for tab in tabs.iter_mut().filter(|tab| tab.label.as_ref().is_none_or(String::is_empty)) {
        // Values are filled in by label, so a tab without one gets one of its own, as Docusign gives it.
        let id = tab.id.simple().to_string();
        tab.label = Some(format!("{} {}", tab.kind.stem(), id.get(..8).unwrap_or_default()));
    }
    Ok(tabs)
}
