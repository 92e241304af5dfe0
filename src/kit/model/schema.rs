//! What a client may send: OpenAI's Realtime reference (generally available shape) as a table.
//!
//! Source: `RealtimeClientEvent` and the types below it in openai-python 3.54.0, and the service's own refusals.

pub(super) mod beta;

use crate::kit::shape::{Field, Shape, optional, required};

/// Every client event, told apart by `type`.
pub(super) const CLIENT_EVENT: Shape = Shape::Tagged(
    "type",
    &[
        ("session.update", &[EVENT_ID, required("session", SESSION)]),
        ("input_audio_buffer.append", &[EVENT_ID, required("audio", Shape::Text)]),
        ("input_audio_buffer.commit", &[EVENT_ID]),
        ("input_audio_buffer.clear", &[EVENT_ID]),
        ("conversation.item.create", &[EVENT_ID, required("item", ITEM), PREVIOUS_ITEM]),
        ("conversation.item.retrieve", &[EVENT_ID, required("item_id", Shape::Text)]),
        ("conversation.item.delete", &[EVENT_ID, required("item_id", Shape::Text)]),
        ("conversation.item.truncate", TRUNCATE),
        ("response.create", &[EVENT_ID, optional("response", Shape::Nullable(&RESPONSE))]),
        ("response.cancel", &[EVENT_ID, optional("response_id", Shape::Nullable(&Shape::Text))]),
    ],
);

const EVENT_ID: Field = optional("event_id", Shape::Short(512));
const PREVIOUS_ITEM: Field = optional("previous_item_id", Shape::Nullable(&Shape::Text));

const TRUNCATE: &[Field] = &[
    EVENT_ID,
    required("item_id", Shape::Text),
    required("content_index", Shape::Exactly(0)),
    required("audio_end_ms", Shape::Whole(0, i64::MAX)),
];

/// `temperature` is missing on purpose: it ended with the beta, and the service refuses the whole update.
const SESSION: Shape = Shape::Tagged(
    "type",
    &[(
        "realtime",
        &[
            optional("model", Shape::Text),
            optional("instructions", Shape::Text),
            optional("output_modalities", MODALITIES),
            optional("audio", AUDIO),
            optional("tools", TOOLS),
            optional("tool_choice", TOOL_CHOICE),
            optional("max_output_tokens", MAX_TOKENS),
            optional("truncation", TRUNCATION),
            optional("reasoning", REASONING),
            optional("parallel_tool_calls", Shape::Flag),
            optional(
                "include",
                Shape::Nullable(&Shape::List(&Shape::Word(&["item.input_audio_transcription.logprobs"]))),
            ),
            optional("tracing", TRACING),
            optional("prompt", PROMPT),
        ],
    )],
);

const RESPONSE: Shape = Shape::Object(&[
    optional("conversation", Shape::Word(&["auto", "none"])),
    optional("input", Shape::List(&ITEM)),
    optional("instructions", Shape::Nullable(&Shape::Text)),
    optional("metadata", Shape::Nullable(&Shape::Map(16, &Shape::Short(512)))),
    optional("output_modalities", MODALITIES),
    optional(
        "audio",
        Shape::Object(&[optional(
            "output",
            Shape::Object(&[optional("format", FORMAT), optional("voice", VOICE)]),
        )]),
    ),
    optional("tools", TOOLS),
    optional("tool_choice", TOOL_CHOICE),
    optional("max_output_tokens", MAX_TOKENS),
    optional("reasoning", REASONING),
    optional("parallel_tool_calls", Shape::Flag),
    optional("prompt", PROMPT),
]);

const MODALITIES: Shape = Shape::List(&Shape::Word(&["audio", "text"]));

const AUDIO: Shape = Shape::Object(&[
    optional(
        "input",
        Shape::Object(&[
            optional("format", FORMAT),
            optional("noise_reduction", NOISE_REDUCTION),
            optional("transcription", TRANSCRIPTION),
            optional("turn_detection", TURN_DETECTION),
        ]),
    ),
    optional(
        "output",
        Shape::Object(&[
            optional("format", FORMAT),
            optional("voice", VOICE),
            optional("speed", Shape::Number(0.25, 1.5)),
        ]),
    ),
]);

/// PCM has one rate; G.711 has no `rate` key, and sending one is an unknown parameter.
const FORMAT: Shape = Shape::Tagged(
    "type",
    &[("audio/pcm", &[optional("rate", Shape::Exactly(24_000))]), ("audio/pcmu", &[]), ("audio/pcma", &[])],
);

const VOICE: Shape = Shape::Either(&[Shape::Text, Shape::Object(&[required("id", Shape::Text)])]);

