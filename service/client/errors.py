"""Every refusal of the gateway as an exception of its own, and what else can keep a call from its answer.

Branch on the class, or on `code`; `detail` is for people and may change. A code that this version does not know is an
exception of its status.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from service.client.models import Operation, OrderShown


class NumbergateError(Exception):
    """Whatever this client raises, but for arguments that are wrong by themselves, which are a ValueError.

    `status` and `code` are of the problem that the gateway told; None where it told none. `errors` names every fault of
    a request: `pointer` and `detail`. `retry_after`: seconds, where waiting helps. `members`: what else the problem
    says, as `quota` or `suggestions`. `request_id`: to be quoted when asking for help.
    """

    code: str | None = None
    status: int | None = None

    def __init__(
        self,
        detail: str,
        *,
        request_id: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        retry_after: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.members = dict(members or {})

    def __str__(self) -> str:
        told = [self.detail]
        if self.code is not None:
            told.insert(0, f"{self.code}:")
        if self.request_id is not None:
            told.append(f"(request {self.request_id})")
        return " ".join(told)


class NoAnswer(NumbergateError):
    """Nobody answered, or the connection broke. Of what changes something it is told only where nothing was `sent`;
    else there is OutcomeUnknown.
    """

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class UnexpectedAnswer(NumbergateError):
    """The answer is none that this client knows how to read; `body` is what there was of it, as it was read."""

    def __init__(self, detail: str, *, body: object = None, request_id: str | None = None) -> None:
        super().__init__(detail, request_id=request_id)
        self.body = body


class OutcomeUnknown(NumbergateError):
    """A change was sent, and nobody said in time what became of it. It may have been made, and a number bought.

    Call again with the same arguments and this `idempotency_key`: that tells what became of it, and does it once at
    most. Never with another key, which may do it twice. The last failure is its `__cause__`.
    """

    def __init__(self, idempotency_key: str | None, last: NumbergateError) -> None:
        again = (
            f"call again with idempotency_key={idempotency_key!r} to learn it"
            if idempotency_key is not None
            else "look before it is asked again"
        )
        super().__init__(f"what became of it is not known: {last.detail}; {again}", request_id=last.request_id)
        self.idempotency_key = idempotency_key
        self.retry_after = last.retry_after


class StillPending(NumbergateError):
    """The gateway has the request in hand, and its outcome was not known in time: `client.resume(error)` goes on
    waiting. Nothing else may be done but that, or the same call with the same `idempotency_key`.

    `operation`: as it stood when it was looked at last; None where it was not yet. Where that failed, the failure is
    the `__cause__`.
    """

    def __init__(
        self, operation_id: UUID, *, operation: Operation | None = None, idempotency_key: str | None = None
    ) -> None:
        state = "pending" if operation is None else operation.state
        super().__init__(f"operation {operation_id} is {state} still; resume it to learn its outcome")
        self.operation_id = operation_id
        self.operation = operation
        self.idempotency_key = idempotency_key


class OrderUnfinished(NumbergateError):
    """An order is not over yet: `client.finish_order(order.order_id)` goes on waiting."""

    def __init__(self, order: OrderShown) -> None:
        super().__init__(f"order {order.order_id} is {order.state} still; finish_order goes on waiting")
        self.order = order


class Refused(NumbergateError):
    """The gateway, or something before it, answered with a status that is none of success."""

    # By which exceptions are found; an instance has what it was told.
    of_status: ClassVar[int | None] = None
    # Whether it is the answer that its idempotency key was given before.
    replayed = False


class ClientError(Refused):
    """A status of 4xx that has no class of its own."""


class ServerError(Refused):
    """A status of 5xx that has no class of its own, and 500."""

    of_status = 500


class BadRequest(ClientError):
    """400."""

    of_status = 400


class Unauthenticated(ClientError):
    """401: who asks is not known."""

    of_status = 401


class Forbidden(ClientError):
    """403: who asks is known, and may not."""

    of_status = 403


class Conflict(ClientError):
    """409."""

    of_status = 409


class Gone(ClientError):
    """410."""

    of_status = 410


class PreconditionFailed(ClientError):
    """412."""

    of_status = 412


class Unprocessable(ClientError):
    """422."""

    of_status = 422


class TooManyRequests(ClientError):
    """429."""

    of_status = 429


class BadGateway(ServerError):
    """502."""

    of_status = 502


class Unavailable(ServerError):
    """503."""

    of_status = 503


class GatewayTimeout(ServerError):
    """504: of something before the gateway, which itself answers 202."""

    of_status = 504


class InvalidRequest(BadRequest):
    """The request cannot be understood as it stands; `errors` names what is wrong."""

    code = "invalid_request"


class InvalidAreaCode(BadRequest):
    """No number is bought in this area code; `reason` says why, which may be the tenant's policy; `suggestions`
    may name others.
    """

    code = "invalid_area_code"


class UnknownUser(BadRequest):
    """Neither we nor Teli know this user in this organisation."""

    code = "unknown_user"


class IdempotencyKeyRequired(BadRequest):
    """The tenant's policy wants a key on every create."""

    code = "idempotency_key_required"


