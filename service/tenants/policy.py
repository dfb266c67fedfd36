"""What a tenant may buy and link, beyond its grants: pure, and carried by whoever acts for the tenant."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Policy:
    """None allows every agent, or every area code. `orphan_reuse`: a number that a refused intent of the tenant bought
    after all may be given to it, instead of buying one.
    """

    agents_allowed: frozenset[str] | None = None
    area_codes_allowed: frozenset[str] | None = None
    orphan_reuse: bool = True

    @classmethod
    def of(cls, agents: Iterable[str] | None, area_codes: Iterable[str] | None, *, orphan_reuse: bool | None) -> Self:
        """As it is kept; a key that belongs to no tenant has no policy, and None for everything."""
        return cls(
            None if agents is None else frozenset(agents),
            None if area_codes is None else frozenset(area_codes),
            orphan_reuse is not False,
        )

    def allows_agent(self, agent: str) -> bool:
        return self.agents_allowed is None or agent in self.agents_allowed

    def allows_area_code(self, code: str) -> bool:
        return self.area_codes_allowed is None or code in self.area_codes_allowed

    def to_reuse(self, area_codes: Iterable[str]) -> list[str]:
        """Those of the area codes in which a number may be had without buying it, in their order."""
        return [code for code in area_codes if self.allows_area_code(code)] if self.orphan_reuse else []


ANYTHING = Policy()
