"""The rooms of finance: statements, the supplier's invoices, disputes, prices, budgets."""

from fastapi import APIRouter

from service.console.finance import budgets, disputes, invoices, prices, statements

STREAMS = invoices.STREAMS


def rooms() -> APIRouter:
    found = APIRouter()
    for router in (statements.router, invoices.router, disputes.router, prices.router, budgets.router):
        found.include_router(router)
    return found
