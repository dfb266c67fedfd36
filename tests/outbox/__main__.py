"""`python -m tests.outbox`: write the tables of docs/events.md from the catalogue."""

from tests.outbox.page import PAGE, with_tables

if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
