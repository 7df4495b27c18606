//! `CUDA_VISIBLE_DEVICES`: which GPUs a program may use.

use crate::event::Caveat;
use crate::gpu::Identity;

/// For each card whether the list names it, in the order of the cards. Without a list all are.
///
/// As CUDA does, everything after the first entry that is no device is ignored. An entry is a number, the beginning of a
/// card's `GPU-…` id, or an instance's `MIG-…` id, which stands for the card that it is on.
pub(crate) fn select(list: Option<&str>, cards: &[Identity]) -> Vec<bool> {
    let Some(list) = list else { return vec![true; cards.len()] };
    let mut selected = vec![false; cards.len()];
    let named =
        list.split(',').map(str::trim).map_while(|entry| cards.iter().position(|card| names(entry, card)));
    named.for_each(|card| selected[card] = true);
    selected
}

fn names(entry: &str, card: &Identity) -> bool {
    if let Ok(index) = entry.parse::<u32>() {
        return index == card.index;
    }
    // The older form names the card within the instance: MIG-GPU-<card>/<instance>/<compute instance>.
    let within = entry.strip_prefix("MIG-").filter(|rest| rest.starts_with("GPU-"));
    match within.and_then(|rest| rest.split_once('/')) {
        Some((uuid, _)) => card.uuid == uuid,
        None if entry.starts_with("GPU-") => card.uuid.starts_with(entry),
        None if entry.starts_with("MIG-") => card.instances.iter().any(|id| id.starts_with(entry)),
        None => false,
    }
}

/// Tells when numbers in the list may mean other cards than ours: CUDA counts the fastest first unless told otherwise.
pub(crate) fn doubtful_order(list: Option<&str>, order: Option<&str>, cards: &[Identity]) -> Option<Caveat> {
    let has_numbers = list?.split(',').any(|entry| entry.trim().parse::<u32>().is_ok());
    let selected = select(list, cards);
    let is_choice = selected.contains(&true) && selected.contains(&false);
    let is_mixed = cards.iter().any(|card| card.model != cards[0].model);
    (has_numbers && is_choice && is_mixed && order != Some("PCI_BUS_ID")).then(|| {
        Caveat::new(
            "gpu-order",
            "CUDA_VISIBLE_DEVICES names GPUs of different models by number, and CUDA may number them by speed: other cards \
             may have been metered than used",
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPUs by their ids",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards() -> Vec<Identity> {
        let card = |index: u32, model: &str, instances: &[&str]| Identity {
            index,
            uuid: format!("GPU-{index}234-abcd"),
            model: model.to_owned(),
            sharing: None,
            instances: instances.iter().map(|&id| id.to_owned()).collect(),
        };
        vec![card(0, "A100", &["MIG-77aa-1", "MIG-77bb-2"]), card(1, "A100", &[]), card(2, "T4", &[])]
    }

    fn selected(list: &str) -> Vec<u32> {
        let cards = cards();
        let selected = select(Some(list), &cards);
        cards
            .iter()
            .zip(selected)
            .filter(|(_, is_selected)| *is_selected)
            .map(|(card, _)| card.index)
            .collect()
    }

    #[test]
    fn cards_are_named_by_number_id_or_instance() {
        assert_eq!(select(None, &cards()), [true; 3]);
        assert_eq!(selected("0,2"), [0, 2]);
        assert_eq!(selected("2, GPU-1234"), [1, 2]);
        assert_eq!(selected("MIG-77bb-2"), [0]);
        assert_eq!(selected("MIG-GPU-1234-abcd/1/0"), [1]);
    }

    #[test]
    fn what_follows_an_unknown_entry_is_ignored() {
        assert_eq!(selected(""), [0u32; 0]);
        assert_eq!(selected("-1,0"), [0u32; 0]);
        assert_eq!(selected("NoDevFiles"), [0u32; 0]);
        assert_eq!(selected("1,7,0"), [1]);
        assert_eq!(selected("1,MIG-unknown,0"), [1]);
    }

    #[test]
    fn numbers_are_doubted_only_where_they_could_mean_other_cards() {
        let cards = cards();
        let is_doubted = |list, order| doubtful_order(list, order, &cards).is_some();
        assert!(is_doubted(Some("0"), None));
        assert!(is_doubted(Some("0"), Some("FASTEST_FIRST")));
        assert!(!is_doubted(Some("0"), Some("PCI_BUS_ID")));
        assert!(!is_doubted(Some("GPU-0234"), None));
        assert!(!is_doubted(Some("0,1,2"), None), "all are metered");
        assert!(!is_doubted(Some(""), None) && !is_doubted(None, None));
        assert!(doubtful_order(Some("0"), None, &cards[..2]).is_none(), "one model");
        assert!(doubtful_order(Some("0"), None, &[]).is_none());
    }
}
