//! Attempts over the network, for scenarios about the wire.

use std::sync::Arc;

use countersign_core::address::TargetPolicy;
use countersign_deliver::{
    Settings,
    attempt::{Attempts, Parts},
};
use countersign_egress::{Egress, Roots, SystemClock, TokenSource};
use countersign_store::{Store, cache::ConfigCache};

use super::house::House;

/// Attempts of a house that go to listeners on this machine.
pub(crate) fn attempts(house: &House, settings: &Settings) -> Arc<Attempts> {
    let store = Arc::clone(&house.store) as Arc<dyn Store>;
    let egress = Egress::new(countersign_egress::Settings::default(), TargetPolicy::dev(), &Roots::System).expect("roots");
    Arc::new(Attempts::new(Parts {
        configs: Arc::new(ConfigCache::new(Arc::clone(&store))),
        store,
        tokens: TokenSource::new(egress.clone(), Arc::new(SystemClock)),
        egress,
        ids: Arc::clone(&house.ids),
        clock: house.clock(),
        settings: settings.clone(),
    }))
}
