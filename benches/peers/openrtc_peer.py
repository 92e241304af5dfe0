"""The same call as an openrtc pool in its default mode, every call in one process."""

from livekit.agents import Agent
from livekit.plugins import openai
from openrtc import AgentPool
from openrtc.core import turn_handling

# It always loads a turn detector whose weights are a download of their own. The model finds the turns here, as it does for
# the others, so there is nothing to detect.
turn_handling._default_turn_detection = lambda *_: "realtime_llm"


class Receptionist(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You answer the phone.")


# By default it calls itself full at 35 calls (70 % of 50), whatever the machine can do.
pool = AgentPool(agent_name="pstn-voice-agent", max_concurrent_sessions=500)
pool.add(
    "receptionist",
    Receptionist,
    llm=openai.realtime.RealtimeModel(model="gpt-realtime-2.1", voice="alloy"),
    greeting="Greet the caller.",
)

if __name__ == "__main__":
    pool.run()
