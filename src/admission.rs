//! Who may have a call now: this router's slots, and each tenant's permits.

mod permits;
mod slots;

pub use permits::{Permit, Permits};
pub use slots::{NoSlot, Slot, Slots, Usage};
