//! What a client may send in the older, flat shape.
//!
//! Source: `RealtimeClientEvent` of the beta types in openai-python 3.54.0.

use super::{
    EVENT_ID, FUNCTION_CALL, FUNCTION_CALL_OUTPUT, ITEM_ID, MAX_TOKENS, NOISE_REDUCTION, OBJECT, STATUS,
    TOOL_CHOICE, TOOLS, TRACING,
};
use crate::kit::shape::{Field, Shape, optional, required};

pub(in crate::kit::model) const CLIENT_EVENT: Shape = Shape::Tagged(
    "type",
    &[
        ("session.update", &[EVENT_ID, required("session", SESSION)]),
        ("input_audio_buffer.append", &[EVENT_ID, required("audio", Shape::Text)]),
        ("input_audio_buffer.commit", &[EVENT_ID]),
        ("input_audio_buffer.clear", &[EVENT_ID]),
        ("conversation.item.create", &[EVENT_ID, required("item", ITEM), super::PREVIOUS_ITEM]),
        ("conversation.item.retrieve", &[EVENT_ID, required("item_id", Shape::Text)]),
        ("conversation.item.delete", &[EVENT_ID, required("item_id", Shape::Text)]),
        ("conversation.item.truncate", super::TRUNCATE),
        ("response.create", &[EVENT_ID, optional("response", RESPONSE)]),
        ("response.cancel", &[EVENT_ID, optional("response_id", Shape::Text)]),
    ],
);

/// Without `type` and `audio`: either is an unknown parameter here.
const SESSION: Shape = Shape::Object(&[
    MODALITIES,
    VOICE,
    TEMPERATURE,
    OUTPUT_FORMAT,
    optional("model", Shape::Text),
    optional("instructions", Shape::Text),
    optional("input_audio_format", FORMAT),
    optional("input_audio_transcription", TRANSCRIPTION),
    optional("input_audio_noise_reduction", NOISE_REDUCTION),
    optional("turn_detection", TURN_DETECTION),
    optional("tools", TOOLS),
    optional("tool_choice", TOOL_CHOICE),
    optional("max_response_output_tokens", MAX_TOKENS),
    optional("speed", Shape::Number(0.25, 1.5)),
    optional("tracing", TRACING),
]);

const RESPONSE: Shape = Shape::Object(&[
    MODALITIES,
    VOICE,
    TEMPERATURE,
    OUTPUT_FORMAT,
    optional("conversation", Shape::Word(&["auto", "none"])),
    optional("input", Shape::List(&ITEM)),
    optional("instructions", Shape::Text),
    optional("metadata", Shape::Nullable(&Shape::Map(16, &Shape::Short(512)))),
    optional("tools", TOOLS),
    optional("tool_choice", TOOL_CHOICE),
    optional("max_response_output_tokens", MAX_TOKENS),
]);

const MODALITIES: Field = optional("modalities", Shape::List(&Shape::Word(&["audio", "text"])));
/// Two of the voices came after this shape.
const VOICE: Field =
    optional("voice", Shape::Word(&["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"]));
const TEMPERATURE: Field = optional("temperature", Shape::Number(0.6, 1.2));
const OUTPUT_FORMAT: Field = optional("output_audio_format", FORMAT);
const FORMAT: Shape = Shape::Word(&["pcm16", "g711_ulaw", "g711_alaw"]);

const TRANSCRIPTION: Shape = Shape::Nullable(&Shape::Object(&[
    optional("model", Shape::Text),
    optional("language", Shape::Text),
    optional("prompt", Shape::Text),
]));

const TURN_DETECTION: Shape = Shape::Nullable(&Shape::Object(&[
    optional("type", Shape::Word(&["server_vad", "semantic_vad"])),
    optional("eagerness", Shape::Word(&["low", "medium", "high", "auto"])),
    optional("threshold", Shape::Number(0.0, 1.0)),
    optional("prefix_padding_ms", Shape::Whole(0, 5_000)),
    optional("silence_duration_ms", Shape::Whole(0, 10_000)),
    optional("create_response", Shape::Flag),
    optional("interrupt_response", Shape::Flag),
]));

const ITEM: Shape = Shape::Tagged(
    "type",
    &[
        (
            "message",
            &[
                ITEM_ID,
                OBJECT,
                STATUS,
                required("role", Shape::Word(&["user", "assistant", "system"])),
                required("content", Shape::List(&CONTENT)),
            ],
        ),
        ("function_call", FUNCTION_CALL),
        ("function_call_output", FUNCTION_CALL_OUTPUT),
    ],
);

const CONTENT: Shape = Shape::Tagged(
    "type",
    &[
        ("input_text", &[required("text", Shape::Text)]),
        ("text", &[required("text", Shape::Text)]),
        ("input_audio", &[required("audio", Shape::Text), optional("transcript", Shape::Text)]),
    ],
);
