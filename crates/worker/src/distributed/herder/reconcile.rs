//! Makes what runs here what it is to be: by what the workers' topics say, and by this worker's places.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pumphouse_config::{ConnectorConfig, RawConfig};
use pumphouse_kafka::Leaving;
use pumphouse_types::Partition;
use tracing::{error, info};

use super::{DistributedHerder, Local, locked};
use crate::distributed::membership::Moves;
use crate::distributed::places::{place_of_connector, tasks_at};
use crate::herder::{Checked, Order, Target, log_notes};
use crate::placement::{PLACES, Placement};
use crate::validation::spec_of;

/// What of a connector is to be here.
struct Wanted {
    raw: RawConfig,
    target: Target,
    mine: BTreeSet<u32>,
}

impl DistributedHerder {
    /// Makes what runs here what it is to be. Other connectors than those that changed notice nothing.
    pub(in crate::distributed) fn reconcile(&self) {
        let mut local = locked(&self.local);
        if local.connectors.is_closed() {
            return;
        }
        let places = self.wires.membership.places();
        let (wanted, restarts) = {
            let mut cluster = self.cluster();
            let wanted: BTreeMap<String, Wanted> = cluster
                .connectors()
                .iter()
                .filter_map(|(name, known)| {
                    let tasks = known.read.as_ref().ok()?.tasks;
                    let mine = tasks_at(name, &places);
                    let has_tasks = (0..tasks.min(PLACES as usize)).any(|task| mine.contains(&(task as u32)));
                    let here = has_tasks || places.contains(&place_of_connector(name));
                    let target = cluster.target(name);
                    here.then(|| (name.clone(), Wanted { raw: known.raw.clone(), target, mine }))
                })
                .collect();
            (wanted, cluster.take_restarts())
        };
        local.going.retain(|placement| !placement.is_idle());
        self.end_others(&mut local, &wanted);
        for (name, _) in &restarts {
            local.refused.remove(name);
        }
        for (name, wanted) in wanted {
            self.make(&mut local, &name, wanted);
        }
        for (name, what) in restarts {
            if let Some(managed) = local.connectors.managed.get(&name) {
                managed.restart(what);
            }
        }
    }

    /// What is not wanted here goes: to another worker, or for good.
    fn end_others(&self, local: &mut Local, wanted: &BTreeMap<String, Wanted>) {
        local.refused.retain(|name, _| wanted.contains_key(name));
        let others: Vec<String> =
            local.connectors.managed.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in others {
            let is_known = self.cluster().connector(&name).is_some();
            if let Some(managed) = local.connectors.managed.get(&name) {
                if is_known {
                    managed.placement.set(BTreeSet::new());
                }
                local.going.push(Arc::clone(&managed.placement));
            }
            let leaving = if is_known { Leaving::Stay } else { Leaving::Leave };
            local.connectors.remove(&self.shared, &name, leaving);
        }
    }

    fn make(&self, local: &mut Local, name: &str, wanted: Wanted) {
        let Wanted { raw, target, mine } = wanted;
        let is_new = |known: &RawConfig| *known != raw;
        if local.connectors.managed.get(name).is_none_or(|managed| is_new(&managed.raw)) {
            if local.refused.get(name).is_some_and(|(known, _)| !is_new(known)) {
                return;
            }
            match self.understood(&raw) {
                Ok(checked) => {
                    local.refused.remove(name);
                    match local.connectors.managed.get_mut(name) {
                        Some(managed) => managed.configure(checked),
                        None => {
                            let taken = self.shared.all_bytes_taken(&checked.spec);
                            let placement = Arc::new(Placement::of(mine));
                            info!(connector = name, state = ?target, "connector begins here");
                            let begun = local.connectors.add(&self.shared, checked, target, placement, taken);
                            if let Err(refusal) = begun {
                                error!(
                                    connector = name,
                                    why = refusal.message,
                                    "a connector cannot begin here"
                                );
                            }
                            return;
                        }
                    }
                }
                Err(why) => {
                    error!(connector = name, why, "a connector's configuration cannot be run here");
                    local.refused.insert(name.to_owned(), (raw, why));
                    local.connectors.remove(&self.shared, name, Leaving::Leave);
                    return;
                }
            }
        }
        let Some(managed) = local.connectors.managed.get_mut(name) else { return };
        if managed.placement.set(mine) {
            let placement = Arc::clone(&managed.placement);
            managed.face.placed(|task| placement.is_mine(task));
            managed.keeper.order(Order::Place);
        }
        if managed.target != target {
            managed.become_state(target);
        }
    }

    fn understood(&self, raw: &RawConfig) -> Result<Checked, String> {
        let config = ConnectorConfig::from_raw(raw, &self.worker).map_err(|errors| errors.to_string())?;
        let spec = spec_of(&config, raw, &self.worker).map_err(|error| error.to_string())?;
        log_notes(&config);
        Ok(Checked { raw: raw.clone(), config, spec })
    }
}

impl Moves for DistributedHerder {
    fn places_are(&self, _places: &BTreeSet<Partition>) {
        self.reconcile();
        let _ = self.wake.try_send(());
    }

    fn is_settled(&self) -> bool {
        let local = locked(&self.local);
        local.connectors.managed.values().all(|managed| managed.placement.is_settled())
            && local.going.iter().all(|placement| placement.is_idle())
    }
}