class InvalidSelectionToken(BadRequest):
    """The token is none that a preview gave, or not whole."""

    code = "invalid_selection_token"


class SelectionTooLarge(BadRequest):
    """More numbers match than may be changed at once; `most` says how many may."""

    code = "selection_too_large"


class MissingKey(Unauthenticated):
    """Nobody said who is asking."""

    code = "missing_key"


class InvalidKey(Unauthenticated):
    """No such key, or not a key at all: mistyped, cut short, or of a closed tenant; or an access token that
    proves nobody.
    """

    code = "invalid_key"


class ExpiredKey(Unauthenticated):
    """The key was good until its `expires_at`, or was rotated and its overlap is over; or a token has expired,
    or a session is over.
    """

    code = "expired_key"


class RevokedKey(Unauthenticated):
    """An administrator took the key back."""

    code = "revoked_key"


class LoginFailed(Unauthenticated):
    """What the identity provider or the browser brought back proves nobody; `detail` says why."""

    code = "login_failed"


class NoRole(Forbidden):
    """The identity provider vouches for the person, and none of their groups has a role here."""

    code = "no_role"


class CrossSiteRequest(Forbidden):
    """A change was asked for with a session, and it does not show that it began on our own pages."""

    code = "cross_site_request"


class ScopeMissing(Forbidden):
    """Who asks is known, and may not do this; `scope` names what it lacks."""

    code = "scope_missing"


class NotYourOrganization(Forbidden):
    """The tenant has no grant for the organisation it named, or the key is limited to others."""

    code = "not_your_organization"


class NotYourUser(Forbidden):
    """The key is limited to users, and this is none of them."""

    code = "not_your_user"


class NetworkNotAllowed(Forbidden):
    """The key is good, and limited to networks that the request does not come from; `detail` names the address
    as it was seen.
    """

    code = "network_not_allowed"


class NotYourTenant(Forbidden):
    """`tenant_id` names somebody else, or the key acts for no tenant at all."""

    code = "not_your_tenant"


class NotYourSelection(Forbidden):
    """The preview was shown to another key or person."""

    code = "not_your_selection"


class NotFound(ClientError):
    """There is no such thing for this caller: it does not exist, or it is somebody else's. Which is not told."""

    of_status, code = 404, "not_found"


class MethodNotAllowed(ClientError):
    """The path exists and does not answer this method."""

    of_status, code = 405, "method_not_allowed"


class NotAcceptable(ClientError):
    """`Accept` asks for something that this path does not answer."""

    of_status, code = 406, "not_acceptable"


class RequestTimeout(ClientError):
    """The request did not arrive in time; nothing was done."""

    of_status, code = 408, "request_timeout"


class PeriodFinal(Conflict):
    """The month is closed, and what it charges is never changed."""

    code = "period_final"


class PeriodNotReady(Conflict):
    """The month runs still, or one before it is not closed."""

    code = "period_not_ready"


class PriceMissing(Conflict):
    """A number was held on a day for which no price is filed."""

    code = "price_missing"


class PriceOverlaps(Conflict):
    """A price for just the same begins on that day already."""

    code = "price_overlaps"


class NoNumbersAvailable(Conflict):
    """Teli has none in this area code; `error` and `message` are Teli's own."""

    code = "no_numbers_available"


class IdempotencyKeyInProgress(Conflict):
    """The first request with this key still waits to be sent; there is no operation to poll yet."""

    code = "idempotency_key_in_progress"


class StateConflict(Conflict):
    """What is meant is not in a state that allows this."""

    code = "state_conflict"


class FilterOutdated(Conflict):
    """The saved filter asks for what the listing knows no more; `errors` says what; nothing was listed."""

    code = "filter_outdated"


class SelectionExpired(Gone):
    """The preview is too old; nothing was changed."""

    code = "selection_expired"


class EventsForgotten(Gone):
    """Events after this cursor are kept no longer, or the database was restored to an earlier moment than its."""

    code = "events_forgotten"


class EtagMismatch(PreconditionFailed):
    """What is to be changed was changed since it was read."""

    code = "etag_mismatch"


