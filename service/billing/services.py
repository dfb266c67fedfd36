"""What the endpoints of billing work with."""

from dataclasses import dataclass

from service.billing.analytics.comparing import AnalyticsWitness
from service.billing.analytics.listing import Analytics
from service.billing.book import PriceBook
from service.billing.budgets.budgets import Budgets
from service.billing.budgets.watching import BudgetWatch
from service.billing.closing import Closing
from service.billing.disputes.disputes import Disputes
from service.billing.disputes.matches import Matches
from service.billing.disputes.work import MatchWork
from service.billing.invoices.invoices import Invoices
from service.billing.invoices.profiles import Profiles
from service.billing.invoices.reading import InvoiceReading
from service.billing.periods import Periods
from service.billing.statements import Statements


@dataclass(frozen=True, slots=True)
class BillingServices:
    book: PriceBook
    periods: Periods
    closing: Closing
    statements: Statements
    budgets: Budgets
    budget_watch: BudgetWatch
    profiles: Profiles
    invoices: Invoices
    invoice_reading: InvoiceReading
    matches: Matches
    match_work: MatchWork
    disputes: Disputes
    analytics: Analytics
    analytics_witness: AnalyticsWitness
