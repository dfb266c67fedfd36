"""The stores of orders over a database, as tests of what they keep want them."""

from typing import Any

from service.db import Database
from service.kit.crypto import Secret
from service.kit.pagination import Cursors
from service.orders.orders import Orders
from service.orders.placing import Placing
from service.orders.tokens import SelectionTokens

SECRET = Secret("a secret of these tests alone")


def placing_over(database: Database, *, limits_at: int) -> Placing:
    """For users that are all filed, so that nobody is asked for them; and nobody asks it for a quote."""
    nobody: Any = None
    return Placing(database, nobody, nobody, limits_at=limits_at)


def orders_over(database: Database) -> Orders:
    return Orders(database, Cursors(SECRET), SelectionTokens(SECRET))
