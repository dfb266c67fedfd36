"""For the client that waits. Made by `python -m tests.client` from `aio.py`, which says how it works."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

import httpx

from service.client import errors, files, models
from service.client.reading import decoded
from service.client.requests import Filters, NumberChange, OrderWish, Request, given, new_key, path
from service.client.sync_calls import PAGE, RETRY_FOR, TIMEOUT, WAIT, Calls, model
from service.client.sync_groups import Generated
from service.client.waiting import pause_before_look, succeeded

NUMBERS, ORDERS, EVENTS, WEBHOOKS = "/v1/numbers", "/v1/orders", "/v1/events", "/v1/webhook-endpoints"
CREATE, TELI_NUMBER = "/v1/voice/phone-numbers/create", "/v1/voice/phone-numbers/{}"


class Client(Generated):
    """A gateway, asked with one API key. Close it, or use it as a context manager; one is enough for a whole process.

    What changes something is sent with an `Idempotency-Key` of its own, the same on each attempt, so that it is done
    once however often it is sent. Give one yourself where a process that dies must be able to ask again.

    `timeout`: seconds for one request. `retry_for`: seconds for which a request that failed in passing is sent again.
    Raises: whatever is in `service.client.errors`; ValueError for arguments that are wrong by themselves.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        retry_for: float = RETRY_FOR,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._calls = Calls(base_url, api_key, timeout=timeout, retry_for=retry_for, transport=transport)
        super().__init__(self._calls)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._calls.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    # -- Buying --------------------------------------------------------------------------------------------------------

    def buy(
        self,
        area_code: str,
        user_id: str,
        *,
        organization_id: str | None = None,
        nickname: str | None = None,
        cost_center: str | None = None,
        tags: Sequence[str] | None = None,
        inbound_agent_id: str | None = None,
        outbound_agent_id: str | None = None,
        wait: float = WAIT,
        idempotency_key: str | None = None,
    ) -> models.NumberBought:
        """Buy one number. An error of `service.client.errors.Refused` means that nothing was bought.

        Raises: StillPending, after `wait` seconds; OutcomeUnknown, where the gateway could not be asked for so long
        that it is not known. Then ask again as they say, and never with another key.
        """
        key = idempotency_key or new_key()
        body = {"area_code": area_code, "user_id": user_id} | given(
            organization_id=organization_id,
            nickname=nickname,
            cost_center=cost_center,
            tags=tags,
            inbound_agent_id=inbound_agent_id,
            outbound_agent_id=outbound_agent_id,
        )
        return self._calls.done(models.NumberBought, self._calls.change("POST", CREATE, body, key, wait), wait)

    def operation(self, operation_id: UUID | str, *, hold: float = 0) -> models.Operation:
        """How something stands that took longer; `hold`: seconds for which the gateway waits while it is pending."""
        return self._calls.operation(operation_id, hold=hold)

    def resume(
        self, operation: models.Operation | errors.StillPending | UUID | str, *, wait: float = WAIT
    ) -> models.Operation:
        """Wait for what was pending: the operation, which has succeeded, with its `result`.

        Raises: StillPending; where it failed, the problem that it failed with.
        """
        known = operation.operation_id if isinstance(operation, errors.StillPending) else operation
        operation_id = known.id if isinstance(known, models.Operation) else known
        return succeeded(self._calls.watched(operation_id, wait))

    # -- Numbers -------------------------------------------------------------------------------------------------------

    def numbers(self, **filters: Unpack[Filters]) -> Iterator[models.NumberItem]:
        """Every number that the key may see and the filters mean, page after page as they are wanted."""
        return self._calls.items(models.NumberItem, NUMBERS, filters)

    def numbers_page(
        self, *, limit: int = PAGE, cursor: str | None = None, **filters: Unpack[Filters]
    ) -> models.Page[models.NumberItem]:
        """One page of them."""
        return self._calls.page(models.NumberItem, NUMBERS, {**filters, "limit": limit, "cursor": cursor})

    def number(self, number: UUID | str) -> models.Number:
        """All that is known of a number, by its id or its E.164; with its `etag`, for `change`."""
        return self._calls.ask(models.Number, Request(method="GET", path=path("/v1/numbers/{}", number)))

    def history(self, number: UUID | str) -> Iterator[models.HistoryItem]:
        """What happened to it, newest first."""
        return self._calls.items(models.HistoryItem, path("/v1/numbers/{}/history", number), {})

    def change(
        self,
        number: UUID | str,
        *,
        if_match: str | None = None,
        wait: float = WAIT,
        idempotency_key: str | None = None,
        **changes: Unpack[NumberChange],
    ) -> models.Number:
        """Change what is named, None clears. `if_match`: only while its `etag` is still that.

        Raises: EtagMismatch; StillPending, where Teli has not confirmed it in time.
        """
        key = idempotency_key or new_key()
        request = self._calls.change("PATCH", path("/v1/numbers/{}", number), changes, key, wait)
        if if_match is not None:
            request = replace(request, headers={**request.headers, "If-Match": if_match})
        answer = self._calls.send(request)
        if answer.status_code == httpx.codes.ACCEPTED:
            self._calls.outcome(answer, key, wait)
            return self.number(number)
        return model(models.Number, answer)

    def release(
        self,
        number: UUID | str,
        *,
        reason: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> models.Number:
        """Give it back at the end of its grace, `release.at`; until then `restore` keeps it."""
        body = given(reason=reason) | ({"force": True} if force else {})
        return self._calls.ask(
            models.Number, self._calls.change("POST", path("/v1/numbers/{}/release", number), body, idempotency_key)
        )

    def restore(
        self, number: UUID | str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> models.Number:
        """Take a release back, while its grace lasts."""
        place = path("/v1/numbers/{}/restore", number)
        return self._calls.ask(models.Number, self._calls.change("POST", place, given(reason=reason), idempotency_key))

    def release_now(
        self,
        phone_number: str,
        *,
        id: UUID | str | None = None,  # noqa: A002  As the gateway calls it.
        force: bool = False,
        wait: float = WAIT,
        idempotency_key: str | None = None,
    ) -> models.NumberReleased:
        """Give it back for good, at once. `id`: which acquisition is meant, where there was an earlier one."""
        key = idempotency_key or new_key()
        request = self._calls.change("DELETE", path(TELI_NUMBER, phone_number), None, key, wait)
        params = {"id": id, "force": True if force else None}
        return self._calls.done(models.NumberReleased, replace(request, params=params), wait)

    def export_numbers(
        self,
        target: str | PathLike[str],
        *,
        format: str = "csv",  # noqa: A002  As everybody calls it.
        **filters: Unpack[Filters],
    ) -> int:
        """All that the filters mean, as of one moment, into a file: `csv`, `ndjson` or `parquet`. How many there are.

        The file is there once it is whole; until then, and where it fails, `target` stays as it was.
        """
        accept = files.media_type(format, "csv", "ndjson", "parquet")
        return self._calls.export(NUMBERS, filters, accept, target)

    def numbers_frame(self, library: str = "pandas", **filters: Unpack[Filters]) -> Any:
        """The same as a DataFrame of `pandas` or `polars`, where that is installed."""
        if files.frames_of(library) == "pandas":
            with self._calls.streamed(NUMBERS, filters, files.MEDIA_TYPES["ndjson"]) as answer:
                return files.frame([line for line in answer.iter_lines()])
        with self._calls.streamed(NUMBERS, filters, files.MEDIA_TYPES["parquet"]) as answer:
            return files.polars_frame(answer.read())

    # -- Many at once --------------------------------------------------------------------------------------------------

    def quote(self, **wish: Unpack[OrderWish]) -> models.Quote:
        """What an order would come to; nothing is written."""
        body = {**wish, "dry_run": True}
        return self._calls.ask(models.Quote, self._calls.change("POST", ORDERS, body, None))

    def order(self, *, idempotency_key: str | None = None, **wish: Unpack[OrderWish]) -> models.Order:
        """Order many new numbers; `finish_order` waits until it is over."""
        return self._calls.ask(models.Order, self._calls.change("POST", ORDERS, wish, idempotency_key))

    def orders(self, *, state: str | None = None) -> Iterator[models.Order]:
        """Newest first."""
        return self._calls.items(models.Order, ORDERS, {"state": state})

    def get_order(self, order_id: UUID | str) -> models.OrderShown:
        """How far it is."""
        return self._calls.get(models.OrderShown, path("/v1/orders/{}", order_id))

    def order_items(self, order_id: UUID | str, *, outcome: str | None = None) -> Iterator[models.OrderItem]:
        """What became of each of its numbers."""
        return self._calls.items(models.OrderItem, path("/v1/orders/{}/items", order_id), {"outcome": outcome})

    def finish_order(self, order_id: UUID | str, *, wait: float = 600.0) -> models.OrderShown:
        """The order once it is over, however it went: see its `state` and `counts`.

        Raises: OrderUnfinished, after `wait` seconds.
        """
        until, looks = time.monotonic() + wait, 0
        while True:
            order = self.get_order(order_id)
            if order.state not in ("previewed", "pending", "running"):
                return order
            left = until - time.monotonic()
            if left <= 0:
                raise errors.OrderUnfinished(order)
            time.sleep(min(left, pause_before_look(looks)))
            looks += 1

    def cancel_order(self, order_id: UUID | str, *, idempotency_key: str | None = None) -> models.Order:
        """Send no more of it; what is under way comes to its end."""
        place = path("/v1/orders/{}/cancel", order_id)
        return self._calls.ask(models.Order, self._calls.change("POST", place, None, idempotency_key))

    def preview(
        self, selection: Mapping[str, Any], change: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> models.Preview:
        """What a change or release of many numbers would come to; its `token` has exactly that done."""
        body = {"action": "preview", "selection": selection, "change": change}
        return self._calls.ask(models.Preview, self._calls.change("POST", f"{NUMBERS}/bulk", body, idempotency_key))

    def apply(self, token: str, *, idempotency_key: str | None = None) -> models.Order:
        """Do what was shown; `finish_order` waits until it is over."""
        body = {"action": "apply", "token": token}
        return self._calls.ask(models.Order, self._calls.change("POST", f"{NUMBERS}/bulk", body, idempotency_key))

    # -- Limits, statements, who asks ----------------------------------------------------------------------------------

    def quotas(self) -> models.Limits:
        """Every limit of the tenant, with its use."""
        return self._calls.get(models.Limits, "/v1/quotas")

    def counted(self, name: str) -> Iterator[models.CountedRow]:
        """The rows that a limit counts."""
        return self._calls.items(models.CountedRow, path("/v1/quotas/{}/rows", name), {})

    def statement(
        self, period: str, *, group_by: str | None = None, organization_id: str | None = None
    ) -> models.Statement:
        """A month's charges, as 2026-10. `group_by`: members by commas, as cost_center,tag."""
        params = {"group_by": group_by, "organization_id": organization_id}
        return self._calls.get(models.Statement, path("/v1/billing/statements/{}", period), params)

    def export_statement(
        self,
        period: str,
        target: str | PathLike[str],
        *,
        format: str = "csv",  # noqa: A002  As everybody calls it.
        organization_id: str | None = None,
    ) -> int:
        """Its lines into a file, as `export_numbers` has it; `html` is to be printed. How many, where it is told."""
        accept = files.media_type(format, "csv", "ndjson", "parquet", "html")
        place = path("/v1/billing/statements/{}/export", period)
        return self._calls.export(place, {"organization_id": organization_id}, accept, target)

    def me(self) -> models.Me:
        """Who the key is, and what it may."""
        return self._calls.get(models.Me, "/v1/me")

    # -- Events and webhooks -------------------------------------------------------------------------------------------

    def event_pages(
        self,
        *,
        cursor: str | None = None,
        types: str | Sequence[str] | None = None,
        follow: bool = False,
        limit: int = PAGE,
    ) -> Iterator[models.Page[models.Event]]:
        """The tenant's events, page after page. Keep a page's `next_cursor` once its events are dealt with: it is never
        None, and the next process goes on from there.

        `follow`: wait for what comes, without end; else until there are no more. Raises: EventsForgotten.
        """
        while True:
            params = {"cursor": cursor, "type": types, "limit": limit, "wait": 20 if follow else None}
            page = self._calls.page(models.Event, EVENTS, params)
            if page.items:
                yield page
            elif not follow:
                return
            cursor = page.next_cursor

    def webhooks(self) -> Iterator[models.Webhook]:
        """Where events are sent to."""
        return self._calls.items(models.Webhook, WEBHOOKS, {})

    def create_webhook(
        self,
        url: str,
        *,
        types: Sequence[str] | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.WebhookMade:
        """Have events sent to a URL. `secret`, which verifies them, is told this once; None where the answer that told
        it was lost: then `rotate_webhook`.
        """
        body = {"url": url} | given(types=types, description=description)
        return self._calls.ask(models.WebhookMade, self._calls.change("POST", WEBHOOKS, body, idempotency_key))

    def change_webhook(
        self,
        endpoint_id: UUID | str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        description: str | None = None,
        state: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.Webhook:
        """What is None stays as it is. `state`: `active` or `disabled`."""
        body = given(url=url, types=types, description=description, state=state)
        place = path(WEBHOOKS + "/{}", endpoint_id)
        return self._calls.ask(models.Webhook, self._calls.change("PATCH", place, body, idempotency_key))

    def rotate_webhook(
        self, endpoint_id: UUID | str, *, overlap_seconds: int = 86_400, idempotency_key: str | None = None
    ) -> models.WebhookMade:
        """A new secret; the one before signs too until the overlap is over."""
        place = path(WEBHOOKS + "/{}/rotate", endpoint_id)
        body = {"overlap_seconds": overlap_seconds}
        return self._calls.ask(models.WebhookMade, self._calls.change("POST", place, body, idempotency_key))

    def delete_webhook(self, endpoint_id: UUID | str) -> None:
        """Send nothing more there. It is no error where it is gone already."""
        try:
            self._calls.send(Request(method="DELETE", path=path(WEBHOOKS + "/{}", endpoint_id)))
        except errors.NotFound:
            return
        except errors.OutcomeUnknown as unknown:
            if not isinstance(unknown.__cause__, errors.NotFound):
                raise

    def deliveries(self, endpoint_id: UUID | str, *, state: str | None = None) -> Iterator[models.Delivery]:
        """What became of each event, newest first."""
        return self._calls.items(models.Delivery, path(WEBHOOKS + "/{}/deliveries", endpoint_id), {"state": state})

    # -- Whatever has no method ----------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Any call of the gateway's; the answer's body as decoded JSON, None where it has none.

        A POST or PATCH is sent again after it may have arrived only with an `idempotency_key`, which its path must
        know: the reference says so.
        """
        request = Request(
            method=method.upper(),
            path=path,
            params=params or {},
            body=json,
            headers=headers or {},
            idempotency_key=idempotency_key,
        )
        return decoded(self._calls.send(request))

    def items(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The items of any listing, as decoded JSON."""
        for one in self._calls.items(dict, path, params):
            yield one
