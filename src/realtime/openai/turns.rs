//! Whose turn it is to speak: what we ask the server to say, and when.
//!
//! The server makes one response at a time and refuses to begin a second. It answers the caller by itself; what we
//! ask for besides waits until it is free: the last response over, the last request answered, the caller silent.

use super::wire::{ALREADY_RESPONDING, ServerError};
use crate::pii::Redacted;

/// What we ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// These words, as the first ones.
    Greet(Redacted<String>),
    Say(Redacted<String>),
    /// An answer to what is in the conversation, or the first words by the prompt.
    Respond,
}

impl Request {
    pub(super) const fn purpose(&self) -> &'static str {
        match self {
            Self::Greet(_) => "greeting",
            Self::Say(_) => "say",
            Self::Respond => "respond",
        }
    }
}

/// What may be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Stop what is being said: words are to be said instead.
    Stop,
    /// Send this request by this name.
    Ask(String, Request),
}

/// Whose response has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// The server's answer to the caller, or one that we asked for.
    Other,
    /// The words of the last [`Request::Say`].
    Words,
    /// One that we asked for and do not want any more.
    Unwanted,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Words to be said before anything else.
    words: Option<Request>,
    /// The conversation holds something that nobody has answered.
    answer_owed: bool,
    /// The last request, until its response is over.
    asked: Option<Asked>,
    caller: Caller,
    /// The last item of ours that the server has not put into the conversation yet: no answer before that is to it.
    unseen: Option<String>,
    /// The server is making a response that it did not announce. It refused ours for it.
    blocked: bool,
    /// The server gives back what our requests are named.
    names_requests: bool,
    requests: u32,
    items: u32,
}

#[derive(Debug)]
struct Asked {
    id: String,
    request: Request,
    begun: bool,
    unwanted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Caller {
    #[default]
    Silent,
    Speaking,
    /// Has spoken, and the server is about to answer.
    Spoken,
}

impl Turns {
    /// Words to be said next, instead of all that was asked for.
    pub(super) fn say(&mut self, words: Request) {
        self.stop();
        self.words = Some(words);
    }

    pub(super) fn owe_answer(&mut self) {
        self.answer_owed = true;
    }

    /// Nothing of what was asked for is wanted any more.
    pub(super) fn stop(&mut self) {
        self.words = None;
        if let Some(asked) = &mut self.asked {
            asked.unwanted = true;
        }
    }

    /// The id for the next item of ours.
    pub(super) fn next_item(&mut self) -> String {
        self.items += 1;
        let id = format!("dialplane-{}", self.items);
        self.unseen = Some(id.clone());
        id
    }

    pub(super) fn item_added(&mut self, item: &str) {
        self.unseen.take_if(|unseen| unseen == item);
    }

    pub(super) fn caller_started(&mut self) {
        self.caller = Caller::Speaking;
    }

    /// `talked_over`: the model went on speaking, or is about to. Then the server may leave the turn unanswered.
    pub(super) fn caller_stopped(&mut self, talked_over: bool) {
        if talked_over || self.awaits_response() {
            self.caller = Caller::Silent;
            self.answer_owed = true;
        } else {
            self.caller = Caller::Spoken;
        }
    }

    /// A response begins that answers the request of this name, if it is known.
    pub(super) fn begun(&mut self, request: Option<&str>) -> Begun {
        self.names_requests |= request.is_some();
        let names = self.names_requests;
        let ours = |asked: &&mut Asked| match request {
            Some(request) => asked.id == request,
            // A server that does not give names back begins what it was asked for.
            None => !names,
        };
        match self.asked.as_mut().filter(|asked| !asked.begun).filter(ours) {
            Some(asked) => {
                asked.begun = true;
                match (asked.unwanted, &asked.request) {
                    (true, _) => Begun::Unwanted,
                    (false, Request::Say(_)) => Begun::Words,
                    (false, Request::Greet(_) | Request::Respond) => Begun::Other,
                }
            }
            None => {
                if self.caller == Caller::Spoken {
                    self.caller = Caller::Silent;
                }
                self.answer_owed &= self.unseen.is_some();
                Begun::Other
            }
        }
    }

    pub(super) fn ended(&mut self) {
        self.blocked = false;
        self.asked.take_if(|asked| asked.begun);
    }

    /// An error that answers a request of ours. True: it only came too early, and is asked again in time.
    pub(super) fn refused(&mut self, error: &ServerError) -> bool {
        let early = error.code == ALREADY_RESPONDING;
        let meant = |asked: &mut Asked| match &error.event_id {
            Some(event_id) => asked.id == *event_id,
            None => early,
        };
        match self.asked.take_if(meant) {
            Some(asked) if early => {
                self.blocked = true;
                match asked.request {
                    _ if asked.unwanted => {}
                    Request::Respond => self.answer_owed = true,
                    words @ (Request::Greet(_) | Request::Say(_)) => {
                        self.words.get_or_insert(words);
                    }
                }
                true
            }
            Some(_) | None => false,
        }
    }

    /// `responding`: a response is being made. `settled`: no tool call waits for its result.
    pub(super) fn step(&mut self, responding: bool, settled: bool) -> Step {
        if self.awaits_response() {
            return Step::Wait;
        }
        if self.words.is_some() && responding {
            return Step::Stop;
        }
        if responding || self.blocked {
            return Step::Wait;
        }
        if let Some(words) = self.words.take() {
            return self.ask(words);
        }
        if self.answer_owed && settled && self.caller == Caller::Silent {
            self.answer_owed = false;
            return self.ask(Request::Respond);
        }
        Step::Wait
    }

    fn awaits_response(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| !asked.begun)
    }

    fn ask(&mut self, request: Request) -> Step {
        self.requests += 1;
        let id = format!("{}-{}", request.purpose(), self.requests);
        self.asked = Some(Asked { id: id.clone(), request: request.clone(), begun: false, unwanted: false });
        Step::Ask(id, request)
    }
}
