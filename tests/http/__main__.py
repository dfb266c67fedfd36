"""`python -m tests.http`: with a release, keep its OpenAPI document as what later ones are compared with."""

from tests.client.generated import document
from tests.http.compatibility import RELEASED, kept

if __name__ == "__main__":
    RELEASED.write_bytes(kept(document()))
