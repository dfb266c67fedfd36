"""Which function serves which operation."""

from collections.abc import Awaitable, Callable

from service.simulator.call import Call
from service.simulator.endpoints import agents, analytics, buying, calls, campaigns, numbers, organizations
from service.simulator.reply import Reply
from service.simulator.state.world import World

Endpoint = Callable[[Call, World], Awaitable[Reply]]

ENDPOINTS: dict[str, Endpoint] = {
    "create": buying.create,
    "create_result": buying.create_result,
    "list": numbers.list_numbers,
    "update_agent": numbers.update_agent,
    "release": numbers.release,
    "campaign_create": campaigns.create,
    "campaign_list": campaigns.list_campaigns,
    "campaign_get": campaigns.get_campaign,
    "campaign_pause": campaigns.pause,
    "campaign_resume": campaigns.resume,
    "campaign_end": campaigns.end,
    "campaign_delete": campaigns.delete,
    "campaign_failed_numbers": campaigns.failed_numbers,
    "campaign_analytics": campaigns.analytics,
    "campaign_calls": campaigns.list_calls,
    "call_list": calls.list_calls,
    "call_get": calls.get_call,
    "organization_list": organizations.list_organizations,
    "organization_get": organizations.get_organization,
    "organization_create": organizations.create_organization,
    "organization_update": organizations.update_organization,
    "user_list": organizations.list_users,
    "user_get": organizations.get_user,
    "user_create": organizations.create_user,
    "user_update": organizations.update_user,
    "agent_list": agents.list_agents,
    "agent_get": agents.get_agent,
    "agent_create": agents.create_agent,
    "analytics_overview": analytics.overview,
    "analytics_organizations": analytics.organizations,
    "analytics_users": analytics.users,
    "analytics_usage": analytics.usage,
    "sms_purchase": buying.sms_purchase,
    "sms_list": numbers.list_sms,
}
