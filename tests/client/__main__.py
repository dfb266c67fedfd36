"""`python -m tests.client`: make the client's models and its synchronous half."""

from tests.client.generated import ASYNC, MODELS, SYNC, document, models, synchronous

if __name__ == "__main__":
    MODELS.write_text(models(document()))
    if ASYNC.exists():
        SYNC.write_text(synchronous(ASYNC.read_text()))
