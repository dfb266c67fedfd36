"""What must hold at the end of every story, whatever was broken in it."""

from collections import Counter

from tests.contract.scene import Caller, Scene, mark_sent


async def assert_kept(scene: Scene) -> None:
    await _bought_once(scene)
    await _nothing_is_lost(scene)
    await _quota_is_exact(scene)
    for caller in scene.callers:
        _nobody_is_told_two_things(caller)


async def _bought_once(scene: Scene) -> None:
    """One create for an intent, one purchase for a create; counted over all that was ever bought."""
    creates = [one for one in await scene.teli.requests("create") if one["method"] == "POST"]
    sent = Counter(mark_sent(one) for one in creates)
    meant = Counter(mark.strip() for (mark,) in await scene.gateway.sql("SELECT mark FROM intents"))
    assert sent <= meant, "a create was sent twice for one intent, or for none"
    marks = {one["request_id"]: mark_sent(one) for one in creates}
    sold = Counter(
        marks[one["request_id"]]
        for one in await scene.teli.purchases()
        if one["bought_by"] == "api" and one["phone_type"] == "voice"
    )
    assert sold <= meant, "more was bought than was meant"
    not_refused = Counter(
        (tenant, key)
        for tenant, key in await scene.gateway.sql(
            "SELECT tenant_id, idempotency_key FROM intents WHERE state <> 'refused'"
        )
    )
    assert set(not_refused.values()) <= {1}, "a key has two intents that may have bought"


async def _nothing_is_lost(scene: Scene) -> None:
    """Every number that is held is in the ledger, existing, an orphan, or what an open doubt of its user is about."""
    known = {
        row[0]
        for row in await scene.gateway.sql(
            "SELECT phone_number FROM numbers WHERE state NOT IN ('released', 'missing')"
            " UNION ALL SELECT phone_number FROM existing_numbers UNION ALL SELECT phone_number FROM orphans"
        )
    }
    doubted = Counter(
        user
        for (user,) in await scene.gateway.sql("SELECT user_id FROM intents WHERE state IN ('doubtful', 'unresolved')")
    )
    held = [one for one in await scene.teli.purchases() if one["released_at"] is None and one["phone_type"] == "voice"]
    strange = Counter(one["user_id"] for one in held if one["phone_number"] not in known)
    assert strange <= doubted, "a number is billed and nobody knows of it"


async def _quota_is_exact(scene: Scene) -> None:
    """Used is what is held, reserved is what may be."""
    kept = await scene.gateway.sql("SELECT tenant_id, used, reserved FROM quotas ORDER BY 1")
    counted = await scene.gateway.sql(
        "SELECT q.tenant_id,"
        " (SELECT count(*) FROM numbers n WHERE n.tenant_id = q.tenant_id AND n.state NOT IN ('released', 'missing')),"
        " (SELECT count(*) FROM intents i WHERE i.tenant_id = q.tenant_id"
        "  AND i.state IN ('sending', 'doubtful', 'unresolved'))"
        " FROM quotas q ORDER BY 1"
    )
    assert kept == counted, "the quota is not what is held and what may be"


def _nobody_is_told_two_things(caller: Caller) -> None:
    """However often it is asked for and by whichever way, a key has one final answer."""
    finals: dict[str, object] = {}
    for told in caller.told:
        if told.key and told.final is not None:
            assert finals.setdefault(told.key, told.final) == told.final, f"two answers for key {told.key}"
