use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::media::clip::Clip;
use crate::media::codec::Codec;

/// Where recordings are encoded: one at a time, whoever waits for them, on a thread that carries no call.
#[derive(Debug, Clone, Default)]
pub struct Studio(Arc<Mutex<()>>);

impl Studio {
    /// Until the recording has frames of `codec`.
    pub async fn prepare(&self, clip: Arc<Clip>, codec: Codec) {
        let _turn = self.0.lock().await;
        if spawn_blocking(move || clip.prepare(codec)).await.is_err() {
            tracing::error!("encoding a recording panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::{Instant, sleep_until, timeout};

    use super::*;
    use crate::ingress::leg::LegCommand;
    use crate::media::clip::samples::{SPEC, wav};
    use crate::session::Action;
    use crate::session::floor::Floor;
    use crate::session::sounds::SoundsByCodec;
    use crate::session::timings::Timings;

    const SOON: Duration = Duration::from_secs(30);

    /// On one thread: what a call did there would hold up its frames.
    #[tokio::test]
    async fn frames_leave_at_their_pace_while_a_recording_is_encoded() {
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::G722] {
            let clip = Arc::new(Clip::asset(wav(SPEC, 400.0, 30.0).leak()));
            let (studio, mut encoding) = (Studio::default(), JoinSet::new());
            let sounds = SoundsByCodec::default().of(codec).clone();
            let (silence, timings) = (Arc::clone(&sounds.silence), Timings::default());
            let mut floor = Floor::new(sounds, Duration::ZERO);
            floor.open(false, Instant::now());
            floor.play(&clip);
            let (mut silent, mut begun) = (0, None);
            let played = async {
                loop {
                    sleep_until(floor.frame_due().expect("it is open")).await;
                    for action in floor.on_time(Instant::now(), &timings) {
                        match action {
                            Action::Leg(LegCommand::Frame(frame)) if frame == silence => silent += 1,
                            Action::Leg(LegCommand::Frame(_)) => return,
                            Action::Prepare { clip, codec } => {
                                assert!(begun.replace(Instant::now()).is_none(), "it is asked for once");
                                let studio = studio.clone();
                                encoding.spawn(async move { studio.prepare(clip, codec).await });
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            };
            timeout(SOON, played).await.expect("the recording is heard");
            let took = begun.expect("it was asked for").elapsed();
            let due = took.as_millis() / 20;
            println!("{codec:?}: encoded in {took:?}, {silent} frames of silence meanwhile");
            // All of them are made, and none waits for the next: the pacer would make up for it at once.
            assert!(due >= 3 && silent + 2 >= due, "{codec:?}: {silent} frames in {took:?}");
        }
    }
}
