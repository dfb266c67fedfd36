"""A method for each operation that has none in `aio.py`. Made by `python -m tests.client` from the OpenAPI document."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from os import PathLike
from typing import Unpack
from uuid import UUID

from service.client import bodies, files, models
from service.client.aio_calls import WAIT, AsyncCalls
from service.client.requests import path


class AsyncAdmin:
    """Organisations, users, tenants, keys, limits, accounts, the log, the stop and the short lists."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    def organizations(self, *, q: str | None = None) -> AsyncIterator[models.Organization]:
        """Organisations, by id. `q`: Letters of an id or a name (of a user also the e-mail address), in either
        case.
        """
        return self._calls.items(models.Organization, "/v1/admin/organizations", {"q": q})

    async def sync_organizations(self, *, idempotency_key: str | None = None) -> models.Sync:
        """File the organisations that Teli names, and take over their names. None is deleted, and nobody granted
        any.
        """
        return await self._calls.ask(
            models.Sync,
            self._calls.request("POST", "/v1/admin/organizations/sync", keyed=True, idempotency_key=idempotency_key),
        )

    async def get_organization(self, organization_id: str, /) -> models.Organization:
        """One organisation."""
        return await self._calls.ask(
            models.Organization, self._calls.request("GET", path("/v1/admin/organizations/{}", organization_id))
        )

    async def put_organization(
        self, organization_id: str, /, **body: Unpack[bodies.OrganizationPut]
    ) -> models.OrganizationFiled:
        """File an organisation under Teli's id, rename it, or have it bought for through an account of its own.
        What was bought before stays with the account that bought it. An id that is not there is filed: `created`
        tells.
        """
        return await self._calls.ask(
            models.OrganizationFiled,
            self._calls.request("PUT", path("/v1/admin/organizations/{}", organization_id), body=body),
        )

    def users(self, organization_id: str, /, *, q: str | None = None) -> AsyncIterator[models.User]:
        """Users of an organisation that are filed, by id. `q`: Letters of an id or a name (of a user also the
        e-mail address), in either case.
        """
        return self._calls.items(models.User, path("/v1/admin/organizations/{}/users", organization_id), {"q": q})

    async def sync_users(self, organization_id: str, /, *, idempotency_key: str | None = None) -> models.Sync:
        """File the users that Teli names, and take over their names and emails. None is deleted, and `exclusive`
        stays as it is.
        """
        return await self._calls.ask(
            models.Sync,
            self._calls.request(
                "POST",
                path("/v1/admin/organizations/{}/users/sync", organization_id),
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def get_user(self, organization_id: str, user_id: str, /) -> models.User:
        """One user of an organisation."""
        return await self._calls.ask(
            models.User,
            self._calls.request("GET", path("/v1/admin/organizations/{}/users/{}", organization_id, user_id)),
        )

    async def put_user(self, organization_id: str, user_id: str, /, **body: Unpack[bodies.UserPut]) -> models.UserFiled:
        """File a user under Teli's id, or change it: `created` tells. `exclusive`: nobody buys for it but
        Numbergate.
        """
        return await self._calls.ask(
            models.UserFiled,
            self._calls.request(
                "PUT", path("/v1/admin/organizations/{}/users/{}", organization_id, user_id), body=body
            ),
        )

    def tenants(self, *, q: str | None = None) -> AsyncIterator[models.Tenant]:
        """Tenants, by id. `q`: Letters of an id or a name (of a user also the e-mail address), in either case."""
        return self._calls.items(models.Tenant, "/v1/admin/tenants", {"q": q})

    async def get_tenant(self, tenant_id: str, /) -> models.TenantShown:
        """One tenant, and how many numbers it holds."""
        return await self._calls.ask(
            models.TenantShown, self._calls.request("GET", path("/v1/admin/tenants/{}", tenant_id))
        )

    async def put_tenant(self, tenant_id: str, /, **body: Unpack[bodies.TenantPut]) -> models.TenantFiled:
        """Create or change a tenant; `organization_ids`, where given, become exactly those it may buy for. A new
        one needs a `name`: without, an id that is not there is 404. Its numbers stay where they are, whatever its
        `state`, and with the account that bought them, whatever `account_id` it buys through from now on. To close
        one that holds numbers, `confirm_numbers_held` must say how many: it is 409 else, and tells.
        """
        return await self._calls.ask(
            models.TenantFiled, self._calls.request("PUT", path("/v1/admin/tenants/{}", tenant_id), body=body)
        )

    async def create_key(
        self, tenant_id: str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.KeyCreate]
    ) -> models.Key:
        """Issue a key. It is shown in this answer and never again: a replay has null in its place. It may be
        limited to organisations, users and networks; a limit that is null or absent is none.
        """
        return await self._calls.ask(
            models.Key,
            self._calls.request(
                "POST",
                path("/v1/admin/tenants/{}/keys", tenant_id),
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    def keys(
        self, *, tenant_id: str | None = None, kind: str | None = None, state: str | None = None
    ) -> AsyncIterator[models.ListedKey]:
        """API keys, newest first, those too that are good no more. No key is shown, only its last four characters.
        `tenant_id`: A tenant, by its id. `kind`: Keys of this kind of caller alone. `state`: Those in this state
        alone.
        """
        return self._calls.items(
            models.ListedKey, "/v1/admin/keys", {"tenant_id": tenant_id, "kind": kind, "state": state}
        )

    async def revoke_key(self, key_id: UUID | str, /) -> None:
        """Revoke a key: refused on every replica within a second."""
        await self._calls.gone(self._calls.request("DELETE", path("/v1/admin/keys/{}", key_id)))

    async def rotate_key(
        self, key_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.KeyRotate]
    ) -> models.Key:
        """Issue a successor with the same rights and limits; the old key works for `overlap_seconds` more. Without
        a body that is an hour.
        """
        return await self._calls.ask(
            models.Key,
            self._calls.request(
                "POST", path("/v1/admin/keys/{}/rotate", key_id), body=body, keyed=True, idempotency_key=idempotency_key
            ),
        )

    def policies(self) -> AsyncIterator[models.Policy]:
        """Policies, by tenant: every tenant has one."""
        return self._calls.items(models.Policy, "/v1/admin/policies", {})

    async def get_policy(self, tenant_id: str, /) -> models.Policy:
        """What one tenant may buy and link, and how."""
        return await self._calls.ask(
            models.Policy, self._calls.request("GET", path("/v1/admin/policies/{}", tenant_id))
        )

    async def put_policy(self, tenant_id: str, /, **body: Unpack[bodies.PolicyPut]) -> models.Policy:
        """Change a tenant's policy, in force on every replica within a second. Numbers that are held and agents
        that are linked stay as they are.
        """
        return await self._calls.ask(
            models.Policy, self._calls.request("PUT", path("/v1/admin/policies/{}", tenant_id), body=body)
        )

    def stops(self) -> AsyncIterator[models.Stop]:
        """What is stopped, the latest first."""
        return self._calls.items(models.Stop, "/v1/admin/stops", {}, paged=False)

    async def stop_purchases(
        self, *, idempotency_key: str | None = None, **body: Unpack[bodies.StopOrder]
    ) -> models.Stop:
        """Stop purchases: none leaves more than a second after this answer, on any replica. All else goes on."""
        return await self._calls.ask(
            models.Stop,
            self._calls.request("POST", "/v1/admin/stop", body=body, keyed=True, idempotency_key=idempotency_key),
        )

    async def resume_purchases(
        self, *, idempotency_key: str | None = None, **body: Unpack[bodies.StopOrder]
    ) -> models.Stop:
        """Let purchases go on, save where another stop holds them up."""
        return await self._calls.ask(
            models.Stop,
            self._calls.request("POST", "/v1/admin/resume", body=body, keyed=True, idempotency_key=idempotency_key),
        )

    def accounts(self) -> AsyncIterator[models.Account]:
        """Upstream accounts, oldest first. No key is shown, only its last four characters."""
        return self._calls.items(models.Account, "/v1/admin/accounts", {})

    async def create_account(
        self, *, idempotency_key: str | None = None, **body: Unpack[bodies.AccountCreate]
    ) -> models.Account:
        """File a further account, with its key, which is encrypted and shown to nobody. Purchases through it begin
        when the worker has listed what it holds.
        """
        return await self._calls.ask(
            models.Account,
            self._calls.request("POST", "/v1/admin/accounts", body=body, keyed=True, idempotency_key=idempotency_key),
        )

    async def get_account(self, account_id: UUID | str, /) -> models.Account:
        """One upstream account."""
        return await self._calls.ask(
            models.Account, self._calls.request("GET", path("/v1/admin/accounts/{}", account_id))
        )

    async def put_account(self, account_id: UUID | str, /, **body: Unpack[bodies.AccountPut]) -> models.Account:
        """Change an account. A key is never sent to another URL than it came with, so another `base_url` needs it
        anew.
        """
        return await self._calls.ask(
            models.Account, self._calls.request("PUT", path("/v1/admin/accounts/{}", account_id), body=body)
        )

    async def put_account_key(self, account_id: UUID | str, /, **body: Unpack[bodies.AccountKeyPut]) -> models.Account:
        """Replace the account's key, without a stop: in use by every process within seconds. What is under way ends
        with the key that it began with, so let Teli take both for some minutes.
        """
        return await self._calls.ask(
            models.Account, self._calls.request("PUT", path("/v1/admin/accounts/{}/key", account_id), body=body)
        )

    def sessions(self) -> AsyncIterator[models.ListedSession]:
        """Who is logged in, newest first. What a browser holds is not known here, and so not shown."""
        return self._calls.items(models.ListedSession, "/v1/admin/sessions", {})

    async def end_session(self, session_id: UUID | str, /) -> None:
        """End a person's session: refused on every replica within a second. They may log in again."""
        await self._calls.gone(self._calls.request("DELETE", path("/v1/admin/sessions/{}", session_id)))

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        tenant_id: str | None = None,
        request_id: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> AsyncIterator[models.AuditItem]:
        """Who changed what, when, and how it stood before and after; and who tried what they may not. Newest first.
        With `Accept: application/x-ndjson` everything that the filters mean is exported, in the order of the chain,
        as `numbergate audit verify --file` reads it. `limit` and `cursor` do not go with that. `actor`: Who did it:
        the id of a key, or a person's. `action`: What was done, as `key.issue`. `object_kind`: What kind of thing
        it was done to. `object_id`: What it was done to, by its id. `tenant_id`: A tenant, by its id. `request_id`:
        What one request did, by its `X-Request-ID`. `after`: Only what was noted later. `before`: Only what was
        noted earlier.
        """
        return self._calls.items(
            models.AuditItem,
            "/v1/admin/audit",
            {
                "actor": actor,
                "action": action,
                "object_kind": object_kind,
                "object_id": object_id,
                "tenant_id": tenant_id,
                "request_id": request_id,
                "after": after,
                "before": before,
            },
        )

    async def export_audit(
        self,
        target: str | PathLike[str],
        /,
        *,
        actor: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        tenant_id: str | None = None,
        request_id: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        format: str = "ndjson",  # noqa: A002
    ) -> int:
        """Who changed what, when, and how it stood before and after; and who tried what they may not. Newest first.
        With `Accept: application/x-ndjson` everything that the filters mean is exported, in the order of the chain,
        as `numbergate audit verify --file` reads it. `limit` and `cursor` do not go with that. `actor`: Who did it:
        the id of a key, or a person's. `action`: What was done, as `key.issue`. `object_kind`: What kind of thing
        it was done to. `object_id`: What it was done to, by its id. `tenant_id`: A tenant, by its id. `request_id`:
        What one request did, by its `X-Request-ID`. `after`: Only what was noted later. `before`: Only what was
        noted earlier.
        """
        return await self._calls.export(
            "/v1/admin/audit",
            {
                "actor": actor,
                "action": action,
                "object_kind": object_kind,
                "object_id": object_id,
                "tenant_id": tenant_id,
                "request_id": request_id,
                "after": after,
                "before": before,
            },
            files.media_type(format, "ndjson"),
            target,
        )

    def idempotency_keys(
        self,
        *,
        tenant_id: str | None = None,
        key: str | None = None,
        scope: str | None = None,
        state: str | None = None,
    ) -> AsyncIterator[models.FiledKey]:
        """Idempotency keys that are remembered, newest first: whose, for what, what they name, and until when.
        `tenant_id`: A tenant, by its id. `key`: The `Idempotency-Key` itself. `scope`: Keys of this kind of request
        alone: `create`, or method and path. `state`: Those in this state alone.
        """
        return self._calls.items(
            models.FiledKey,
            "/v1/admin/idempotency-keys",
            {"tenant_id": tenant_id, "key": key, "scope": scope, "state": state},
        )

    async def get_quotas(self, tenant_id: str, /) -> models.Quota:
        """A tenant's limits and their use."""
        return await self._calls.ask(
            models.Quota, self._calls.request("GET", path("/v1/admin/tenants/{}/quotas", tenant_id))
        )

    async def put_quotas(self, tenant_id: str, /, **body: Unpack[bodies.QuotaPut]) -> models.Quota:
        """Change a tenant's limits, in force at once."""
        return await self._calls.ask(
            models.Quota, self._calls.request("PUT", path("/v1/admin/tenants/{}/quotas", tenant_id), body=body)
        )

    async def get_organization_quotas(self, organization_id: str, /) -> models.Quota:
        """The limits of an organisation, over all tenants that buy for it, and their use."""
        return await self._calls.ask(
            models.Quota, self._calls.request("GET", path("/v1/admin/organizations/{}/quotas", organization_id))
        )

    async def put_organization_quotas(self, organization_id: str, /, **body: Unpack[bodies.QuotaPut]) -> models.Quota:
        """Change the limits of an organisation, in force at once. Its requests are its purchases."""
        return await self._calls.ask(
            models.Quota,
            self._calls.request("PUT", path("/v1/admin/organizations/{}/quotas", organization_id), body=body),
        )

    async def get_user_quotas(self, organization_id: str, user_id: str, /) -> models.Quota:
        """The limits of a user, over all tenants that buy for it, and their use."""
        return await self._calls.ask(
            models.Quota,
            self._calls.request("GET", path("/v1/admin/organizations/{}/users/{}/quotas", organization_id, user_id)),
        )

    async def put_user_quotas(
        self, organization_id: str, user_id: str, /, **body: Unpack[bodies.QuotaPut]
    ) -> models.Quota:
        """Change the limits of a user, in force at once. Its requests are its purchases."""
        return await self._calls.ask(
            models.Quota,
            self._calls.request(
                "PUT", path("/v1/admin/organizations/{}/users/{}/quotas", organization_id, user_id), body=body
            ),
        )

    async def get_deployment_quotas(self) -> models.Quota:
        """The limits of the whole deployment and their use."""
        return await self._calls.ask(models.Quota, self._calls.request("GET", "/v1/admin/deployment/quotas"))

    async def put_deployment_quotas(self, **body: Unpack[bodies.QuotaPut]) -> models.Quota:
        """Change the limits of the whole deployment, in force at once. Every purchase queues at its one row."""
        return await self._calls.ask(models.Quota, self._calls.request("PUT", "/v1/admin/deployment/quotas", body=body))

    def doubts(self) -> AsyncIterator[models.Doubt]:
        """Purchases that are neither proved nor disproved, oldest first. Their quota stays reserved."""
        return self._calls.items(models.Doubt, "/v1/admin/doubts", {})

    async def get_doubt(self, item_id: UUID | str, /) -> models.DoubtDetail:
        """One purchase, in doubt or decided since, with what it was decided on."""
        return await self._calls.ask(
            models.DoubtDetail, self._calls.request("GET", path("/v1/admin/doubts/{}", item_id))
        )

    def orphans(self) -> AsyncIterator[models.Orphan]:
        """Numbers that appeared at Teli and that no purchase explains, oldest first."""
        return self._calls.items(models.Orphan, "/v1/admin/orphans", {})

    def ghosts(self) -> AsyncIterator[models.Ghost]:
        """Numbers held here that Teli lists no more, or never did, or whose release is unresolved; oldest first."""
        return self._calls.items(models.Ghost, "/v1/admin/ghosts", {})

    async def resolve_doubt(
        self, item_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.DoubtDecision]
    ) -> models.Decided:
        """Decide a doubt: it bought this number, or nothing."""
        return await self._calls.ask(
            models.Decided,
            self._calls.request(
                "POST",
                path("/v1/admin/doubts/{}/resolve", item_id),
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def resolve_orphan(
        self, item_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.OrphanDecision]
    ) -> models.Decided:
        """Decide an orphan: a tenant's from now on, to be given back, or no concern of ours."""
        return await self._calls.ask(
            models.Decided,
            self._calls.request(
                "POST",
                path("/v1/admin/orphans/{}/resolve", item_id),
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def resolve_ghost(
        self, item_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.GhostDecision]
    ) -> models.Decided:
        """Decide a ghost: gone, or held all the same."""
        return await self._calls.ask(
            models.Decided,
            self._calls.request(
                "POST",
                path("/v1/admin/ghosts/{}/resolve", item_id),
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )


class AsyncBilling:
    """Prices, months, budgets, invoices and disputes."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    def prices(self) -> AsyncIterator[models.PriceVersion]:
        """Every version of the price book, the one that begins last first."""
        return self._calls.items(models.PriceVersion, "/v1/billing/prices", {})

    async def create_price(self, **body: Unpack[bodies.PriceVersionIn]) -> models.PriceFiled:
        """File a price from a day on. A version is never changed; a later one takes its place."""
        return await self._calls.ask(models.PriceFiled, self._calls.request("POST", "/v1/billing/prices", body=body))

    async def get_charging_rule(self) -> models.ChargingRuleBody:
        """How the supplier charges a month, for those that are not final."""
        return await self._calls.ask(models.ChargingRuleBody, self._calls.request("GET", "/v1/billing/charging-rule"))

    async def put_charging_rule(self, **body: Unpack[bodies.ChargingRuleBody]) -> models.ChargingRuleBody:
        """Say how the supplier charges a month. Those that are final keep the rule that they were closed with."""
        return await self._calls.ask(
            models.ChargingRuleBody, self._calls.request("PUT", "/v1/billing/charging-rule", body=body)
        )

    async def periods(self) -> models.PeriodList:
        """Every month since the first number: open while it runs, draft once it has ended, final when it is closed."""
        return await self._calls.ask(models.PeriodList, self._calls.request("GET", "/v1/billing/periods"))

    async def close_period(self, period: str, /) -> models.Period:
        """Make a month final. What is found out later is charged in the next one as a correction."""
        return await self._calls.ask(
            models.Period,
            self._calls.request("POST", path("/v1/billing/periods/{}/close", period), harmless_again=True),
        )

    def period_analytics(self, period: str, /, *, state: str | None = None) -> AsyncIterator[models.Analytics]:
        """What Teli's own analytics count of a month that is final, beside what the ledger has, by organisation and
        user. They are asked for once the month is closed; a month that is not, has none. `state`: Those in this
        state alone.
        """
        return self._calls.items(models.Analytics, path("/v1/billing/periods/{}/analytics", period), {"state": state})

    def budgets(self) -> AsyncIterator[models.Budget]:
        """Budgets and how they stand. A tenant sees those of it alone, and those that it is told of."""
        return self._calls.items(models.Budget, "/v1/billing/budgets", {})

    async def create_budget(self, **body: Unpack[bodies.BudgetIn]) -> models.Budget:
        """Say what a month may cost. At 50, 80 and 100 % of it, and once more than all of it is to be expected, the
        event `budget.reached` is written, once a month each.
        """
        return await self._calls.ask(models.Budget, self._calls.request("POST", "/v1/billing/budgets", body=body))

    async def get_budget(self, budget_id: UUID | str, /) -> models.Budget:
        """One budget, how it stands, and what of it was reached this month."""
        return await self._calls.ask(
            models.Budget, self._calls.request("GET", path("/v1/billing/budgets/{}", budget_id))
        )

    async def put_budget(self, budget_id: UUID | str, /, **body: Unpack[bodies.BudgetPut]) -> models.Budget:
        """Change a budget, at any time of the month. What was reached by the amount before is told of anew only
        where it was not reached by the new one in between.
        """
        return await self._calls.ask(
            models.Budget, self._calls.request("PUT", path("/v1/billing/budgets/{}", budget_id), body=body)
        )

    async def delete_budget(self, budget_id: UUID | str, /) -> None:
        """Delete a budget, with what was reached of it."""
        await self._calls.gone(self._calls.request("DELETE", path("/v1/billing/budgets/{}", budget_id)))

    async def preview_invoice(
        self, *, profile: str | None = None, content: bytes, media_type: str = "text/csv"
    ) -> models.InvoicePreview:
        """Show how a file would be read: by which mapping, its first lines, its faults, and the sum. Nothing is
        filed. `profile`: A remembered mapping; without it, what the headers suggest.
        """
        return await self._calls.ask(
            models.InvoicePreview,
            self._calls.request(
                "POST",
                "/v1/billing/invoices/preview",
                params={"profile": profile},
                content=content,
                media_type=media_type,
                harmless_again=True,
            ),
        )

    async def create_invoice(
        self,
        *,
        period: str,
        account_id: UUID | str | None = None,
        supplier: str | None = None,
        number: str | None = None,
        file_name: str | None = None,
        profile: str | None = None,
        content: bytes,
        media_type: str = "text/csv",
    ) -> models.Invoice:
        """File the supplier's invoice; it is read from then on, a batch at a time. The same content again is the
        same one. Of a file of which not one of the first rows can be read, nothing is filed. `period`: The month it
        is for. `account_id`: The upstream account; not needed where there is one. `supplier`: Who sent the invoice.
        `number`: The supplier's own. `file_name`: What the file is called, for people. `profile`: A remembered
        mapping; without it, what the headers suggest.
        """
        return await self._calls.ask(
            models.Invoice,
            self._calls.request(
                "POST",
                "/v1/billing/invoices",
                params={
                    "period": period,
                    "account_id": account_id,
                    "supplier": supplier,
                    "number": number,
                    "file_name": file_name,
                    "profile": profile,
                },
                content=content,
                media_type=media_type,
                harmless_again=True,
            ),
        )

    def invoices(self, *, period: str | None = None, state: str | None = None) -> AsyncIterator[models.Invoice]:
        """Invoices, the newest first. `period`: A month, `YYYY-MM`. `state`: Those in this state alone."""
        return self._calls.items(models.Invoice, "/v1/billing/invoices", {"period": period, "state": state})

    async def get_invoice(self, invoice_id: UUID | str, /) -> models.Invoice:
        """One invoice: how far it is read, its sum, and what waits for a decision."""
        return await self._calls.ask(
            models.Invoice, self._calls.request("GET", path("/v1/billing/invoices/{}", invoice_id))
        )

    async def discard_invoice(self, invoice_id: UUID | str, /) -> None:
        """Take back an invoice that is not matched, with its lines, so that its file can be read by another
        mapping.
        """
        await self._calls.gone(self._calls.request("DELETE", path("/v1/billing/invoices/{}", invoice_id)))

    def invoice_lines(self, invoice_id: UUID | str, /) -> AsyncIterator[models.Line]:
        """The lines of an invoice that were read, in the order of the file; or all of them, as CSV, NDJSON or
        Parquet.
        """
        return self._calls.items(models.Line, path("/v1/billing/invoices/{}/lines", invoice_id), {})

    async def export_invoice_lines(
        self,
        invoice_id: UUID | str,
        target: str | PathLike[str],
        /,
        *,
        format: str = "csv",  # noqa: A002
    ) -> int:
        """The lines of an invoice that were read, in the order of the file; or all of them, as CSV, NDJSON or
        Parquet.
        """
        return await self._calls.export(
            path("/v1/billing/invoices/{}/lines", invoice_id),
            {},
            files.media_type(format, "csv", "ndjson", "parquet"),
            target,
        )

    def invoice_rejects(
        self, invoice_id: UUID | str, /, *, decided: bool | None = None
    ) -> AsyncIterator[models.Reject]:
        """Rows that could not be read, each with its line and all that is wrong with it. `decided`: Only those that
        were decided, or that wait.
        """
        return self._calls.items(
            models.Reject, path("/v1/billing/invoices/{}/rejects", invoice_id), {"decided": decided}
        )

    async def resolve_invoice_rejects(
        self, invoice_id: UUID | str, /, **body: Unpack[bodies.ResolveIn]
    ) -> models.Invoice:
        """Drop rows that are kept aside, or mend them. Those that are mended are lines; all of them, or none."""
        return await self._calls.ask(
            models.Invoice,
            self._calls.request("POST", path("/v1/billing/invoices/{}/rejects/resolve", invoice_id), body=body),
        )

    async def invoice_profiles(self) -> models.ProfileList:
        """Mappings by name: those that come with Numbergate, and those that were remembered."""
        return await self._calls.ask(models.ProfileList, self._calls.request("GET", "/v1/billing/invoice-profiles"))

    async def get_invoice_profile(self, profile_name: str, /) -> models.Profile:
        """One mapping: which column means what, and how amounts and days are written."""
        return await self._calls.ask(
            models.Profile, self._calls.request("GET", path("/v1/billing/invoice-profiles/{}", profile_name))
        )

    async def put_invoice_profile(self, profile_name: str, /, **body: Unpack[bodies.MappingBody]) -> models.Profile:
        """Remember a mapping by a name. Invoices that were filed by it before keep the one that they were read by."""
        return await self._calls.ask(
            models.Profile, self._calls.request("PUT", path("/v1/billing/invoice-profiles/{}", profile_name), body=body)
        )

    async def match_invoice(self, invoice_id: UUID | str, /, **body: Unpack[bodies.MatchIn]) -> models.Match:
        """Have every line of an invoice matched with what the ledger charges for its month, anew where that was
        done.
        """
        return await self._calls.ask(
            models.Match,
            self._calls.request(
                "POST", path("/v1/billing/invoices/{}/match", invoice_id), body=body, harmless_again=True
            ),
        )

    async def get_invoice_match(self, invoice_id: UUID | str, /) -> models.Match:
        """How far the match of an invoice is, and what came of it, by verdict."""
        return await self._calls.ask(
            models.Match, self._calls.request("GET", path("/v1/billing/invoices/{}/match", invoice_id))
        )

    def findings(self, invoice_id: UUID | str, /, *, verdict: str | None = None) -> AsyncIterator[models.Finding]:
        """What came of each line of an invoice, and of each charge that it lacks; page by page, or all as a file.
        `verdict`: With commas between.
        """
        return self._calls.items(
            models.Finding, path("/v1/billing/invoices/{}/findings", invoice_id), {"verdict": verdict}
        )

    async def export_findings(
        self,
        invoice_id: UUID | str,
        target: str | PathLike[str],
        /,
        *,
        verdict: str | None = None,
        format: str = "csv",  # noqa: A002
    ) -> int:
        """What came of each line of an invoice, and of each charge that it lacks; page by page, or all as a file.
        `verdict`: With commas between.
        """
        return await self._calls.export(
            path("/v1/billing/invoices/{}/findings", invoice_id),
            {"verdict": verdict},
            files.media_type(format, "csv", "ndjson", "parquet"),
            target,
        )

    async def open_dispute(self, **body: Unpack[bodies.DisputeIn]) -> models.DisputeDetail:
        """Dispute what an invoice charges too much: all of some verdicts, and findings that are named."""
        return await self._calls.ask(
            models.DisputeDetail, self._calls.request("POST", "/v1/billing/disputes", body=body)
        )

    def disputes(
        self, *, state: str | None = None, invoice_id: UUID | str | None = None
    ) -> AsyncIterator[models.Dispute]:
        """Disputes, the last opened first. `state`: Those in this state alone. `invoice_id`: Of this invoice alone."""
        return self._calls.items(models.Dispute, "/v1/billing/disputes", {"state": state, "invoice_id": invoice_id})

    async def get_dispute(self, dispute_id: UUID | str, /) -> models.DisputeDetail:
        """A dispute with its notes and attachments, and the later invoices that gave back of it."""
        return await self._calls.ask(
            models.DisputeDetail, self._calls.request("GET", path("/v1/billing/disputes/{}", dispute_id))
        )

    async def move_dispute(self, dispute_id: UUID | str, /, **body: Unpack[bodies.DisputeMove]) -> models.DisputeDetail:
        """Say what became of a dispute. Of two that decide it at once one is refused: 409, with the state that it
        has.
        """
        return await self._calls.ask(
            models.DisputeDetail,
            self._calls.request("POST", path("/v1/billing/disputes/{}/state", dispute_id), body=body),
        )

    def dispute_lines(self, dispute_id: UUID | str, /) -> AsyncIterator[models.DisputeLine]:
        """What is disputed, as it was found; page by page, or all as a file for the supplier."""
        return self._calls.items(models.DisputeLine, path("/v1/billing/disputes/{}/lines", dispute_id), {})

    async def export_dispute_lines(
        self,
        dispute_id: UUID | str,
        target: str | PathLike[str],
        /,
        *,
        format: str = "csv",  # noqa: A002
    ) -> int:
        """What is disputed, as it was found; page by page, or all as a file for the supplier."""
        return await self._calls.export(
            path("/v1/billing/disputes/{}/lines", dispute_id),
            {},
            files.media_type(format, "csv", "ndjson", "parquet"),
            target,
        )

    async def save_dispute_letter(self, dispute_id: UUID | str, target: str | PathLike[str], /) -> None:
        """A dispute as a page for the supplier, to be printed or sent, with its first 1,000 lines."""
        await self._calls.export(path("/v1/billing/disputes/{}/letter", dispute_id), {}, "text/html", target)

    async def note_dispute(
        self, dispute_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.NoteIn]
    ) -> models.Note:
        """Add a note to a dispute; it is never changed."""
        return await self._calls.ask(
            models.Note,
            self._calls.request(
                "POST",
                path("/v1/billing/disputes/{}/notes", dispute_id),
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def attach_to_dispute(self, dispute_id: UUID | str, /, *, name: str, content: bytes) -> models.Attachment:
        """Keep a file with a dispute: PDF, PNG, JPEG, text or CSV. Sent again under its name, it is kept once.
        `name`: What the file is called.
        """
        return await self._calls.ask(
            models.Attachment,
            self._calls.request(
                "POST",
                path("/v1/billing/disputes/{}/attachments", dispute_id),
                params={"name": name},
                content=content,
                media_type="application/pdf",
                harmless_again=True,
            ),
        )

    async def save_dispute_attachment(
        self, dispute_id: UUID | str, attachment_id: UUID | str, target: str | PathLike[str], /
    ) -> None:
        """A file that is kept with a dispute."""
        await self._calls.export(
            path("/v1/billing/disputes/{}/attachments/{}", dispute_id, attachment_id), {}, "*/*", target
        )


class AsyncGenerated:
    """What has no method made by hand: campaigns, calls, imports, saved filters, agents, drift."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self.admin = AsyncAdmin(calls)
        self.billing = AsyncBilling(calls)

    async def create_filter(self, **body: Unpack[bodies.SavedFilterIn]) -> models.SavedFilter:
        """Keep filters and an order of the inventory under a name, for oneself or shared in an organisation."""
        return await self._calls.ask(models.SavedFilter, self._calls.request("POST", "/v1/filters", body=body))

    def filters(self) -> AsyncIterator[models.SavedFilter]:
        """One's own, and those that are shared in organisations that one is granted or sees; by name."""
        return self._calls.items(models.SavedFilter, "/v1/filters", {})

    async def get_filter(self, filter_id: UUID | str, /) -> models.SavedFilter:
        """One saved filter. `GET /v1/numbers?filter=` with its id lists by it."""
        return await self._calls.ask(models.SavedFilter, self._calls.request("GET", path("/v1/filters/{}", filter_id)))

    async def put_filter(
        self, filter_id: UUID | str, /, *, if_match: str | None = None, **body: Unpack[bodies.SavedFilterIn]
    ) -> models.SavedFilter:
        """Replace a saved filter: by whose it is, or by an administrator of the organisation in which it is shared.
        With `If-Match` only while nobody has changed it since.
        """
        return await self._calls.ask(
            models.SavedFilter,
            self._calls.request("PUT", path("/v1/filters/{}", filter_id), body=body, if_match=if_match),
        )

    async def delete_filter(self, filter_id: UUID | str, /, *, if_match: str | None = None) -> None:
        """Delete a saved filter, as it may be replaced."""
        await self._calls.gone(self._calls.request("DELETE", path("/v1/filters/{}", filter_id), if_match=if_match))

    async def undo_order(self, order_id: UUID | str, /, *, idempotency_key: str | None = None) -> models.Preview:
        """Preview the inverse of an order that set something; its token has it done. A release cannot be undone."""
        return await self._calls.ask(
            models.Preview,
            self._calls.request(
                "POST", path("/v1/orders/{}/undo", order_id), keyed=True, idempotency_key=idempotency_key
            ),
        )

    async def preview_import(
        self, *, idempotency_key: str | None = None, **body: Unpack[bodies.ImportIn]
    ) -> models.Import:
        """Show what would become of the numbers that Teli listed before the account first bought here; nothing is
        adopted. Those that are still nobody's, 10,000 at a time. An orphan is imported by a file that names it.
        """
        return await self._calls.ask(
            models.Import,
            self._calls.request("POST", "/v1/imports", body=body, keyed=True, idempotency_key=idempotency_key),
        )

    def imports(self, *, state: str | None = None) -> AsyncIterator[models.Import]:
        """Imports, newest first, of the organisations that the caller sees. `state`: One or several, separated by
        commas.
        """
        return self._calls.items(models.Import, "/v1/imports", {"state": state})

    async def preview_csv_import(
        self,
        *,
        account_id: UUID | str | None = None,
        organization_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        cost_center: str | None = None,
        tags: str | None = None,
        acquired_at: date | datetime | None = None,
        monthly_price: float | str | None = None,
        setup_price: float | str | None = None,
        currency: str | None = None,
        content: bytes,
        idempotency_key: str | None = None,
    ) -> models.Import:
        """Show what would become of the numbers of a spreadsheet, row by row; nothing is adopted. Its first line
        names the columns; what its rows leave open is said of all by the parameters. `account_id`: They must be of
        this upstream account. `organization_id`: They must be of this organisation. `tenant_id`: Whose they are to
        be. `user_id`: Whose they are where Teli names no user. `cost_center`: Of this cost centre alone. `tags`:
        With semicolons between. `acquired_at`: Since when they are held: a date, or a time by RFC 3339.
        `monthly_price`: In units of the currency, as 2.99. `setup_price`: What setting one up cost, where a row
        does not say. `currency`: ISO 4217.
        """
        return await self._calls.ask(
            models.Import,
            self._calls.request(
                "POST",
                "/v1/imports/csv",
                params={
                    "account_id": account_id,
                    "organization_id": organization_id,
                    "tenant_id": tenant_id,
                    "user_id": user_id,
                    "cost_center": cost_center,
                    "tags": tags,
                    "acquired_at": acquired_at,
                    "monthly_price": monthly_price,
                    "setup_price": setup_price,
                    "currency": currency,
                },
                content=content,
                media_type="text/csv",
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def get_import(self, import_id: UUID | str, /) -> models.Import:
        """One import: what was shown, how far it is, and what became of its rows."""
        return await self._calls.ask(models.Import, self._calls.request("GET", path("/v1/imports/{}", import_id)))

    def import_items(self, import_id: UUID | str, /, *, outcome: str | None = None) -> AsyncIterator[models.ImportItem]:
        """Every row: what was shown of it, what became of it, and why. `outcome`: Items with this outcome alone."""
        return self._calls.items(models.ImportItem, path("/v1/imports/{}/items", import_id), {"outcome": outcome})

    async def apply_import(self, import_id: UUID | str, /) -> models.Import:
        """Adopt exactly what was shown; what is listed otherwise by now is left alone. Asking again is harmless."""
        return await self._calls.ask(
            models.Import, self._calls.request("POST", path("/v1/imports/{}/apply", import_id), harmless_again=True)
        )

    async def cancel_import(self, import_id: UUID | str, /, *, idempotency_key: str | None = None) -> models.Import:
        """Stop an import: numbers that nobody has begun with stay as they are. Asking again is harmless."""
        return await self._calls.ask(
            models.Import,
            self._calls.request(
                "POST", path("/v1/imports/{}/cancel", import_id), keyed=True, idempotency_key=idempotency_key
            ),
        )

    async def create_campaign(
        self, *, wait: float = WAIT, **body: Unpack[bodies.CampaignCreate]
    ) -> models.CampaignCreated:
        """Create a campaign, which begins to call at once. It calls from numbers that you hold in that
        organisation, and from no others. `campaign_id` makes it happen once: the same body again gets the same
        answer, another body is refused. Where Teli's answer is lost the campaign is looked up by its id and never
        sent again; until then the answer is a 202.
        """
        return await self._calls.done(
            models.CampaignCreated,
            self._calls.request("POST", "/v1/voice/campaigns", body=body, wait=wait, harmless_again=True),
            wait,
        )

    async def campaigns(
        self, *, organization_id: str, tenant_id: str | None = None, is_admin: bool | None = None
    ) -> models.CampaignListing:
        """The campaigns that you created in an organisation, as Teli tells of them; with `is_admin` all tenants'.
        `organization_id`: An organisation, by Teli's `unique_id`. `tenant_id`: A tenant, by its id. `is_admin`: Of
        all tenants; needs the scope inventory:org.
        """
        return await self._calls.ask(
            models.CampaignListing,
            self._calls.request(
                "GET",
                "/v1/voice/campaigns",
                params={"organization_id": organization_id, "tenant_id": tenant_id, "is_admin": is_admin},
            ),
        )

    async def get_campaign(self, campaign_id: str, /) -> models.Campaign:
        """How a campaign stands; 202 while it is not known whether Teli created it."""
        return await self._calls.settled(
            models.Campaign, self._calls.request("GET", path("/v1/voice/campaigns/{}", campaign_id))
        )

    async def pause_campaign(self, campaign_id: str, /) -> models.CampaignMoved:
        """Call nobody further; running calls finish. Asking again is harmless."""
        return await self._calls.ask(
            models.CampaignMoved,
            self._calls.request("POST", path("/v1/voice/campaigns/{}/pause", campaign_id), harmless_again=True),
        )

    async def end_campaign(self, campaign_id: str, /) -> models.CampaignMoved:
        """End a campaign for good; its numbers can be released then. Asking again is harmless."""
        return await self._calls.ask(
            models.CampaignMoved,
            self._calls.request("POST", path("/v1/voice/campaigns/{}/end", campaign_id), harmless_again=True),
        )

    async def calls(
        self,
        *,
        organization_id: str,
        user_id: str | None = None,
        is_admin: bool | None = None,
        agent_id: str | None = None,
        call_status: str | None = None,
        direction: str | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        limit: int | None = None,
    ) -> models.CallList:
        """Calls, newest first, as Teli lists them: late, a hundred at most, by default those alone that ended well.
        A user's are shown where no other tenant has numbers of that user, or where the row names a number that is
        yours. There is no cursor: page by narrowing the dates. What is left out is counted in `warnings`.
        `organization_id`: An organisation, by Teli's `unique_id`. `user_id`: Required without is_admin. `is_admin`:
        The whole organisation; needs the scope inventory:org. `agent_id`: Calls of this agent alone. `call_status`:
        Calls of this status alone, as Teli names it. `direction`: `inbound` or `outbound` calls alone.
        `start_date`: The first day of the calls, `YYYY-MM-DD`. `end_date`: The last day of the calls, `YYYY-MM-DD`.
        """
        return await self._calls.ask(
            models.CallList,
            self._calls.request(
                "GET",
                "/v1/voice/calls",
                params={
                    "organization_id": organization_id,
                    "user_id": user_id,
                    "is_admin": is_admin,
                    "agent_id": agent_id,
                    "call_status": call_status,
                    "direction": direction,
                    "start_date": start_date,
                    "end_date": end_date,
                    "limit": limit,
                },
            ),
        )

    async def get_call(self, call_id: str, /) -> models.Call:
        """One call, with its two numbers, where its user and its number are yours."""
        return await self._calls.ask(models.Call, self._calls.request("GET", path("/v1/voice/calls/{}", call_id)))

    async def idle_numbers(
        self,
        *,
        days: int | None = None,
        organization_id: str | None = None,
        user_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.IdlePage:
        """Active numbers without a call for so many days, in or out, what their silence cost, and a selection to
        release. Calls are read slowly and Teli tells of some late or never, so `judged` says of how many numbers it
        is known at all. What is not known is never counted as idle. `days`: Idle for so long at least.
        `organization_id`: An organisation, by Teli's `unique_id`. `user_id`: A user, by Teli's `unique_id`.
        """
        return await self._calls.ask(
            models.IdlePage,
            self._calls.request(
                "GET",
                "/v1/idle-numbers",
                params={
                    "days": days,
                    "organization_id": organization_id,
                    "user_id": user_id,
                    "limit": limit,
                    "cursor": cursor,
                },
            ),
        )

    async def get_webhook(self, endpoint_id: UUID | str, /, *, tenant_id: str | None = None) -> models.Webhook:
        """One endpoint. `tenant_id`: A tenant, by its id."""
        return await self._calls.ask(
            models.Webhook,
            self._calls.request("GET", path("/v1/webhook-endpoints/{}", endpoint_id), params={"tenant_id": tenant_id}),
        )

    async def test_webhook(self, endpoint_id: UUID | str, /, *, tenant_id: str | None = None) -> models.WebhookTested:
        """Send an event of type `webhook.test` now, once, and tell what came of it. `tenant_id`: A tenant, by its
        id.
        """
        return await self._calls.ask(
            models.WebhookTested,
            self._calls.request(
                "POST", path("/v1/webhook-endpoints/{}/test", endpoint_id), params={"tenant_id": tenant_id}
            ),
        )

    async def redeliver_one(
        self,
        endpoint_id: UUID | str,
        delivery_id: UUID | str,
        /,
        *,
        tenant_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.Delivery:
        """Have one event sent again, with the same id. `tenant_id`: A tenant, by its id."""
        return await self._calls.ask(
            models.Delivery,
            self._calls.request(
                "POST",
                path("/v1/webhook-endpoints/{}/deliveries/{}/redeliver", endpoint_id, delivery_id),
                params={"tenant_id": tenant_id},
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    async def redeliver_since(
        self,
        endpoint_id: UUID | str,
        /,
        *,
        tenant_id: str | None = None,
        idempotency_key: str | None = None,
        **body: Unpack[bodies.RedeliverSince],
    ) -> models.Redelivery:
        """Have all events since a time sent again, in their order and with the same ids, those too that were
        delivered. `tenant_id`: A tenant, by its id.
        """
        return await self._calls.ask(
            models.Redelivery,
            self._calls.request(
                "POST",
                path("/v1/webhook-endpoints/{}/redeliver", endpoint_id),
                params={"tenant_id": tenant_id},
                body=body,
                keyed=True,
                idempotency_key=idempotency_key,
            ),
        )

    def drift(self) -> AsyncIterator[models.Drift]:
        """What Teli lists otherwise than is wanted of the numbers that the caller may see, and nobody decided yet."""
        return self._calls.items(models.Drift, "/v1/drift", {})

    async def resolve_drift(
        self, drift_id: UUID | str, /, *, idempotency_key: str | None = None, **body: Unpack[bodies.DriftDecision]
    ) -> models.DriftDecided:
        """Put ours back at Teli, for as long as it takes, or take theirs into the ledger. Agents need the scope
        `agents:link` too, and whose a number is, an administrator decides.
        """
        return await self._calls.ask(
            models.DriftDecided,
            self._calls.request(
                "POST", path("/v1/drift/{}/resolve", drift_id), body=body, keyed=True, idempotency_key=idempotency_key
            ),
        )

    def agents(self, *, organization_id: str | None = None) -> AsyncIterator[models.Agent]:
        """Every agent that is linked to a number which the caller may see, and to how many, by direction. Released
        numbers do not count. The numbers of one agent are those of the inventory, with `agent_id`.
        `organization_id`: An organisation, by Teli's `unique_id`.
        """
        return self._calls.items(models.Agent, "/v1/agents", {"organization_id": organization_id})

    async def get_activity(self, *, organization_id: str | None = None, days: int | None = None) -> models.Activity:
        """How many numbers were bought and given back on each of the last days, and how many were held.
        `organization_id`: An organisation, by Teli's `unique_id`. `days`: How many days back, today included.
        """
        return await self._calls.ask(
            models.Activity,
            self._calls.request("GET", "/v1/activity", params={"organization_id": organization_id, "days": days}),
        )

    async def get_names(
        self, *, tenant_id: str | None = None, organization_id: str | None = None, user_id: str | None = None
    ) -> models.Names:
        """What tenants, organisations and users are called that other answers name by their ids. `tenant_id`: Ids
        with commas between, 100 at most. `organization_id`: Ids with commas between, 100 at most. `user_id`: Ids
        with commas between, 100 at most.
        """
        return await self._calls.ask(
            models.Names,
            self._calls.request(
                "GET",
                "/v1/names",
                params={"tenant_id": tenant_id, "organization_id": organization_id, "user_id": user_id},
            ),
        )
