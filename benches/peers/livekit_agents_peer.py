"""The same call as a livekit-agents worker: greet, then converse by the realtime model that the environment names."""

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import openai

# Its own measure of load is the whole machine's processor, on which phones, model and LiveKit run beside it here: with
# the default it would refuse calls that it can still take.
server = AgentServer(load_fnc=lambda: 0.0)


@server.rtc_session(agent_name="pstn-voice-agent")
async def answer(job: JobContext) -> None:
    session = AgentSession(llm=openai.realtime.RealtimeModel(model="gpt-realtime-2.1", voice="alloy"))
    await session.start(agent=Agent(instructions="You answer the phone."), room=job.room)
    await session.generate_reply(instructions="Greet the caller.")


if __name__ == "__main__":
    cli.run_app(server)
