//! A bad network that a seed decides: what becomes of each packet, in order, the same in every run.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What every packet is worth.
const FRAME: Duration = Duration::from_millis(20);

/// How bad a network is. The default is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// The share of packets that never arrive.
    pub loss: f64,
    /// How many in a row are lost at once; 0 and 1 are the same.
    pub burst: u32,
    /// Every packet is under way for up to as long.
    pub jitter: Duration,
    /// The share of packets that one to three later ones overtake.
    pub reorder: f64,
    /// The share of packets that arrive twice.
    pub duplicate: f64,
}

/// The network in one direction.
#[derive(Debug)]
pub struct Network {
    weather: Weather,
    rng: SmallRng,
    /// Packets of a burst that are still to be lost.
    losing: u32,
}

impl Network {
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self { weather, rng: SmallRng::seed_from_u64(seed), losing: 0 }
    }

    /// How long each copy of the next packet is under way. Without one it is lost.
    pub fn next(&mut self) -> Vec<Duration> {
        if self.is_lost() {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.weather.duplicate));
        (0..copies).map(|_| self.delay()).collect()
    }

    fn is_lost(&mut self) -> bool {
        let burst = self.weather.burst.max(1);
        if self.losing == 0 {
            // Between two bursts there is a packet, so that they are as long as said.
            let share = self.weather.loss / f64::from(burst);
            let begins = share / (1.0 - self.weather.loss + share);
            self.losing = if self.rng.random_bool(begins) { burst } else { 0 };
        }
        let is_lost = self.losing > 0;
        self.losing = self.losing.saturating_sub(1);
        is_lost
    }

    fn delay(&mut self) -> Duration {
        let jitter = self.weather.jitter.mul_f64(self.rng.random());
        if self.rng.random_bool(self.weather.reorder) {
            let overtaken_by = self.rng.random_range(1..=3);
            return jitter + FRAME * overtaken_by + Duration::from_millis(2);
        }
        jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u32 = 20_000;

    fn run(seed: u64, weather: Weather) -> Vec<Vec<Duration>> {
        let mut network = Network::new(seed, weather);
        (0..PACKETS).map(|_| network.next()).collect()
    }

    #[test]
    fn a_seed_decides_everything_and_good_weather_changes_nothing() {
        let weather =
            Weather { loss: 0.1, jitter: FRAME, reorder: 0.1, duplicate: 0.1, ..Weather::default() };
        assert_eq!(run(1, weather), run(1, weather));
        assert_ne!(run(1, weather), run(2, weather));
        assert!(run(1, Weather::default()).iter().all(|copies| copies == &[Duration::ZERO]));
    }

    #[test]
    fn shares_and_bursts_are_as_said() {
        for burst in [1, 2, 4] {
            let fates = run(7, Weather { loss: 0.05, burst, duplicate: 0.02, ..Weather::default() });
            let lost = fates.iter().filter(|copies| copies.is_empty()).count();
            let share = lost as f64 / f64::from(PACKETS);
            assert!((0.043..0.057).contains(&share), "{share} lost in bursts of {burst}");
            let runs = fates.chunk_by(|a, b| a.is_empty() == b.is_empty());
            let shortest = runs.filter(|run| run[0].is_empty()).map(<[_]>::len).min();
            assert_eq!(shortest, Some(burst as usize));
            let twice = fates.iter().filter(|copies| copies.len() == 2).count();
            assert!((300..500).contains(&twice), "{twice}");
        }
    }
}
