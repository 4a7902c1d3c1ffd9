"""What always-on processes say: one line each, with fields, and repeats that are counted instead of said."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from schemas.packet import Coordinates
from streamer.kafka.lane import Lane
from streamer.logs import BASE, FIELDS, about, counting
from streamer.logs import handler as handler_module
from streamer.logs.fields import LIKE
from streamer.logs.forms import JsonForm, TextForm
from streamer.logs.handler import RepeatsHandler
from streamer.logs.repeats import Repeats

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A time that only moves when told to [s]."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def line(
    message: str,
    *values: object,
    level: int = logging.WARNING,
    name: str = "streamer.x",
    error: Any = None,
    **fields: Any,
) -> logging.LogRecord:
    record = logging.LogRecord(name, level, __file__, 1, message, values, error)
    record.__dict__ |= fields
    return record


def texts(lines: list[logging.LogRecord]) -> list[str]:
    return [each.getMessage() for each in lines]


def test_the_first_of_a_kind_is_said_and_the_others_are_counted_when_its_time_is_over(clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    assert texts(repeats.take(line("%d is bad", 0))) == ["0 is bad"]
    for number in (1, 2, 3):
        clock.now += 10.0
        assert repeats.take(line("%d is bad", number)) == []
    clock.now = 59.9
    assert repeats.due() == []
    clock.now = 60.0
    assert texts(repeats.due()) == ["3 more like it in the last 60 s: 3 is bad"]


def test_a_flood_is_one_line_for_each_window_and_after_a_window_of_silence_it_is_news(clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    said: list[str] = []
    for second in range(150):
        clock.now = float(second)
        said += texts(repeats.take(line("%d is bad", second)))
    assert said == [
        "0 is bad",
        "59 more like it in the last 60 s: 59 is bad",
        "60 more like it in the last 60 s: 119 is bad",
    ]
    clock.now = 200.0
    assert texts(repeats.due()) == ["30 more like it in the last 80 s: 149 is bad"]
    clock.now = 260.0
    assert texts(repeats.take(line("%d is bad", 260))) == ["260 is bad"]


def test_a_count_keeps_the_fields_of_the_last_line_and_says_how_many(clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    for offset in range(5):
        repeats.take(line("bad", **about(("home", "alerts", 3), offset=offset, reason="truncated")))
    (last,) = repeats.rest()
    fields = {name: last.__dict__[name] for name in FIELDS if name in last.__dict__}
    assert fields == {
        "cluster": "home", "topic": "alerts", "partition": 3, "offset": 4, "reason": "truncated", "repeats": 4
    }  # fmt: skip
    assert last.levelno == logging.WARNING


def test_a_count_is_said_with_the_time_at_which_it_is_said(clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    for _ in range(2):
        old = line("bad")
        old.created, old.msecs = 0.25, 250.0
        repeats.take(old)
    before = time.time()
    (last,) = repeats.rest()
    assert before <= last.created <= time.time()
    assert int(last.msecs) == int(last.created % 1.0 * 1000.0)


@pytest.mark.parametrize(
    "other",
    [
        line("%d is bad", 1, name="streamer.y"),
        line("%d is bad", 1, level=logging.ERROR),
        line("%d is worse", 1),
        line("%d is bad", 1, like="another"),
    ],
)
def test_another_logger_level_message_or_likeness_is_another_kind(other: logging.LogRecord, clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    repeats.take(line("%d is bad", 0))
    assert repeats.take(other) == [other]


@pytest.mark.parametrize("message", ["%s", "%s%s", "%s [%s] %s: %5.2f%%"])
def test_where_the_message_has_no_word_its_text_tells_the_kind(message: str, clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    values = [1.0] * (message.count("%") - 2 * message.count("%%"))
    others = ["the store is away", *values[1:]]
    assert len(repeats.take(line(message, *values))) == 1
    assert len(repeats.take(line(message, *others))) == 1
    assert repeats.take(line(message, *others)) == []


def test_what_is_no_warning_is_never_left_out_and_with_no_window_nothing_is(clock: Clock) -> None:
    repeats, all_of_them = Repeats(60.0, clock), Repeats(0.0, clock)
    for _ in range(3):
        assert len(repeats.take(line("begun", level=logging.INFO))) == 1
        assert len(all_of_them.take(line("bad"))) == 1
    assert repeats.rest() == all_of_them.rest() == []


def test_a_kind_that_finds_no_room_lets_the_oldest_go_and_its_count_is_said(clock: Clock) -> None:
    repeats = Repeats(60.0, clock, most=2)
    for kind in ("a", "b", "a", "b"):
        repeats.take(line("bad", like=kind))
    clock.now = 7.0
    assert texts(repeats.take(line("news", like="c"))) == ["1 more like it in the last 7 s: bad", "news"]
    for number in range(10_000):
        repeats.take(line("bad", like=str(number)))
    assert len(repeats._windows) == 2


def test_what_is_counted_keeps_no_frames_alive(clock: Clock) -> None:
    repeats = Repeats(60.0, clock)
    try:
        raise ValueError("deep")
    except ValueError:
        error = sys.exc_info()
    for _ in range(2):
        repeats.take(line("bad %s", io.StringIO(), error=error))
    (window,) = repeats._windows.values()
    assert window.last is not None
    assert (window.last.exc_info, window.last.args) == (None, None)


def said_by(act: Callable[[RepeatsHandler], None], clock: Clock, form: logging.Formatter | None = None) -> list[str]:
    stream = io.StringIO()
    made = RepeatsHandler(stream, Repeats(60.0, clock))
    made.setFormatter(form)
    act(made)
    made.close()
    return stream.getvalue().splitlines()


def test_counts_that_no_line_follows_are_written_in_time_and_the_rest_at_the_end(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_module, "TURN_S", 0.01)
    is_written = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "more like it" in text:
                is_written.set()
            return super().write(text)

    stream = Stream()
    made = RepeatsHandler(stream, Repeats(60.0, clock))
    made.start()
    for number in range(3):
        made.handle(line("%d is bad", number))
    clock.now = 60.0
    assert is_written.wait(30.0)
    made.handle(line("%d is bad", 3))
    clock.now = 65.0
    made.close()
    assert stream.getvalue().splitlines() == [
        "0 is bad",
        "2 more like it in the last 60 s: 2 is bad",
        "1 more like it in the last 5 s: 3 is bad",
    ]


def test_lines_of_many_threads_are_all_said_or_counted(clock: Clock) -> None:
    def flood(made: RepeatsHandler) -> None:
        def some() -> None:
            for number in range(500):
                made.handle(line("%d is bad", number))

        threads = [threading.Thread(target=some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    first, count = said_by(flood, clock)
    assert first.endswith(" is bad")
    assert count.startswith("1999 more like it in the last 0 s: ")


class UnsayableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("message", "values"),
    [("it was %s", (UnsayableError(),)), ("%s", (UnsayableError(),)), ("%s of %s", (1,)), ("%d", ("x",))],
)
def test_a_line_whose_values_cannot_be_said_is_said_without_them_and_fails_nobody(
    message: str, values: tuple[object, ...], clock: Clock
) -> None:
    written = io.StringIO()
    handler = RepeatsHandler(written, Repeats(60.0, clock))
    for _ in range(3):
        handler.handle(line(message, *values))
    handler.close()
    said = written.getvalue().splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"{message} (its values cannot be said: ")
    assert said[1].startswith("2 more like it")


def test_text_is_as_it_was_with_the_fields_behind(clock: Clock) -> None:
    fields = about(Lane("home", "alerts", 3), offset=7, reason="an odd=one", like="kind")
    (text,) = said_by(lambda made: made.handle(line("%d is\nbad", 1, **fields)), clock, TextForm("100%-host-0"))
    moment, rest = text.split(" WARNING ")
    assert rest == r'100%-host-0: 1 is\nbad cluster=home topic=alerts partition=3 offset=7 reason="an odd=one"'
    datetime.strptime(moment, "%Y-%m-%d %H:%M:%S,%f").astimezone(UTC)


def broken() -> Any:
    try:
        raise ValueError("odd\nthing \u2028 here")
    except ValueError:
        return sys.exc_info()


def test_json_is_one_object_a_line_whatever_the_line_holds(clock: Clock) -> None:
    fields = about(Coordinates("home", "alerts", 3, 7), survey="ztf", alert_id=2**60 + 1, like="kind")
    record = line("%s\nis\u2028bad", "it", error=broken(), **fields)
    (text,) = said_by(lambda made: made.handle(record), clock, JsonForm("host-0", "night"))
    said = json.loads(text)
    assert list(said)[: len(BASE)] == [*BASE][: len(BASE)]
    exception = said.pop("exception")
    assert exception.startswith("Traceback")
    assert exception.endswith("ValueError: odd\nthing \u2028 here")
    moment = said.pop("time")
    assert moment.endswith("Z")
    assert abs(datetime.fromisoformat(moment).timestamp() - record.created) < 1e-5
    assert said == {
        "level": "WARNING", "logger": "streamer.x", "message": "it\nis\u2028bad", "process": "host-0",
        "deployment": "night", "cluster": "home", "topic": "alerts", "partition": 3, "offset": 7, "survey": "ztf",
        "alert_id": 2**60 + 1,
    }  # fmt: skip


def test_each_field_of_a_line_is_a_known_one_and_what_is_not_known_is_left_out() -> None:
    known = about(("c", "t", 0), offset=0, survey="s", alert_id=1, stage="s", reason="r", worker=0, like="k")
    assert known.keys() == {*FIELDS, LIKE} - {"repeats", "exception"}
    assert about(("c", "t")) == {"cluster": "c", "topic": "t"}
    assert about() == {}
    assert not known.keys() & set(line("x").__dict__)


def test_lines_of_warning_and_above_are_counted_by_level_meanwhile() -> None:
    levels: list[str] = []
    log = logging.getLogger("streamer.test_logs")
    with counting(levels.append):
        log.info("1")
        log.warning("2")
        log.error("3")
        log.critical("4")
    log.error("5")
    assert levels == ["warning", "error", "critical"]


PROCESS = """
import logging, sys, threading, warnings
from streamer.logs import about, begin

