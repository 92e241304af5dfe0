//! Which callers a route with a share takes.

use super::condition::Conditions;
use super::draft::Draft;
use crate::call::{Call, Caller};

/// A part of the callers: those whose point, of 100, is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    from: u8,
    to: u8,
    /// Of tenant and route, so that different splits don't all favour the same callers.
    salt: u64,
}

impl Slice {
    pub(super) fn takes(self, call: &Call) -> bool {
        (self.from..self.to).contains(&point(self.salt, call))
    }
}

/// The shares of conditions in their order, and where they are more than 100 together: the first route of the key, the
/// one that goes beyond, and the sum so far.
pub(super) struct Shares {
    pub(super) slices: Vec<Option<Slice>>,
    pub(super) excess: Vec<(u32, u32, u32)>,
}

/// Routes of one file with the same conditions split the callers between them, in the order of the file.
pub(super) fn shares(draft: &Draft<'_>, conditions: &[(u32, u32, &Conditions)]) -> Shares {
    let mut shares = Shares { slices: Vec::with_capacity(conditions.len()), excess: Vec::new() };
    // The keys that are open: the conditions, the first route, how much is given.
    let mut keys: Vec<(&Conditions, u32, u32)> = Vec::new();
    for (route, _, when) in conditions {
        let Some(share) = when.share else {
            shares.slices.push(None);
            continue;
        };
        let file = draft.member(*route).file;
        let known =
            keys.iter_mut().find(|(key, first, _)| key.same_key(when) && draft.member(*first).file == file);
        let (first, given) = match known {
            Some((_, first, given)) => {
                let from = *given;
                *given += u32::from(share);
                (*first, from)
            }
            None => {
                keys.push((when, *route, u32::from(share)));
                (*route, 0)
            }
        };
        let sum = given + u32::from(share);
        if sum > 100 {
            shares.excess.push((first, *route, sum));
        }
        let part = |points: u32| u8::try_from(points.min(100)).unwrap_or(100);
        shares.slices.push(Some(Slice { from: part(given), to: part(sum), salt: salt(draft, first) }));
    }
    shares
}

fn salt(draft: &Draft<'_>, route: u32) -> u64 {
    let member = draft.member(route);
    let tenant = draft.files.get(member.file).and_then(|file| file.tenant.as_ref());
    let tenant = tenant.map_or("", |tenant| tenant.id.as_str());
    hash(hash(OFFSET, tenant.as_bytes()), member.route.id.as_bytes())
}

/// A caller's point, 0 to 99, the same in every router and every version. An anonymous caller has one for each call.
fn point(salt: u64, call: &Call) -> u8 {
    let hashed = match &call.caller {
        Caller::Number(number) => hash(salt, number.best().as_bytes()),
        Caller::Anonymous => hash(salt, call.id.to_string().as_bytes()),
    };
    // FNV mixes its low bits well and its high bits badly: fold, then take the remainder.
    ((hashed ^ (hashed >> 32)) % 100) as u8
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, 64 bits.
fn hash(start: u64, bytes: &[u8]) -> u64 {
    // A byte that no UTF-8 text has, so that "ab" and "c" differ from "a" and "bc".
    bytes.iter().chain(&[0xff]).fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