class BodyTooLarge(ClientError):
    """The body is larger than any request needs (1 MiB; 8 MiB of numbers to be imported, 256 MiB of an
    invoice); it was not read to its end.
    """

    of_status, code = 413, "body_too_large"


class UnsupportedMediaType(ClientError):
    """The body is not sent as `application/json` in UTF-8, or a spreadsheet not as `text/csv`."""

    of_status, code = 415, "unsupported_media_type"


class IdempotencyKeyReused(Unprocessable):
    """The key was used on this path before, with another request."""

    code = "idempotency_key_reused"


class QuotaExceeded(TooManyRequests):
    """A limit of the tenant, the user, the organisation or the deployment is reached; `quota` says which, its
    use and when it resets; nothing was sent.
    """

    code = "quota_exceeded"


class RateLimited(TooManyRequests):
    """More requests than are allowed in so short a time; nothing was done. Without `quota`: too many from this
    address had a key that is refused, and this one's is too; or too many logins failed.
    """

    code = "rate_limited"


class TooManyPreviews(TooManyRequests):
    """So many previews of the caller can still be applied that no more are kept."""

    code = "too_many_previews"


class HeadersTooLarge(ClientError):
    """Path, query and headers together are larger than any request needs (32 KiB)."""

    of_status, code = 431, "headers_too_large"


class InternalError(ServerError):
    """A bug of ours; the log has it under the request id."""

    code = "internal_error"


class UpstreamRefused(BadGateway):
    """Teli refused the request itself; `detail` has its words."""

    code = "upstream_refused"


class UpstreamUnavailable(Unavailable):
    """Teli cannot be used just now, or its numbers are still being listed, or the upstream account is out of
    service.
    """

    code = "upstream_unavailable"


class LaneBusy(Unavailable):
    """Others of the same user, or of the same account, are being bought for, and the wait grew too long."""

    code = "lane_busy"


class ExportsBusy(Unavailable):
    """As many exports as there may be are being made or read, of yours or of all, and the wait for one to end
    grew too long.
    """

    code = "exports_busy"


class ExportStorageFull(Unavailable):
    """There is no room where exports are written before they are sent."""

    code = "export_storage_full"


class PurchasesStopped(Unavailable):
    """Somebody pulled the money stop, everywhere or for this tenant or account, or the tenant is suspended,
    `suspended: true`; everything but purchases goes on.
    """

    code = "purchases_stopped"


class Draining(Unavailable):
    """This process is stopping; another will answer."""

    code = "draining"


class IdentityProviderUnavailable(Unavailable):
    """The identity provider does not answer as it should, and who asks cannot be told without it."""

    code = "identity_provider_unavailable"


class StorageUnavailable(Unavailable):
    """Postgres does not answer."""

    code = "storage_unavailable"


def _each(kind: type[Refused]) -> list[type[Refused]]:
    return [kind, *(one for child in kind.__subclasses__() for one in _each(child))]


BY_CODE: Mapping[str, type[Refused]] = {one.code: one for one in _each(Refused) if one.code is not None}
BY_STATUS: Mapping[int, type[Refused]] = {
    one.of_status: one for one in _each(Refused) if "of_status" in vars(one) and one.of_status is not None
}


def kind_of(status: int, code: str | None) -> type[Refused]:
    """The exception of a code; of one that is not known here, or of none, that of its status."""
    if code is not None and code in BY_CODE:
        return BY_CODE[code]
    return BY_STATUS.get(status, ServerError if status >= 500 else ClientError)


def refused(
    status: int,
    problem: object,
    *,
    request_id: str | None = None,
    retry_after: float | None = None,
    replayed: bool = False,
) -> Refused:
    """What an answer is raised as. `problem`: its body as it was read; None where that is no JSON."""
    told: Mapping[str, Any] = problem if isinstance(problem, Mapping) else {}
    code, detail, faults = told.get("code"), told.get("detail"), told.get("errors")
    known = code if isinstance(code, str) else None
    error = kind_of(status, known)(
        detail if isinstance(detail, str) else f"the answer was {status}, and not as a gateway tells it",
        request_id=told["request_id"] if isinstance(told.get("request_id"), str) else request_id,
        errors=[one for one in faults if isinstance(one, Mapping)] if isinstance(faults, list) else (),
        retry_after=retry_after,
        members={name: value for name, value in told.items() if name not in OF_EVERY_PROBLEM},
    )
    error.status, error.code, error.replayed = status, known, replayed
    return error


OF_EVERY_PROBLEM = frozenset(
    ("type", "title", "status", "detail", "instance", "code", "request_id", "success", "errors")
)
