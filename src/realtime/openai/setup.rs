use super::wire::ServerError;
use crate::media::audio::Format;

/// The code of the [`Warning`](crate::realtime::ModelEvent::Warning) when the server does not know the voice: its own is
/// heard instead.
pub const VOICE_REFUSED: &str = "voice-refused";
/// The code of the warning when the server does not transcribe by the model of the settings: what the caller says is not
/// written down.
pub const TRANSCRIPTION_REFUSED: &str = "transcription-refused";
/// The code of the warning when the server does not take G.711: the session's audio is PCM.
pub const G711_REFUSED: &str = "g711-refused";

/// The parts of our configuration that a server may refuse, and that a call can do without. A server refuses an update
/// as a whole.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) voice: Option<String>,
    /// The transcription's model.
    pub(super) transcription: Option<String>,
    pub(super) audio: Format,
    /// How many parts were left out so far.
    left_out: u8,
}

impl Setup {
    pub(super) const fn new(voice: Option<String>, transcription: Option<String>, audio: Format) -> Self {
        Self { voice, transcription, audio, left_out: 0 }
    }

    /// The name of the event that carries it.
    pub(super) fn event_id(&self) -> String {
        format!("setup-{}", self.left_out)
    }

    /// Until the session is configured we have sent nothing else, so an error that names no event means this one.
    pub(super) fn is_meant_by(&self, error: &ServerError) -> bool {
        error.event_id.as_deref().is_none_or(|event_id| event_id == self.event_id())
    }

    /// Leaves out the part that was refused, and names it; `None`: it can't be done without.
    pub(super) fn leave_out(&mut self, error: &ServerError) -> Option<&'static str> {
        let meant = |name| error.param.as_deref().is_some_and(|param| param.contains(name));
        self.left_out += 1;
        if meant("voice") && self.voice.take().is_some() {
            return Some(VOICE_REFUSED);
        }
        if meant("transcription") && self.transcription.take().is_some() {
            return Some(TRANSCRIPTION_REFUSED);
        }
        let had_g711 = meant("format") && std::mem::take(&mut self.audio) != Format::Pcm;
        had_g711.then_some(G711_REFUSED)
    }
}