begin("host-0", "night", sys.argv[1], sys.argv[2], 60.0)
log = logging.getLogger("streamer.some")
log.debug("ours in detail")
logging.getLogger("other").debug("theirs in detail")
log.info("begun")
for offset in range(4):
    log.warning("bad %d", offset, extra=about(("home", "alerts", 1), offset=offset))
warnings.warn("an odd\\nwarning")

class Odd:
    def __del__(self):
        fail("an object's end")

def fail(where):
    raise KeyError(where)

thread = threading.Thread(target=fail, args=("a thread",), name="helper")
thread.start()
thread.join()
odd = Odd()
del odd
raise RuntimeError("nobody\\nforesaw it")
"""


def process(*arguments: str, code: str = PROCESS) -> list[str]:
    """The lines that a process says which ends by an error that nobody foresaw."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


def test_all_that_a_process_says_is_json_with_warnings_and_errors_that_nobody_foresaw() -> None:
    said = [json.loads(text) for text in process("json", "info")]
    assert [(each["level"], each["logger"]) for each in said] == [
        ("INFO", "streamer.some"),
        ("WARNING", "streamer.some"),
        ("WARNING", "py.warnings"),
        ("ERROR", "streamer"),
        ("ERROR", "streamer"),
        ("CRITICAL", "streamer"),
        ("WARNING", "streamer.some"),
    ]
    begun, bad, warning, thread, ignored, end, count = said
    assert "exception" not in begun
    assert (bad["message"], bad["offset"]) == ("bad 0", 0)
    assert "UserWarning: an odd\nwarning" in warning["message"]
    assert thread["message"] == "the thread helper ended by KeyError: 'a thread'"
    assert "an object's end" in ignored["exception"]
    assert end["message"] == "ended by RuntimeError: nobody\nforesaw it"
    assert end["exception"].startswith("Traceback")
    assert (count["repeats"], count["offset"]) == (3, 3)
    assert all(each["process"] == "host-0" and each["deployment"] == "night" for each in said)


