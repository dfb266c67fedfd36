"""`python -m tests.client`: make the client's models, its methods of the document, and its synchronous half."""

from tests.client.generated import MODELS, PAIRS, document, models, synchronous
from tests.client.grouped import ASYNC_GROUPS, BODIES, bodies, groups

if __name__ == "__main__":
    openapi = document()
    MODELS.write_text(models(openapi))
    BODIES.write_text(bodies(openapi))
    ASYNC_GROUPS.write_text(groups(openapi))
    for awaited, waiting in PAIRS.items():
        waiting.write_text(synchronous(awaited, awaited.read_text()))
