"""Writes the dashboards: `make dashboards`."""

from __future__ import annotations

from scripts.dashboards.boards import BOARDS, FOLDER
from scripts.dashboards.render import written


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(written(board), encoding="utf-8")


if __name__ == "__main__":
    main()
