"""A statement as a Cost and Usage dataset by FOCUS 1.3, the FinOps Open Cost and Usage Specification: a line a charge.

Of its columns those that are mandatory are here, and of the conditional and recommended ones those whose condition is
met. Not here, since what they tell of is not: consumed quantities, for nothing is metered; regions; commitment
discounts and allocation; SKUs, list and contracted unit prices, for no price list is published: so list, contracted and
effective cost are what is billed. What FOCUS has no column for stands behind, as `x_…`.

Every charge is a `Purchase`, a setup once, rent from month to month; what is given back is a negative one. What puts a
month before right is a `Correction`.
"""

from typing import Any

from sqlalchemy import ColumnElement, DateTime, Numeric, Text, case, cast, func, literal, null, select

from service.billing.periods import Basis
from service.billing.statements import Filters
from service.exports.formats import Column, Kind, Query
from service.kit.money import months_later
from service.numbers.models import Number

MICROS = 1_000_000
# Who runs the gateway charges on; who sold the numbers, and runs them, is one.
ISSUER, SOLD_BY = "Numbergate", "Teli"


def focus(basis: Basis, filters: Filters) -> Query:
    """Every charge that is meant and has a price, by number, then in the order in which they are due."""
    charges = basis.charges()
    of = charges.c
    kind = of.kind
    days = of.ends - of.begins
    cost = func.trim_scale(cast(of.micros, Numeric) / MICROS)
    last = of.ends - 1

    def begins(day: Any) -> ColumnElement[Any]:
        """As the moment at which a day begins in the rule's time zone."""
        return func.timezone(basis.rule.time_zone, cast(day, DateTime))

    tag = func.unnest(of.tags).column_valued("tag")
    tags = select(cast(func.jsonb_object_agg(tag, True), Text)).scalar_subquery()
    what = case((kind == "setup", "Setup of"), (kind == "credit", "Rent given back of"), else_="Rent of")
    number = Number.__table__.c.phone_number
    said = func.concat(
        what, " ", number, ", ", func.to_char(of.begins, "YYYY-MM-DD"),
        case((kind == "setup", ""), else_=func.concat(" to ", func.to_char(last, "YYYY-MM-DD"))),
    )  # fmt: skip
    quantity = case((kind.in_(("setup", "month")), 1), (kind == "credit", -days), else_=days)
    shown: dict[str, tuple[ColumnElement[Any], Kind]] = {
        "BilledCost": (cost, "decimal"),
        "BillingAccountId": (of.organization_id, "text"),
        "BillingAccountName": (of.organization_id, "text"),
        "BillingCurrency": (of.currency, "word"),
        "BillingPeriodEnd": (begins(months_later(basis.month, 1)), "moment"),
        "BillingPeriodStart": (begins(basis.month), "moment"),
        "ChargeCategory": (literal("Purchase"), "word"),
        "ChargeClass": (case((of.corrects.is_not(None), "Correction"), else_=null()), "word"),
        "ChargeDescription": (said, "word"),
        "ChargeFrequency": (case((kind == "setup", "One-Time"), else_="Recurring"), "word"),
        "ChargePeriodEnd": (begins(of.ends), "moment"),
        "ChargePeriodStart": (begins(of.begins), "moment"),
        "ContractedCost": (cost, "decimal"),
        "EffectiveCost": (cost, "decimal"),
        "HostProviderName": (literal(SOLD_BY), "word"),
        "InvoiceIssuerName": (literal(ISSUER), "word"),
        "ListCost": (cost, "decimal"),
        "PricingCategory": (literal("Standard"), "word"),
        "PricingQuantity": (cast(quantity, Numeric), "decimal"),
        "PricingUnit": (case((kind == "setup", "Units"), (kind == "month", "Months"), else_="Days"), "word"),
        # Both are deprecated since 1.3, and mandatory until they are gone.
        "ProviderName": (literal(ISSUER), "word"),
        "PublisherName": (literal(SOLD_BY), "word"),
        "ResourceId": (of.number_id, "uuid"),
        "ResourceName": (number, "word"),
        "ResourceType": (literal("Phone number"), "word"),
        "ServiceCategory": (literal("Other"), "word"),
        "ServiceName": (literal("Phone numbers"), "word"),
        "ServiceProviderName": (literal(SOLD_BY), "word"),
        "ServiceSubcategory": (literal("Other (Other)"), "word"),
        "SubAccountId": (of.tenant_id, "text"),
        "SubAccountName": (of.tenant_id, "text"),
        "Tags": (tags, "text"),
        "x_ChargeKind": (kind, "word"),
        "x_Corrects": (func.to_char(of.corrects, "YYYY-MM"), "word"),
        "x_CostCenter": (of.cost_center, "text"),
        "x_DueDate": (begins(of.due), "moment"),
        "x_HolderUserId": (of.holder_user_id, "text"),
        "x_PriceId": (of.price_id, "uuid"),
        "x_UserId": (of.user_id, "text"),
    }
    columns = [Column(name, value, form) for name, (value, form) in shown.items()]
    rows = (
        select(*(value.label(name) for name, (value, _) in shown.items()))
        .join_from(charges, Number, Number.id == of.number_id)
        .where(of.micros.is_not(None), *filters.conditions(charges))
        .order_by(*(of[name] for name in ("number_id", "due", "kind", "begins", "corrects")))
    )
    return Query(f"focus-{basis.month:%Y-%m}", columns, rows)
