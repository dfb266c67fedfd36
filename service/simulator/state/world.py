"""Everything that is true in one simulated Teli."""

from service.simulator.options import Options
from service.simulator.state.agents import Agents
from service.simulator.state.billing import Billing
from service.simulator.state.calls import Calls
from service.simulator.state.campaigns import Campaigns
from service.simulator.state.carrier import Carrier
from service.simulator.state.clock import Clock
from service.simulator.state.database import Database
from service.simulator.state.directory import Directory
from service.simulator.state.journal import Journal
from service.simulator.state.keys import Keys
from service.simulator.state.provider import Provider
from service.simulator.state.records import Records
from service.simulator.state.stock import Stock
from service.simulator.state.switches import SwitchBoard, Switches


class World:
    """The truths side by side, seeded with one tenant, one organisation and one user."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.db = Database(options.state)
        self.clock = Clock(self.db)
        self.switchboard = SwitchBoard(self.db)
        self.keys = Keys(self.db)
        self.directory = Directory(self.db)
        self.agents = Agents(self.db)
        self.stock = Stock(self.db)
        self.carrier = Carrier(self.db)
        self.provider = Provider(self.db)
        self.records = Records(self.db)
        self.billing = Billing(self.db)
        self.campaigns = Campaigns(self.db)
        self.calls = Calls(self.db)
        self.journal = Journal(self.db, self.clock)
        self._seed()

    @property
    def switches(self) -> Switches:
        """The switches as they stand."""
        return self.switchboard.now

    def reset(self) -> None:
        """Back to the seeded state."""
        self.db.clear()
        self.clock.load()
        self.switchboard.load()
        self._seed()

    def close(self) -> None:
        """Close the store."""
        self.db.close()

    def _seed(self) -> None:
        options, now = self._options, self.clock.now()
        self.switchboard.turn(strict=options.strict)
        self.keys.set(options.key, options.tenant)
        organization = self.directory.add_organization(
            options.tenant,
            now,
            unique_id=options.organization,
            name="Example Organization",
            contact_email="contact@example.com",
        )
        self.directory.add_user(
            organization,
            now,
            unique_id=options.user,
            name="Number Owner",
            email="owner@example.com",
            permission="admin",
        )
