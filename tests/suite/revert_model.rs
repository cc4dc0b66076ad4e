//! A model of a change that waits: apply, timer, confirmation, the next run, kills, boots and file operations
//! that fail, in every order to a depth. It is small enough to be searched whole; the real scripts are
//! compared with it in `scripts`.
//!
//! What must hold: what nobody confirmed goes back; what was told to be confirmed stays, also over a boot;
//! what was told to be live was live then; only a new connection confirms. Each mend of the past can be taken
//! out, and is missed at once.

mod scripts;
mod world;

use std::collections::{BTreeMap, VecDeque};

use self::world::{Act, Mend, World};

/// The longest history that is looked at, in acts; all that can happen has happened before.
const DEPTH: usize = 60;

/// Searches every history of a world to [`DEPTH`], the shortest first; returns the first that breaks a
/// promise.
fn search(start: World) -> Result<usize, String> {
    let mut seen: BTreeMap<World, Option<(World, Act)>> = BTreeMap::new();
    let mut queue = VecDeque::from([(start.clone(), 0)]);
    seen.insert(start, None);
    while let Some((world, length)) = queue.pop_front() {
        if let Err(broken) = world.promises() {
            return Err(story(&seen, &world, &broken));
        }
        assert!(length < DEPTH, "there is more to search");
        for act in world.acts() {
            let next = world.after(act);
            if !seen.contains_key(&next) {
                seen.insert(next.clone(), Some((world.clone(), act)));
                queue.push_back((next, length + 1));
            }
        }
    }
    Ok(seen.len())
}

fn story(seen: &BTreeMap<World, Option<(World, Act)>>, end: &World, broken: &str) -> String {
    let mut acts = Vec::new();
    let mut at = end;
    while let Some(Some((before, act))) = seen.get(at) {
        acts.push(format!("{act:?}"));
        at = before;
    }
    acts.reverse();
    format!("{broken}: {}\n{end:?}", acts.join(", "))
}

#[test]
fn no_order_of_events_keeps_what_nobody_confirmed_or_loses_what_somebody_did() {
    let mut worlds = 0;
    for start in World::starts() {
        worlds += search(start).unwrap_or_else(|story| panic!("{story}"));
    }
    // A search that finds nothing to do would hold everything.
    assert!(worlds > 10_000, "{worlds}");
    crate::support::covered(&format!("{worlds} worlds"));
}

#[test]
fn each_mend_that_is_taken_out_is_missed() {
    for mend in Mend::ALL {
        let broken = World::starts().into_iter().find_map(|start| search(start.without(mend)).err());
        let story = broken.unwrap_or_else(|| panic!("nothing breaks without {mend:?}"));
        assert!(story.contains(mend.breaks()), "{mend:?}: {story}");
    }
}
