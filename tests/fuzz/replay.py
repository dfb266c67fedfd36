"""`python -m tests.fuzz.replay FILE`: a digest of what a fuzzer asks when it hears what another process heard."""

import pickle
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.fuzz.asking import Answer, Ask
from tests.fuzz.cast import Known
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.values import Schema


def write(file: Path, document: Schema, known: Known, seed: int, answers: Sequence[Answer]) -> None:
    file.write_bytes(pickle.dumps((document, known, seed, answers)))


def digest(asks: Sequence[Ask]) -> str:
    return sha256("\n".join(map(repr, asks)).encode()).hexdigest()


def main() -> None:
    document, known, seed, answers = pickle.loads(Path(sys.argv[1]).read_bytes())
    fuzzer = Fuzzer(document, known, seed)
    asked = []
    for answer, ask in zip(answers, fuzzer.asks(), strict=False):
        asked.append(ask)
        fuzzer.heard(ask, answer)
    print(digest(asked))


if __name__ == "__main__":
    main()
