"""A simulated night as one archive, as ZTF's public ones are: a flat tar.gz of one file for each packet."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from isal import igzip

from schemas.columns import TRUTH_FILE
from streamer.errors import UserError
from streamer.simulate.files import NightReport, writing_to
from streamer.simulate.packet import SimulatedPacket

ARCHIVE_ENDS = (".tar.gz", ".tgz")
"""How the names of archives end."""


def write_archive(
    packets: Iterable[SimulatedPacket],
    file: Path,
    after_packet: Callable[[SimulatedPacket], None] = lambda packet: None,
) -> NightReport:
    """Writes packets into `file` as they come, and their truth beside it; equal packets give equal bytes.

    The file is there whole or not at all; memory does not grow with the packets but for their truth. UserError where
    it is there already, or cannot be written.
    """
    if file.exists():
        raise UserError(f"{file} is there already: name another archive, or remove it")
    report = NightReport()
    unfinished = file.with_name(f".{file.name}.unfinished")
    with writing_to(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # No time and no name in the header: an archive's bytes are those of its packets.
            with (
                unfinished.open("wb") as raw,
                igzip.IGzipFile("", "wb", fileobj=raw, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for packet in packets:
                    member = tarfile.TarInfo(packet.file_name)
                    member.size = len(packet.payload)
                    archive.addfile(member, io.BytesIO(packet.payload))
                    report.add(packet)
                    after_packet(packet)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        report.write_truth(file.parent / TRUTH_FILE)
    return report
