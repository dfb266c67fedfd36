"""Every method and path that Teli's pages document, with the fields they name."""

import re
from dataclasses import dataclass

from service.simulator.steps import Step

_PLAIN = (Step.received, Step.answering)
_WRITING = (Step.received, Step.recorded, Step.answering)
_BUYING = (Step.received, Step.bought, Step.linked, Step.recorded, Step.answering)
_RELEASING = (Step.received, Step.unlinked, Step.returned, Step.removed, Step.answering)
_DIALLING = (Step.received, Step.recorded, Step.dialled, Step.answering)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path. `body` and `query` are the documented fields; `steps` the moments it passes, in order."""

    name: str
    method: str
    path: str
    steps: tuple[Step, ...] = _PLAIN
    body: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        """All names under which a request says something: in its path, its body, its query."""
        return self.body | self.query | frozenset(re.findall(r"{(\w+)}", self.path))


def _fields(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NUMBERS = "/v1/voice/phone-numbers"
_CAMPAIGNS = "/v1/voice/campaigns"
_CAMPAIGN = f"{_CAMPAIGNS}/{{campaign_id}}"
_ORGANIZATIONS = "/v1/organizations"
_ORGANIZATION = f"{_ORGANIZATIONS}/{{organization_id}}"
_USERS = f"{_ORGANIZATION}/users"
_PERIOD = "start_date end_date"
_LEADS = """leads voice_agent_id agent_outbound_number organization_id tenant_id user_id campaign_id number_pool
    campaign_begin_time campaign_end_time redial_enabled redial_config"""
_CALL_FILTERS = "organization_id user_id is_admin agent_id call_status direction start_date end_date limit"

_ALL = (
    Operation(
        "create",
        "POST",
        f"{_NUMBERS}/create",
        _BUYING,
        _fields("area_code user_id organization_id tenant_id nickname"),
    ),
    Operation("create_result", "GET", f"{_NUMBERS}/create", query=_fields("__modal_function_call_id")),
    Operation("list", "GET", _NUMBERS, query=_fields("user_id organization_id is_admin phone_type")),
    Operation(
        "update_agent",
        "POST",
        f"{_NUMBERS}/{{phone_number}}/update-agent",
        _WRITING,
        _fields("inbound_agent_id outbound_agent_id nickname"),
    ),
    Operation("release", "DELETE", f"{_NUMBERS}/{{phone_number}}", _RELEASING),
    Operation("campaign_create", "POST", _CAMPAIGNS, _DIALLING, _fields(_LEADS)),
    Operation("campaign_list", "GET", _CAMPAIGNS, query=_fields("organization_id tenant_id is_admin")),
    Operation("campaign_get", "GET", _CAMPAIGN),
    Operation("campaign_pause", "POST", f"{_CAMPAIGN}/pause", _WRITING),
    Operation("campaign_resume", "POST", f"{_CAMPAIGN}/resume", _WRITING),
    Operation("campaign_end", "POST", f"{_CAMPAIGN}/end", _WRITING),
    Operation("campaign_delete", "DELETE", _CAMPAIGN, _WRITING),
    Operation(
        "campaign_failed_numbers",
        "GET",
        f"{_CAMPAIGN}/failed-numbers",
        query=_fields("format include_voicemail include_not_called"),
    ),
    Operation("campaign_analytics", "GET", f"{_CAMPAIGN}/analytics"),
    Operation("campaign_calls", "GET", f"{_CAMPAIGN}/calls"),
    Operation("call_list", "GET", "/v1/voice/calls", query=_fields(_CALL_FILTERS)),
    Operation("call_get", "GET", "/v1/voice/calls/{call_id}"),
    Operation("organization_list", "GET", _ORGANIZATIONS),
    Operation("organization_get", "GET", _ORGANIZATION),
    Operation("organization_create", "POST", _ORGANIZATIONS, _WRITING, _fields("name contact_email")),
    Operation("organization_update", "PATCH", _ORGANIZATION, _WRITING, _fields("name contact_email status")),
    Operation("user_list", "GET", _USERS),
    Operation("user_get", "GET", f"{_USERS}/{{user_id}}"),
    Operation("user_create", "POST", _USERS, _WRITING, _fields("name email phone permission")),
    Operation("user_update", "PATCH", f"{_USERS}/{{user_id}}", _WRITING, _fields("name email permission phone status")),
    Operation("agent_list", "GET", "/v1/agents", query=_fields("organization_id user_id")),
    Operation("agent_get", "GET", "/v1/agents/{agent_id}"),
    Operation("agent_create", "POST", "/v1/agents", _WRITING, _fields("name organization_id user_id tenant_id")),
    Operation("analytics_overview", "GET", "/v1/analytics/overview", query=_fields(_PERIOD)),
    Operation("analytics_organizations", "GET", "/v1/analytics/organizations", query=_fields(_PERIOD)),
    Operation("analytics_users", "GET", "/v1/analytics/users", query=_fields(f"{_PERIOD} organization_id")),
    Operation("analytics_usage", "GET", "/v1/analytics/usage", query=_fields(f"{_PERIOD} organization_id user_id")),
    Operation(
        "sms_purchase",
        "POST",
        "/v1/sms/phone-numbers/purchase",
        _BUYING,
        _fields("organization_id area_code user_id nickname"),
    ),
    Operation("sms_list", "GET", "/v1/sms/phone-numbers", query=_fields("organization_id include_assigned")),
)

OPERATIONS = {operation.name: operation for operation in _ALL}
"""Every operation by its name."""
