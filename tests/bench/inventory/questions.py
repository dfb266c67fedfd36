"""What people ask of an inventory, and the SQL that somebody who knows the tables would write for it by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from service.inventory.repository import COUNTED
from tests.bench.inventory.data import LARGEST, RARE_TAG

PAGE = 100
ITEM = (
    "id, phone_number, state, organization_id, tenant_id, user_id, area_code, nickname, cost_center, tags, acquired_at,"
    " confirmed_at, released_at"
)
HELD = "state <> 'released'"
# As the indexes spell them; a query that spelled them otherwise would not be served by them.
NICKNAME = """coalesce(lower(nickname), '') COLLATE "C\""""
IDLE = "coalesce(idle_since, 'infinity')"
WORDS = "number_words(phone_number, pretty, nickname, tags, user_id, holder_user_id)"
AGE, NEWEST = "acquired_at, id", "acquired_at DESC, id DESC"
Who = Literal["administrator", "tenant", "tenant that sees its organisation"]
# Organisations by rank that are neither the largest nor the smallest.
SOME = (3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True, slots=True)
class Ask:
    """`params`: of the query of `GET /v1/numbers`. `where`, `args`: the same by hand, but for what is not held."""

    params: dict[str, Any]
    where: str = "true"
    args: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """`asks` are asked in turn. `held`: released numbers are left out.

    `frequent`: what is looked for is known to be, so whoever writes by hand has the order gone through until enough is
    found.
    """

    name: str
    asks: Sequence[Ask]
    order: str = AGE
    who: Who = "administrator"
    held: bool = True
    sort: str | None = None
    frequent: bool = False

    def params(self, ask: Ask) -> dict[str, Any]:
        return ask.params | ({"sort": self.sort} if self.sort else {})

    def page(self, ask: Ask) -> str:
        return self._select(ITEM, ask, PAGE + 1)

    def count(self, ask: Ask) -> str:
        return f"SELECT count(*) FROM ({self._select('', ask, COUNTED + 1)}) matching"

    def estimate(self, ask: Ask) -> str:
        return f"EXPLAIN (FORMAT JSON) SELECT FROM numbers WHERE {self._where(ask)}"

    def _select(self, columns: str, ask: Ask, limit: int) -> str:
        if not self.frequent:
            return f"SELECT {columns} FROM numbers WHERE {self._where(ask)} ORDER BY {self.order} LIMIT {limit}"
        first, words = ask.where.split(" AND ", 1)
        inner = f"SELECT * FROM numbers WHERE {first} AND {HELD} ORDER BY {self.order} OFFSET 0"
        return f"SELECT {columns} FROM ({inner}) n WHERE {words} LIMIT {limit}"

    def _where(self, ask: Ask) -> str:
        return f"{ask.where} AND {HELD}" if self.held else ask.where


def _largest(where: str = "", *args: Any, **params: Any) -> list[Ask]:
    """Of the largest organisation, which is $1."""
    return [
        Ask({"organization_id": LARGEST, **params}, f"organization_id = $1{where and ' AND '}{where}", (LARGEST, *args))
    ]


def _prefix(column: str, place: int) -> str:
    return f"{column} >= lower(${place}) AND {column} < lower(${place}) || chr(1114111)"


def _words(place: int, words: str) -> str:
    return " AND ".join(f"{WORDS} LIKE ${place + n}" for n in range(len(words.split())))


def _looked_for(words: str) -> list[str]:
    return [f"%{word}%" for word in words.lower().split()]


