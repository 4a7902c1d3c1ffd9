"""Which survey an object id belongs to, by its form."""

from __future__ import annotations

import re

SURVEYS: tuple[str, ...] = ("ztf", "lsst")
"""The surveys that can be read."""

_ZTF_ID = re.compile(r"ZTF\d\d[a-z]{7}")
_LSST_ID = re.compile(r"(SSO-|DS-)?\d+")


def survey_of_object_id(object_id: str) -> str | None:
    """'ztf' for names like ZTF20aaelulu, 'lsst' for numbers, SSO-... and DS-..., None for anything else."""
    if _ZTF_ID.fullmatch(object_id):
        return "ztf"
    return "lsst" if _LSST_ID.fullmatch(object_id) else None
