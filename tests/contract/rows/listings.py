"""What listings and counts show, and what goes on at Teli meanwhile: rows 21 to 28, 42 and 43."""

from typing import Any

from tests.contract.scene import DAY, HOUR, MINUTE, Scene
from tests.contract.story import purchase, story
from tests.simulator.program import KEY
from tests.simulator.teli import TeliClient
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER


async def lost_answer(scene: Scene, **fields: Any) -> None:
    """A purchase that was made and recorded, and whose answer was lost: a doubt that only looking can resolve."""
    await scene.teli.arm("reset", step="answering")
    await scene.caller.buys(**fields)


@story(21, "Bought, and listed a minute later")
async def listed_late(scene: Scene) -> None:
    await scene.teli.switch(list_lag_seconds=60)
    await scene.caller.buys()
    await scene.works()
    assert await scene.gateway.sql("SELECT confirmed_at FROM numbers") == [(None,)]
    await scene.passes(2 * MINUTE)
    await scene.settles()


@story(21, "The answer is lost, and the number is listed half an hour later")
async def doubt_listed_late(scene: Scene) -> None:
    await scene.teli.arm("late_in_list", seconds=30 * MINUTE)
    await lost_answer(scene)
    await scene.passes(25 * MINUTE, every=5 * MINUTE)
    await scene.caller.looks_after()
    await scene.passes(10 * MINUTE)
    await scene.settles()


@story(22, "The answer is lost, and listings leave its row out for half an hour; their count agrees")
async def left_out(scene: Scene) -> None:
    await short_listings(scene, "list_omits")


@story(22, "The answer is lost, and listings leave its row out for half an hour; their count tells")
async def left_out_and_counted(scene: Scene) -> None:
    await short_listings(scene, "list_omits", keep_count=True)


@story(22, "The answer is lost, and the count of listings is wrong for half an hour")
async def miscounted(scene: Scene) -> None:
    await short_listings(scene, "list_miscounts")


@story(23, "The answer is lost, and listings fail for half an hour")
async def listings_fail(scene: Scene) -> None:
    await short_listings(scene, "server_error")


@story(23, "The answer is lost, and listings are empty for half an hour, although numbers are held")
async def listings_are_empty(scene: Scene) -> None:
    await short_listings(scene, "list_empty")


async def short_listings(scene: Scene, fault: str, **terms: Any) -> None:
    await scene.holds()
    armed = await scene.teli.arm(fault, 1000, operation="list", **terms)
    await lost_answer(scene)
    await scene.passes(30 * MINUTE, every=5 * MINUTE)
    await scene.caller.looks_after()
    await scene.teli.disarm(armed)
    await scene.passes(5 * MINUTE)
    await scene.settles()


@story(
    24,
    "Another user of the organisation has a number too; a listing shows one user's, and all only to whom it is allowed",
)
async def one_users_listing(scene: Scene) -> None:
    other = await scene.teli.user(ORGANIZATION, name="Second user")
    await scene.caller.buys(key="first-user")
    await lost_answer(scene, key="second-user", user_id=other["unique_id"])
    await scene.settles()
    for user in (USER, other["unique_id"]):
        listing = await scene.caller.tenant.get(NUMBERS, params={"user_id": user, "organization_id": ORGANIZATION})
        assert [row["user_id"] for row in listing.json()["phone_numbers"]] == [user]
    # At Teli a flag that anybody may set; here a permission.
    everyone = {"user_id": USER, "organization_id": ORGANIZATION, "is_admin": "true"}
    scene.caller.tenant.key = (await scene.another_caller(scopes=["numbers:read"])).tenant.key
    await scene.caller.asks("GET", NUMBERS, params=everyone)


for form in ("uuid", "unique_id"):

    @story(25, f"The answer is lost, and rows name user and organisation by `{form}`")
    async def named_otherwise(scene: Scene, form: str = form) -> None:
        await scene.teli.switch(id_form_numbers=form, id_form_users=form)
        await lost_answer(scene)
        await scene.settles()


for switched, shown in (
    ({"nickname": "trimmed"}, "is trimmed"),
    ({"nickname": "cut"}, "is cut after 16 letters"),
    ({"nickname": "cut", "nickname_length": 8}, "is cut after 8 letters"),
    ({"nickname": "dropped"}, "is not stored"),
):

    @story(26, f"The nickname {shown}; the answer is lost")
    async def nickname(scene: Scene, switched: dict[str, Any] = switched) -> None:
        await scene.teli.switch(**switched)
        await lost_answer(scene, nickname="Front desk")
        await scene.settles()


