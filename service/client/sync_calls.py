"""For the client that waits. Made by `python -m tests.client` from `aio_calls.py`, which says how it works."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any, TypeVar
from uuid import UUID

import httpx

from service.client import errors, files, models
from service.client.answers import NotAsDescribed, read
from service.client.reading import decoded, no_answer, refusal
from service.client.requests import (
    LONGEST_HOLD,
    Request,
    checked_key,
    checked_url,
    new_key,
    path,
    prefer,
    verification,
)
from service.client.retrying import Attempts, is_worth_repeating
from service.client.waiting import is_over, pause_before_look, succeeded

T = TypeVar("T")
# Seconds: of one request, for repeating one that failed, and until the outcome of a change is known.
TIMEOUT, RETRY_FOR, WAIT = 60.0, 30.0, 120.0
PAGE = 100
NOTHING: Mapping[str, Any] = {}
AGENT = f"numbergate-client httpx/{httpx.__version__}"


class Calls:
    """One gateway with one key, as all groups of methods share it."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float,
        retry_for: float,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.url = checked_url(base_url)
        self.timeout = timeout
        self._retry_for = retry_for
        self._http = httpx.Client(
            base_url=self.url,
            # Of the two headers that take a key the one that httpx shows to nobody.
            headers={
                "Authorization": f"Bearer {checked_key(api_key)}",
                "Accept": "application/json",
                "User-Agent": AGENT,
            },
            timeout=timeout,
            transport=transport,
            # The key goes where it is meant to go; whoever needs a proxy says so by a transport.
            trust_env=False,
            verify=verification(self.url),
        )

    def close(self) -> None:
        self._http.close()

    def change(
        self, method: str, place: str, body: Mapping[str, Any] | None, key: str | None, wait: float | None = None
    ) -> Request:
        """`wait`: where the gateway may have to ask Teli."""
        headers = {} if wait is None else prefer(min(wait, self.timeout / 2))
        return Request(method=method, path=place, body=body, headers=headers, idempotency_key=key or new_key())

    def request(
        self,
        method: str,
        place: str,
        *,
        params: Mapping[str, Any] = NOTHING,
        body: Any = None,
        content: bytes | None = None,
        media_type: str | None = None,
        if_match: str | None = None,
        wait: float | None = None,
        keyed: bool = False,
        idempotency_key: str | None = None,
        harmless_again: bool = False,
    ) -> Request:
        """`keyed`: its path knows an `Idempotency-Key`. `harmless_again`: by itself it does no more the second time."""
        told = {"Content-Type": media_type, "If-Match": if_match}
        headers = {name: value for name, value in told.items() if value is not None}
        return Request(
            method=method,
            path=place,
            params=params,
            body=body,
            content=content,
            headers=headers | ({} if wait is None else prefer(min(wait, self.timeout / 2))),
            idempotency_key=(idempotency_key or new_key()) if keyed else None,
            harmless_again=harmless_again,
        )

    def get(self, kind: type[T], place: str, params: Mapping[str, Any] | None = None) -> T:
        return self.ask(kind, Request(method="GET", path=place, params=params or {}))

    def ask(self, kind: type[T], request: Request) -> T:
        return model(kind, self.send(request))

    def page(self, kind: type[T], place: str, params: Mapping[str, Any]) -> models.Page[T]:
        answer = self.send(Request(method="GET", path=place, params=params))
        return _as_described(models.Page[kind], decoded(answer))  # type: ignore[valid-type]

    def items(self, kind: type[T], place: str, params: Mapping[str, Any], *, paged: bool = True) -> Iterator[T]:
        """Page after page as they are wanted. `paged`: whether the path knows of pages."""
        cursor: str | None = None
        while True:
            asked = {"limit": PAGE, **params, "cursor": cursor} if paged else params
            page = self.page(kind, place, asked)
            for one in page.items:
                yield one
            # A cursor that stays would lead round in a circle.
            if page.next_cursor is None or page.next_cursor == cursor:
                return
            cursor = page.next_cursor

    def done(self, kind: type[T], request: Request, wait: float) -> T:
        """The answer itself, or the result of the operation that stands for it."""
        answer = self.send(request)
        if answer.status_code == httpx.codes.ACCEPTED:
            settled = self.outcome(answer, request.idempotency_key, wait)
            return _as_described(kind, settled.result)
        return model(kind, answer)

    def settled(self, kind: type[T], request: Request) -> T:
        """The answer. Raises: StillPending, where it is not known yet whether there is what it is of."""
        answer = self.send(request)
        if answer.status_code == httpx.codes.ACCEPTED:
            raise errors.StillPending(model(models.Pending, answer).operation_id)
        return model(kind, answer)

    def gone(self, request: Request) -> None:
        """What takes something away, and answers nothing. That it is not there after an answer was lost is its being
        gone.
        """
        try:
            self.send(request)
        except errors.OutcomeUnknown as unknown:
            if not isinstance(unknown.__cause__, errors.NotFound):
                raise

    def operation(self, operation_id: UUID | str, *, hold: float = 0) -> models.Operation:
        params = {"wait": hold or None}
        return self.get(models.Operation, path("/v1/operations/{}", operation_id), params)

    def outcome(self, answer: httpx.Response, key: str | None, wait: float) -> models.Operation:
        """Of a 202. Whatever hinders from learning it leaves it pending, and is the cause of that."""
        pending = model(models.Pending, answer)
        if wait <= 0:
            raise errors.StillPending(pending.operation_id, idempotency_key=key)
        try:
            found = self.watched(pending.operation_id, wait)
        except errors.NumbergateError as failure:
            raise errors.StillPending(pending.operation_id, idempotency_key=key) from failure
        return succeeded(found, key)

    def watched(self, operation_id: UUID | str, wait: float) -> models.Operation:
        """An operation once it is over, or `wait` seconds are. What fails in passing meanwhile is asked for again."""
        until, looks = time.monotonic() + wait, 0
        while True:
            left = until - time.monotonic()
            hold = int(max(0, min(left, LONGEST_HOLD, self.timeout / 2)))
            try:
                found = self.operation(operation_id, hold=hold)
            except errors.NumbergateError as failure:
                if left <= 0 or not is_worth_repeating(failure):
                    raise
            else:
                if is_over(found) or until <= time.monotonic():
                    return found
            time.sleep(max(0, min(until - time.monotonic(), pause_before_look(looks))))
            looks += 1

    def send(self, request: Request) -> httpx.Response:
        """An answer of success, read to its end, after as many attempts as it takes."""
        attempts, began = self.attempts(request), time.monotonic()
        while True:
            failure: errors.NumbergateError
            try:
                answer = self._http.request(**request.sent())
                problem = refusal(answer)
                if problem is None:
                    return answer
                failure = problem
            except httpx.TransportError as broken:
                failure = no_answer(broken)
            time.sleep(attempts.pause_after(failure, spent=time.monotonic() - began))

    def attempts(self, request: Request) -> Attempts:
        return Attempts(
            changes=request.changes,
            repeatable=request.repeatable,
            idempotency_key=request.idempotency_key,
            within=self._retry_for,
        )

    def export(self, place: str, params: Mapping[str, Any], accept: str, target: str | PathLike[str]) -> int:
        with files.whole_file(target) as file:
            with self.streamed(place, params, accept) as answer:
                for part in answer.iter_bytes():
                    file.write(part)
                return int(answer.headers.get("X-Total-Count", 0))

    @contextmanager
    def streamed(self, place: str, params: Mapping[str, Any], accept: str) -> Iterator[httpx.Response]:
        """An answer too long to be held. Until it begins it is asked for again; one that breaks off is NoAnswer."""
        request = Request(method="GET", path=place, params=params, headers={"Accept": accept})
        attempts, began, begun = self.attempts(request), time.monotonic(), False
        patience = httpx.Timeout(self.timeout, read=files.EXPORT_PATIENCE)
        while True:
            failure: errors.NumbergateError
            try:
                with self._http.stream(**request.sent(), timeout=patience) as answer:
                    if answer.status_code == httpx.codes.OK:
                        begun = True
                        yield answer
                        return
                    answer.read()
                    failure = refusal(answer) or errors.UnexpectedAnswer(f"the answer was {answer.status_code}")
            except httpx.TransportError as broken:
                failure = no_answer(broken)
                if begun:
                    raise failure from broken
            time.sleep(attempts.pause_after(failure, spent=time.monotonic() - began))


def model(kind: type[T], answer: httpx.Response) -> T:
    """What was answered, with the ETag where the model has a place for it. Raises: UnexpectedAnswer."""
    found = _as_described(kind, decoded(answer), answer.headers.get("X-Request-ID"))
    if isinstance(found, models.Number | models.SavedFilter):
        return replace(found, etag=answer.headers.get("ETag"))
    return found


def _as_described(kind: type[T], body: object, request_id: str | None = None) -> T:
    try:
        return read(kind, body)
    except NotAsDescribed as wrong:
        raise errors.UnexpectedAnswer(
            f"the answer is not as described: {wrong}", body=body, request_id=request_id
        ) from None
