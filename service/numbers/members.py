"""What of a number its tenant may change, and while it is in which states. Pure."""

MOST_TAGS = 20
# Characters.
LONGEST_NICKNAME, LONGEST_AGENT_ID = 100, 128
CHANGEABLE = ("active", "release_scheduled")
AGENTS = ("inbound_agent_id", "outbound_agent_id")
# What Teli knows nothing of.
KEPT_HERE = ("cost_center", "tags", "holder_user_id")