purchase(26, "The nickname is not stored; the answer arrives", None, {"nickname": "dropped"})


@story(26, "The nickname is not stored; the answer is lost; nobody else buys for this user")
async def exclusive(scene: Scene) -> None:
    await scene.gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": True})
    await scene.teli.switch(nickname="dropped")
    await scene.works()
    await lost_answer(scene)
    await scene.passes(MINUTE)
    await scene.settles()


@story(26, "A person renames the number before it was seen; the answer is lost")
async def renamed(scene: Scene) -> None:
    await lost_answer(scene)
    [purchased] = await scene.teli.purchases()
    await scene.teli.dashboard_rename(purchased["phone_number"], "Reception")
    await scene.settles()


@story(26, "A person renames the number after it was seen")
async def renamed_later(scene: Scene) -> None:
    await scene.caller.buys()
    await scene.works()
    [purchased] = await scene.teli.purchases()
    await scene.teli.dashboard_rename(purchased["phone_number"], "Reception")
    await scene.passes(2 * HOUR)
    await scene.settles()


@story(27, "Somebody else buys for the same user meanwhile; the answer is lost")
async def rival(scene: Scene) -> None:
    await scene.teli.arm("rival_purchase")
    await lost_answer(scene)
    await scene.settles()


@story(27, "Somebody else buys for the same user meanwhile; the answer is lost; nicknames are not stored")
async def rival_unmarked(scene: Scene) -> None:
    await scene.teli.switch(nickname="dropped")
    await scene.teli.arm("rival_purchase")
    await lost_answer(scene)
    await scene.settles()


@story(27, "Somebody else buys for the same user meanwhile; nothing was bought for the caller")
async def rival_alone(scene: Scene) -> None:
    await scene.teli.arm("rival_purchase", step="received")
    await scene.teli.arm("reset", step="received")
    await scene.caller.buys()
    await scene.settles()


@story(28, "Released in the dashboard; the caller releases it too")
async def released_elsewhere(scene: Scene) -> None:
    [number] = await scene.holds()
    await scene.teli.dashboard_release(number["phone_number"])
    await scene.caller.releases(number["phone_number"])


@story(28, "Released in the dashboard; nobody asks")
async def gone(scene: Scene) -> None:
    [number] = await scene.holds()
    await scene.teli.dashboard_release(number["phone_number"])
    await scene.passes(6 * HOUR, every=2 * HOUR)
    [ghost] = (await scene.operator.get("/v1/admin/ghosts")).json()["items"]
    assert ghost["id"] == number["id"]
    await scene.decides("ghosts", ghost["id"], decision="missing")
    await scene.caller.asks("GET", f"/v1/numbers/{number['id']}")


for form in ("naive", "offset", "zulu", "epoch", "empty"):

    @story(42, f"Times are written as `{form}`; the answer is lost")
    async def times(scene: Scene, form: str = form) -> None:
        await scene.teli.switch(time_format=form)
        await lost_answer(scene)
        await scene.settles()


@story(43, "Nothing was bought, and for a day Teli counts one purchase more than it lists")
async def counted_one_more(scene: Scene) -> None:
    armed = await scene.teli.arm("analytics_miscount", 1000, operation="analytics_users")
    await scene.teli.arm("reset", step="received")
    await scene.caller.buys()
    await scene.passes(20 * MINUTE, every=5 * MINUTE)
    await scene.passes(4 * DAY, every=DAY)
    await scene.caller.looks_after()
    await scene.teli.disarm(armed)
    await scene.passes(DAY)
    await scene.settles()


@story(43, "Bought and never recorded, and Teli's counts are a day behind")
async def counted_late(scene: Scene) -> None:
    await scene.teli.switch(analytics_lag_seconds=DAY)
    await scene.teli.arm("not_recorded")
    await scene.caller.buys()
    await scene.settles()


@story(43, "Nothing was bought, and Teli's counts include an SMS number")
async def counted_with_sms(scene: Scene) -> None:
    await scene.teli.switch(analytics_include_sms=True)
    async with TeliClient(scene.gateway.settings.teli_base_url, KEY) as direct:
        sms = {"organization_id": ORGANIZATION, "user_id": USER, "area_code": "415"}
        assert (await direct.post("/v1/sms/phone-numbers/purchase", **sms)).status_code == 200
    await scene.teli.arm("reset", step="received")
    await scene.caller.buys()
    await scene.settles()
