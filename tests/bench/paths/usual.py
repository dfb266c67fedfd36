"""The usual way: a gateway as a good engineer writes it from the frameworks' own documentation.

FastAPI with Pydantic models, a SQLAlchemy session a request, redis-py for what is counted and kept, httpx for the
seller, a middleware for the log. It writes the same rows as the floor.
"""

import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from sqlalchemy import Text, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

WINDOW, MOST = 60, 1_000_000


class Base(DeclarativeBase):
    type_annotation_map = {str: Text}  # noqa: RUF012


class Key(Base):
    __tablename__ = "keys"
    key: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]


class Quota(Base):
    __tablename__ = "quotas"
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    most: Mapped[int]
    used: Mapped[int]
    reserved: Mapped[int]


class Intent(Base):
    __tablename__ = "intents"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    organization_id: Mapped[str]
    user_id: Mapped[str]
    area_code: Mapped[str]
    state: Mapped[str]
    number_id: Mapped[UUID | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    intent_id: Mapped[UUID]


class Attempt(Base):
    __tablename__ = "attempts"
    intent_id: Mapped[UUID] = mapped_column(primary_key=True)
    heard: Mapped[str | None]


class Number(Base):
    __tablename__ = "numbers"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    organization_id: Mapped[str]
    user_id: Mapped[str]
    phone_number: Mapped[str]
    area_code: Mapped[str]
    nickname: Mapped[str | None]
    state: Mapped[str]
    intent_id: Mapped[UUID]


class Audit(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    action: Mapped[str]
    object_id: Mapped[str]
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Outbox(Base):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Create(BaseModel):
    area_code: str = Field(pattern=r"^\d{3}$")
    user_id: str = Field(min_length=1, max_length=128)
    organization_id: str = Field(min_length=1, max_length=128)
    nickname: str | None = Field(None, max_length=100)


class Bought(BaseModel):
    success: bool = True
    id: UUID
    operation_id: UUID
    phone_number: str
    phone_number_pretty: str
    area_code: str
    phone_number_type: str
    state: str = "active"


class NumberOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    phone_number: str
    area_code: str
    nickname: str | None
    state: str
    organization_id: str
    user_id: str


class Listing(BaseModel):
    success: bool = True
    phone_numbers: list[NumberOut]
    count: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    def sessions(url: str) -> async_sessionmaker[AsyncSession]:
        asynchronous = url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(asynchronous, pool_size=20, max_overflow=0)
        return async_sessionmaker(engine, expire_on_commit=False)

    app.state.sessions, app.state.ledger = sessions(os.environ["USUAL_URL"]), sessions(os.environ["LEDGER_URL"])
    app.state.redis = Redis.from_url(os.environ["REDIS_URL"])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{os.environ['UPSTREAM_PORT']}", timeout=60) as http:
        app.state.http = http
        yield


app = FastAPI(lifespan=lifespan)
log = logging.getLogger("access")


@app.middleware("http")
async def logged(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    began = time.perf_counter()
    response = await call_next(request)
    log.info("%s %s %s %.6f", request.method, request.url.path, response.status_code, time.perf_counter() - began)
    return response


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as opened:
        yield opened


async def ledger(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.ledger() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]
Ledger = Annotated[AsyncSession, Depends(ledger)]


async def tenant(request: Request, session: Session, x_api_key: Annotated[str, Header()]) -> str:
    found = await session.scalar(select(Key.tenant_id).where(Key.key == x_api_key))
    await session.commit()
    if found is None:
        raise HTTPException(401, "Unauthorized")
    async with request.app.state.redis.pipeline() as pipeline:
        window = f"rate:{found}:{int(time.time()) // WINDOW}"
        asked, _ = await pipeline.incr(window).expire(window, WINDOW).execute()
    if asked > MOST:
        raise HTTPException(429, "Too many requests")
    return str(found)


Tenant = Annotated[str, Depends(tenant)]


@app.post("/v1/voice/phone-numbers/create")
async def create(
    request: Request,
    tenant: Tenant,
    body: Create,
    session: Session,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Bought:
    redis: Redis = request.app.state.redis
    name = f"answer:{tenant}:{idempotency_key}"
    if idempotency_key and (known := await redis.get(name)) is not None:
        return Bought.model_validate_json(known)
    intent = Intent(id=uuid4(), tenant_id=tenant, state="sending", **body.model_dump(exclude={"nickname"}))
    async with session.begin():
        quota = await session.scalar(
            update(Quota)
            .where(Quota.tenant_id == tenant, Quota.used + Quota.reserved < Quota.most)
            .values(reserved=Quota.reserved + 1)
            .returning(Quota.tenant_id)
        )
        if quota is None:
            raise HTTPException(429, "Quota exceeded")
        fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        key = idempotency_key or intent.id.hex
        session.add_all(
            [
                intent,
                IdempotencyKey(tenant_id=tenant, key=key, fingerprint=fingerprint, intent_id=intent.id),
                Attempt(intent_id=intent.id),
            ]
        )
    answer = await request.app.state.http.post("/v1/voice/phone-numbers/create", json=body.model_dump())
    answer.raise_for_status()
    sold = answer.json()
    bought = Bought(
        id=uuid4(), operation_id=intent.id, phone_number=sold["phone_number"], area_code=sold["area_code"],
        phone_number_pretty=sold["phone_number_pretty"], phone_number_type=sold["phone_number_type"],
    )  # fmt: skip
    told = {"phone_number": bought.phone_number, "at": datetime.now(UTC).isoformat()}
    async with session.begin():
        intent.state, intent.number_id, intent.answer = "owned", bought.id, bought.model_dump(mode="json")
        await session.execute(update(Attempt).where(Attempt.intent_id == intent.id).values(heard=answer.text))
        await session.execute(
            update(Quota).where(Quota.tenant_id == tenant).values(used=Quota.used + 1, reserved=Quota.reserved - 1)
        )
        session.add_all(
            [
                Number(
                    id=bought.id, tenant_id=tenant, organization_id=body.organization_id, user_id=body.user_id,
                    phone_number=bought.phone_number, area_code=bought.area_code, nickname=body.nickname,
                    state="active", intent_id=intent.id,
                ),
                Audit(tenant_id=tenant, action="intent.owned", object_id=str(intent.id), after=told),
                Outbox(tenant_id=tenant, kind="number.acquired", payload=told),
            ]
        )  # fmt: skip
    if idempotency_key:
        await redis.set(name, bought.model_dump_json(), ex=86_400)
    return bought


@app.get("/v1/voice/phone-numbers")
async def listing(tenant: Tenant, ledger: Ledger, organization_id: str, user_id: str) -> Listing:
    asked = select(Number).where(
        Number.organization_id == organization_id,
        Number.user_id == user_id,
        Number.tenant_id == tenant,
        Number.state != "released",
    )
    rows = [NumberOut.model_validate(row) for row in await ledger.scalars(asked)]
    return Listing(phone_numbers=rows, count=len(rows))


@app.get("/v1/numbers/{number_id}")
async def number(tenant: Tenant, ledger: Ledger, number_id: UUID) -> NumberOut:
    found = await ledger.scalar(select(Number).where(Number.id == number_id, Number.tenant_id == tenant))
    if found is None:
        raise HTTPException(404, "Not found")
    return NumberOut.model_validate(found)
