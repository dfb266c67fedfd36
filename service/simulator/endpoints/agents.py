"""Voice agents: enough of them for their ids."""

from service.simulator.call import Call
from service.simulator.errors import refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.agents import Agent
from service.simulator.state.clock import shown
from service.simulator.state.world import World
from service.simulator.steps import Step


async def create_agent(call: Call, world: World) -> Reply:
    """Make an agent; three of its ids are answered."""
    agent = world.agents.add(
        call.tenant_id,
        world.clock.now(),
        name=call.text("name") or "Agent",
        organization_id=call.text("organization_id"),
        user_id=call.text("user_id"),
    )
    await call.reached(Step.recorded)
    return ok(agent_id=agent.agent_id, unique_id=agent.unique_id, voice_agent_id=agent.voice_agent_id)


async def list_agents(call: Call, world: World) -> Reply:
    """All agents of the tenant."""
    rows = [_row(agent, world) for agent in world.agents.all(call.tenant_id)]
    return ok(count=len(rows), agents=rows)


async def get_agent(call: Call, world: World) -> Reply:
    """One agent, by any of its ids."""
    agent = world.agents.find(call.tenant_id, call.path["agent_id"])
    if agent is None:
        raise refusal(404, "Agent not found")
    return ok(agent=_row(agent, world))


def _row(agent: Agent, world: World) -> Json:
    return {
        "id": agent.id,
        "agent_id": agent.agent_id,
        "unique_id": agent.unique_id,
        "voice_agent_id": agent.voice_agent_id,
        "name": agent.name,
        "organization_id": agent.organization_id,
        "user_id": agent.user_id,
        "tenant_id": agent.tenant_id,
        "created_at": shown(agent.created_at, "naive", world.switches.time_format),
    }