const NOISE_REDUCTION: Shape = Shape::Nullable(&Shape::Object(&[
    required("type", Shape::Word(&["near_field", "far_field"])),
    optional("strength", Shape::Number(0.0, 1.0)),
]));

const TRANSCRIPTION: Shape = Shape::Nullable(&Shape::Object(&[
    optional("model", Shape::Text),
    optional("language", Shape::Text),
    optional("languages", Shape::List(&Shape::Text)),
    optional("prompt", Shape::Text),
    optional("keywords", Shape::List(&Shape::Text)),
    optional("delay", Shape::Word(&["minimal", "low", "medium", "high", "xhigh"])),
]));

const TURN_DETECTION: Shape = Shape::Nullable(&Shape::Tagged(
    "type",
    &[
        (
            "server_vad",
            &[
                optional("threshold", Shape::Number(0.0, 1.0)),
                optional("prefix_padding_ms", Shape::Whole(0, 5_000)),
                optional("silence_duration_ms", Shape::Whole(0, 10_000)),
                optional("create_response", Shape::Flag),
                optional("interrupt_response", Shape::Flag),
                optional("idle_timeout_ms", Shape::Nullable(&Shape::Whole(5_000, 30_000))),
            ],
        ),
        (
            "semantic_vad",
            &[
                optional("eagerness", Shape::Word(&["low", "medium", "high", "auto"])),
                optional("create_response", Shape::Flag),
                optional("interrupt_response", Shape::Flag),
            ],
        ),
    ],
));

const TOOLS: Shape = Shape::List(&Shape::Tagged(
    "type",
    &[(
        "function",
        &[
            required("name", Shape::Short(64)),
            optional("description", Shape::Text),
            optional("parameters", Shape::Map(1_000, &Shape::Any)),
        ],
    )],
));

const TOOL_CHOICE: Shape = Shape::Either(&[
    Shape::Word(&["none", "auto", "required"]),
    Shape::Tagged("type", &[("function", &[required("name", Shape::Text)])]),
]);

const MAX_TOKENS: Shape = Shape::Either(&[Shape::Word(&["inf"]), Shape::Whole(1, 4_096)]);

const TRUNCATION: Shape = Shape::Either(&[
    Shape::Word(&["auto", "disabled"]),
    Shape::Tagged(
        "type",
        &[(
            "retention_ratio",
            &[
                required("retention_ratio", Shape::Number(0.0, 1.0)),
                optional(
                    "token_limits",
                    Shape::Object(&[optional("post_instructions", Shape::Whole(0, i64::MAX))]),
                ),
            ],
        )],
    ),
]);

const REASONING: Shape = Shape::Nullable(&Shape::Object(&[optional(
    "effort",
    Shape::Word(&["minimal", "low", "medium", "high", "xhigh"]),
)]));

const TRACING: Shape = Shape::Nullable(&Shape::Either(&[
    Shape::Word(&["auto"]),
    Shape::Object(&[
        optional("workflow_name", Shape::Text),
        optional("group_id", Shape::Text),
        optional("metadata", Shape::Map(100, &Shape::Any)),
    ]),
]));

const PROMPT: Shape = Shape::Nullable(&Shape::Object(&[
    required("id", Shape::Text),
    optional("version", Shape::Nullable(&Shape::Text)),
    optional("variables", Shape::Nullable(&Shape::Map(100, &Shape::Any))),
]));

/// Ids and call ids above 32 characters are refused by the service.
const ITEM_ID: Field = optional("id", Shape::Short(32));
const OBJECT: Field = optional("object", Shape::Word(&["realtime.item"]));
const STATUS: Field = optional("status", Shape::Word(&["completed", "incomplete", "in_progress"]));

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

const FUNCTION_CALL: &[Field] = &[
    ITEM_ID,
    OBJECT,
    STATUS,
    optional("call_id", Shape::Short(32)),
    required("name", Shape::Text),
    required("arguments", Shape::Text),
];

const FUNCTION_CALL_OUTPUT: &[Field] =
    &[ITEM_ID, OBJECT, STATUS, required("call_id", Shape::Short(32)), required("output", Shape::Text)];

/// Which part goes with which role is [`super::conversation`]'s to check. Assistant audio can't be created.
const CONTENT: Shape = Shape::Tagged(
    "type",
    &[
        ("input_text", &[required("text", Shape::Text)]),
        ("output_text", &[required("text", Shape::Text)]),
        (
            "input_audio",
            &[required("audio", Shape::Text), optional("transcript", Shape::Nullable(&Shape::Text))],
        ),
        (
            "input_image",
            &[required("image_url", Shape::Text), optional("detail", Shape::Word(&["auto", "low", "high"]))],
        ),
    ],
);
