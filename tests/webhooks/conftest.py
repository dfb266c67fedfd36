"""A gateway that may also send to loopback, and somebody there who is told."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import OpenGateway
from tests.support.gateway import Gateway, Tenant
from tests.webhooks.receiver import Receiver, receiver

LOOPBACK = "127.0.0.0/8,::1/128"


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    async with open_gateway(webhook_networks=LOOPBACK) as opened:
        yield opened


@pytest.fixture
async def tenant(gateway: Gateway) -> Tenant:
    return await gateway.tenant()


@pytest.fixture
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as opened:
        yield opened
