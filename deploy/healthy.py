"""Whether every worker, or the sink, of this container is alive: exit code 0, or 1 and a line. Python's own parts only.

STREAMER_HEALTH_PORT is the first port, STREAMER_WORKERS how many there are.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 3.0
"""Longest wait for one answer [s]."""


def trouble(port: int) -> str | None:
    """What is wrong on a port; None where /healthz answers 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"port {port}: {error.read().decode(errors='replace').strip()}"
    except OSError as error:
        return f"port {port}: {error}"


def main() -> int:
    """Asks each port; the exit code."""
    first, count = int(os.environ["STREAMER_HEALTH_PORT"]), int(os.environ["STREAMER_WORKERS"])
    found = [line for port in range(first, first + count) if (line := trouble(port))]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
