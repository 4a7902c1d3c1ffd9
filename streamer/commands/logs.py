"""What always-on processes say on stderr."""

from __future__ import annotations

import logging
import sys


def log_to_stderr(name: str) -> None:
    """Lines of time, level, who says it and what."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s {name}: %(message)s", force=True
    )