def questions(numbers: Sequence[str], until: datetime) -> list[Question]:
    """`numbers`: E.164 of some that are there."""
    organizations = [f"org-{rank:04}" for rank in SOME]
    month, day = until - timedelta(days=400), until - timedelta(days=200)
    now = datetime.now(UTC)
    idle = {days: now - timedelta(days=days) for days in (30, 90, 350)}
    rare = "toledo 4711"
    return [
        Question("all there are", [Ask({})]),
        Question("all there are, newest first", [Ask({})], NEWEST, sort="-acquired_at"),
        Question("all there are, by number", [Ask({})], "phone_number, id", sort="phone_number"),
        Question(
            "all in an area code", [Ask({"area_code": code}, "area_code = $1", (code,)) for code in ("415", "972")]
        ),
        Question(
            "all idle for 30 days, longest idle first",
            [Ask({"idle_days": 30}, f"{IDLE} <= $1", (idle[30],))],
            f"{IDLE}, id",
            sort="idle_since",
        ),
        Question("all with a rare tag", [Ask({"tag": RARE_TAG}, "tags @> $1", ([RARE_TAG],))]),
        Question("one number", [Ask({"phone_number": one}, "phone_number = $1", (one,)) for one in numbers]),
        Question(
            "all with the last digits of a number",
            [Ask({"q": one[-7:]}, f"{WORDS} LIKE $1", (f"%{one[-7:]}%",)) for one in numbers],
        ),
        Question(
            "an organisation", [Ask({"organization_id": one}, "organization_id = $1", (one,)) for one in organizations]
        ),
        Question(
            "an organisation, by nickname",
            [Ask({"organization_id": one}, "organization_id = $1", (one,)) for one in organizations],
            f"{NICKNAME}, id",
            sort="nickname",
        ),
        Question(
            "a user of an organisation",
            [
                Ask(
                    {"organization_id": f"org-{rank:04}", "user_id": f"user-{rank}-1"},
                    "organization_id = $1 AND user_id = $2",
                    (f"org-{rank:04}", f"user-{rank}-1"),
                )
                for rank in SOME
            ],
        ),
        Question(
            "an agent's",
            [
                Ask(
                    {"agent_id": f"agent-{rank}-1"},
                    "id IN (SELECT number_id FROM agent_links WHERE desired = $1)",
                    (f"agent-{rank}-1",),
                )
                for rank in SOME
            ],
        ),
        Question("the largest organisation", _largest()),
        Question("the largest, newest first", _largest(), NEWEST, sort="-acquired_at"),
        Question("the largest, by number", _largest(), "phone_number, id", sort="phone_number"),
        Question("the largest, by nickname", _largest(), f"{NICKNAME}, id", sort="nickname"),
        Question("the largest, longest idle first", _largest(), f"{IDLE}, id", sort="idle_since"),
        Question(
            "the largest, a user with many",
            _largest("user_id = $2", "user-0-0", user_id="user-0-0"),
            NEWEST,
            sort="-acquired_at",
        ),
        Question("the largest, used by one", _largest("holder_user_id = $2", "user-0-7", holder_user_id="user-0-7")),
        Question("the largest, a tenant's", _largest("tenant_id = $2", "tenant-0-1", tenant_id="tenant-0-1")),
        Question("the largest, missing", _largest("state = 'missing'", state="missing")),
        Question(
            "the largest, to be released, newest first",
            _largest("state IN ('release_scheduled', 'releasing')", state="release_scheduled,releasing"),
            NEWEST,
            sort="-acquired_at",
        ),
        Question(
            "the largest, released, latest first",
            _largest("state = 'released'", state="released"),
            "coalesce(released_at, 'infinity') DESC, id DESC",
            held=False,
            sort="-released_at",
        ),
        Question("the largest, an area code", _largest("area_code = $2", "972", area_code="972")),
        Question(
            "the largest, three area codes, by number",
            _largest("area_code = ANY ($2)", ["415", "503", "972"], area_code="415,503,972"),
            # So that they are sorted, and not all others gone through, for those of an area code lie together.
            "phone_number || '', id",
            sort="phone_number",
        ),
        Question(
            "the largest, nickname of one letter",
            _largest(_prefix(NICKNAME, 2), "s", nickname="s"),
            f"{NICKNAME}, id",
            sort="nickname",
        ),
        Question(
            "the largest, nickname of one letter, oldest first", _largest(_prefix(NICKNAME, 2), "s", nickname="s")
        ),
        Question(
            "the largest, nickname of many letters",
            _largest(_prefix(NICKNAME, 2), "sales line toledo 47", nickname="Sales line Toledo 47"),
        ),
        Question("the largest, a tag of four in ten", _largest("tags @> $2", ["production"], tag="production")),
        Question("the largest, a rare tag", _largest("tags @> $2", [RARE_TAG], tag=RARE_TAG)),
        Question(
            "the largest, two tags",
            _largest("tags @> $2", ["production", "team-3"], tag="production,team-3"),
            NEWEST,
            sort="-acquired_at",
        ),
        Question("the largest, a cost centre", _largest("cost_center = $2", "CC-003", cost_center="CC-003")),
        Question(
            "the largest, a month",
            _largest(
                "acquired_at >= $2 AND acquired_at < $3",
                month,
                month + timedelta(days=30),
                created_after=month.isoformat(),
                created_before=(month + timedelta(days=30)).isoformat(),
            ),
        ),
        Question(
            "the largest, a day, by number",
            _largest(
                "acquired_at >= $2 AND acquired_at < $3",
                day,
                day + timedelta(days=1),
                created_after=day.isoformat(),
                created_before=(day + timedelta(days=1)).isoformat(),
            ),
            "phone_number, id",
            sort="phone_number",
        ),
        Question(
            "the largest, idle for 90 days, longest first",
            _largest(f"{IDLE} <= $2", idle[90], idle_days=90),
            f"{IDLE}, id",
            sort="idle_since",
        ),
        Question(
            "the largest, idle for 90 days in a cost centre",
            _largest(f"{IDLE} <= $2 AND cost_center = $3", idle[90], "CC-003", idle_days=90, cost_center="CC-003"),
        ),
        Question(
            "the largest, each frequent and together rare",
            _largest(
                f"tags @> $2 AND area_code = $3 AND cost_center = $4 AND {IDLE} <= $5",
                ["staging"],
                "972",
                "CC-003",
                idle[90],
                tag="staging",
                area_code="972",
                cost_center="CC-003",
                idle_days=90,
            ),
        ),
        Question(
            "the largest, a word in half of all",
            _largest(_words(2, "line"), *_looked_for("line"), q="line"),
            frequent=True,
        ),
        Question(
            "the largest, a word in half of all, by number",
            _largest(_words(2, "line"), *_looked_for("line"), q="line"),
            "phone_number, id",
            sort="phone_number",
            frequent=True,
        ),
        Question("the largest, two words", _largest(_words(2, rare), *_looked_for(rare), q=rare)),
        Question("the largest, a word in none", _largest(_words(2, "zzzqqq"), *_looked_for("zzzqqq"), q="zzzqqq")),
        Question(
            "a tenant's",
            [Ask({}, "tenant_id = $1", ("tenant-0-1",))],
            who="tenant",
        ),
        Question(
            "a tenant's, with a tag",
            [Ask({"tag": "production"}, "tenant_id = $1 AND tags @> $2", ("tenant-0-1", ["production"]))],
            who="tenant",
        ),
        Question(
            "a tenant's and all of its organisation's",
            [Ask({}, "(tenant_id = $1 OR organization_id = $2)", ("tenant-0-1", LARGEST))],
            who="tenant that sees its organisation",
        ),
    ]
