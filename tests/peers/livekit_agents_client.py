"""livekit-agents' own OpenAI plugin holds a conversation with the scripted model.

It is configured, greets, hears the caller, is spoken over while it answers, truncates what was not heard,
and edits its tools and history. Neither side may refuse anything: the scripted model fails by its exit code,
the plugin by its error events, and every server event must fit the `openai` package's own types.

    livekit_agents_client.py SCRIPTED_MODEL EVENTS_FILE
"""

import asyncio
import json
import math
import signal
import struct
import subprocess
import sys

import pydantic
from livekit import rtc
from livekit.agents import llm
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime import RealtimeServerEvent

RATE = 24_000
FRAME = RATE // 50
SERVER_EVENT = pydantic.TypeAdapter(RealtimeServerEvent)
PATIENCE = 10


@llm.function_tool
async def hang_up(reason: str) -> str:
    """Ends the call.

    Args:
        reason: why
    """
    return reason


def frames(hz: float, seconds: float):
    """20 ms frames of a tone; 0 Hz is silence."""
    for start in range(0, int(RATE * seconds), FRAME):
        samples = (8_000 * math.sin(math.tau * hz * n / RATE) for n in range(start, start + FRAME))
        yield rtc.AudioFrame(struct.pack(f"<{FRAME}h", *map(int, samples)), RATE, 1, FRAME)


class Watch:
    """Everything the session reports, and waiting for one of it."""

    def __init__(self, session: llm.RealtimeSession) -> None:
        self.errors: list[str] = []
        self.server: list[dict] = []
        self.generations: asyncio.Queue[llm.GenerationCreatedEvent] = asyncio.Queue()
        self.changed = asyncio.Event()
        session.on("error", lambda event: self.errors.append(repr(event.error)))
        session.on("generation_created", self.generations.put_nowait)
        session.on("openai_server_event_received", self.received)

    def received(self, event: dict) -> None:
        self.server.append(event)
        self.changed.set()

    async def event(self, kind: str, count: int = 1) -> dict:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [event for event in self.server if event["type"] == kind]
                if len(found) >= count:
                    return found[count - 1]
                self.changed.clear()
                await self.changed.wait()

    async def generation(self) -> llm.GenerationCreatedEvent:
        async with asyncio.timeout(PATIENCE):
            return await self.generations.get()


async def hear(generation: llm.GenerationCreatedEvent, stop_after: float = math.inf):
    """The message's id and seconds of audio, all of it or until so many seconds."""
    async with asyncio.timeout(PATIENCE):
        async for message in generation.message_stream:
            seconds = 0.0
            async for frame in message.audio_stream:
                seconds += frame.duration
                if seconds >= stop_after:
                    break
            return message.message_id, seconds
    raise AssertionError("a response without a message")


async def converse(session: llm.RealtimeSession, watch: Watch) -> None:
    await session.update_instructions("You answer the phone.")
    await session.update_tools([hang_up])

    greeting = await session.generate_reply(instructions="Say hello", tool_choice="none")
    await watch.generation()
    _, seconds = await hear(greeting)
    assert abs(seconds - 2) < 0.01, f"the greeting lasts {seconds} s"
    await watch.event("response.done")

    for frame in [*frames(970, 1), *frames(0, 0.7)]:
        session.push_audio(frame)
    await watch.event("input_audio_buffer.speech_stopped")
    reply = await watch.generation()
    message, _ = await hear(reply, stop_after=0.5)

    for frame in frames(970, 0.3):
        session.push_audio(frame)
    await watch.event("input_audio_buffer.speech_started", 2)
    session.truncate(message_id=message, modalities=["audio"], audio_end_ms=400)
    cut = await watch.event("conversation.item.truncated")
    assert cut["audio_end_ms"] == 400, cut
    done = (await watch.event("response.done", 2))["response"]
    assert done["status_details"]["reason"] == "turn_detected", done

    for frame in frames(0, 0.7):
        session.push_audio(frame)
    await hear(await watch.generation(), stop_after=0.2)
    session.interrupt()
    done = (await watch.event("response.done", 3))["response"]
    assert done["status_details"]["reason"] == "client_cancelled", done

    history = session.chat_ctx.copy()
    history.add_message(role="user", content="My name is Ada.")
    history.add_message(role="assistant", content="Hello Ada.")
    await session.update_chat_ctx(history)
    await session.update_chat_ctx(llm.ChatContext(history.items[-1:]))


async def main(program: str, events: str) -> int:
    server = subprocess.Popen(
        [program, "--record", events, "--reply-ms", "6000", "--gap-ms", "50"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().strip()
        model = RealtimeModel(base_url=url, api_key="a-key", model="gpt-realtime-2.1", voice="marin")
        session = model.session()
        watch = Watch(session)
        await converse(session, watch)
        await session.aclose()
        await model.aclose()
    finally:
        server.send_signal(signal.SIGINT)
        report, _ = server.communicate(timeout=PATIENCE)
    print(report.strip())
    problems = list(watch.errors)
    for event in watch.server:
        try:
            SERVER_EVENT.validate_python(event)
        except pydantic.ValidationError as error:
            problems.append(f"{event['type']}: {error}")
    if server.returncode != 0:
        problems.append(f"the scripted model exits with {server.returncode}")
    [heard, *_] = json.loads(report)[0]["heard"]
    if abs(heard["hz"] - 970) > 5 or abs(heard["seconds"] - 1) > 0.03:
        problems.append(f"the model heard {heard}")
    print(f"{len(watch.server)} server events fit, {len(problems)} problems")
    print(*problems, sep="\n", file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