def test_at_the_level_of_debug_we_speak_in_detail_and_other_packages_do_not() -> None:
    said = process("text", "debug")
    assert said[0].endswith(" DEBUG host-0: ours in detail")
    assert not [text for text in said if "theirs" in text]
    assert [text for text in said if r"RuntimeError: nobody\nforesaw it" in text]
    assert not [text for text in process("text", "warning") if "begun" in text]


KAFKA = """
import sys
from streamer.logs import begin
from time import monotonic

begin("host-0", "night", "json", sys.argv[1], 0.0)
from confluent_kafka import Producer
from streamer.kafka.cluster import Cluster, open_client

producer = open_client(Producer, Cluster("home", "127.0.0.1:1", {}, 1_000_000))
until = monotonic() + 0.5
while monotonic() < until:
    producer.poll(0.05)
sys.exit(1)
"""


def test_what_the_kafka_client_says_itself_is_in_the_log_at_the_level_of_debug_alone() -> None:
    said = [json.loads(text) for text in process("debug", code=KAFKA)]
    assert {each["logger"] for each in said} == {"librdkafka"}
    assert "Connection refused" in said[0]["message"]
    assert process("info", code=KAFKA) == []


def test_the_client_as_a_library_leaves_the_log_to_its_user() -> None:
    code = """
import logging, sys, threading, warnings
before = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
import streamer.client
assert before == (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
assert logging.getLogger("streamer").handlers == [] and logging.getLogger("streamer").level == logging.NOTSET
sys.exit(1)
"""
    assert process(code=code) == []


