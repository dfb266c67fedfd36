"""`python -m tools.docs [FOLDER]`: build the site; a link that leads nowhere, or a page in no list, fails it."""

import sys
import tempfile
from pathlib import Path

from tools.docs.site import ROOT, build, write_sources

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"
    with tempfile.TemporaryDirectory() as sources:
        write_sources(Path(sources))
        faults = build(Path(sources), folder)
    if faults == 0:
        print(f"dev: open {folder / 'index.html'}")
    sys.exit(faults)
