"""`python -m scripts.image`: builds the image's root in the user's cache, and says what each step took."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.image.build import Builder, Image
from scripts.image.root import check_able
from scripts.services.programs import UnavailableError
from streamer.errors import UserError


def main() -> int:
    """Builds; the exit code. A machine that cannot is told so, and is no error: the tests skip there."""
    try:
        check_able()
        builder = Builder()
        image = builder.build()
        seconds = _warm(image)
    except UnavailableError as error:
        print(f"image: {error}")
        return 0
    except UserError as error:
        print(f"image: {error}", file=sys.stderr)
        return 2
    for done in builder.done:
        print(f"{'kept' if done.is_kept else f'{done.seconds:6.1f} s':>8}  {done.stage}: {done.text[:90]}")
    print(f"{image.size_mb():.0f} MB in {len(image.layers) - 1} layers over {builder.stages[-1].base}")
    print(f"a demo of 20 alerts in it, which compiles what is not yet compiled: {seconds:.1f} s")
    return 0


def _warm(image: Image) -> float:
    """Has the loops compiled into the kept cache volume, so that no test waits for it; how long it took [s]."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        demo = ["streamer", "demo", "--alerts", "20", "--out", "/tmp/demo"]
        command = image.container(demo, Path(folder) / "container", binds={image.warm(): "/var/cache/streamer"})
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"the demo in the image ends with {done.returncode}: {done.stderr[-600:]}")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