HANDLED = {
    "streamer/commands/run.py": "the service cannot begin, and ends",
    "streamer/commands/sink.py": "a sink cannot go on, and ends",
    "streamer/commands/worker.py": "a worker cannot go on, and ends",
    "streamer/commands/standing_still.py": "a process hangs, and ends",
    "streamer/health.py": "a request cannot be answered; the next one may be",
    "streamer/logs/setup.py": "an error that nobody foresaw",
    "streamer/sources/kafka.py": "messages were deleted before they were read",
    "streamer/supervisor.py": "a worker does not end, and is killed",
}
"""Where an error is logged, and why there: it goes no further. Whoever passes an error on says nothing."""

SAYS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def calls_of_log(tree: ast.AST, names: set[str] = SAYS) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    ]


@cache
def trees() -> dict[str, ast.Module]:
    """The files that say anything, by name."""
    files = [file for room in ("schemas", "classifiers", "streamer") for file in (ROOT / room).rglob("*.py")]
    read = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    return {name: ast.parse(text) for name, text in read.items() if "getLogger" in text}


def test_errors_are_logged_where_they_go_no_further_and_nowhere_else() -> None:
    found = {name for name, tree in trees().items() if calls_of_log(tree, {"error", "exception", "critical"})}
    assert found == HANDLED.keys()


def raises_an_error(statement: ast.stmt) -> bool:
    """A file's own signal to itself is none."""
    return isinstance(statement, ast.Raise) and not ast.unparse(statement).startswith("raise _")


def test_what_is_logged_is_not_raised_as_well() -> None:
    twice: list[str] = []
    for name, tree in trees().items():
        for node in ast.walk(tree):
            for block in (getattr(node, part, None) for part in ("body", "orelse", "finalbody")):
                if not isinstance(block, list):
                    continue
                ends = next((n for n, statement in enumerate(block) if raises_an_error(statement)), None)
                if ends is not None and any(calls_of_log(statement, SAYS - {"debug"}) for statement in block[:ends]):
                    twice.append(f"{name}:{block[ends].lineno}")
    assert twice == []


def test_the_message_of_each_line_is_written_out_so_that_repeats_can_be_told() -> None:
    for name, tree in trees().items():
        for call in calls_of_log(tree):
            assert isinstance(call.args[0], ast.Constant), f"{name}:{call.lineno}: not a constant"
