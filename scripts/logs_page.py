"""The docs page of the log, with the fields as the code has them."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.logs import BASE, FIELDS

TOP = """\
# Logs

Workers, sinks and their supervisor say on stderr what an operator should know, one line each. Nothing is said of an
alert that goes well; what became of alerts is in the [metrics](metrics.md).

```yaml
logs:
  format: json   # text by default
  level: info    # or debug, warning
  repeat_s: 60
```

All of it has one form: log lines, Python's warnings, and errors that nobody foresaw, of any thread, with their
traceback in the line. At the level of `debug` the Kafka clients' own lines come along, as the logger `librdkafka`;
otherwise their errors are said once, in our words. Outside of the log stay a wrong command line or configuration, one
line (`streamer: ...`) and exit code 2 before a log begins, and whatever the system's own libraries print when they
crash.

`streamer.client` as a library only speaks to Python's `logging`, as the loggers `streamer...`; where that goes is its
user's to say. Its lines carry the same fields, as attributes of their records.

## As text

Time (of this machine's zone), level, who says it and what, then the fields. A traceback stands on lines of its own;
everything else is one line, whatever a message held.

```
2026-11-26 02:12:44,752 WARNING node-1-0: a message became a dead letter: truncated: a block ends at byte 56212 of \
54212 cluster=home topic=alerts partition=0 offset=4 survey=ztf stage=decode reason=truncated
```

## As JSON

One object a line. The same line, folded here:

```json
{"time": "2026-11-26T02:12:44.752197Z", "level": "WARNING", "logger": "streamer.sinks.said_letters",
 "message": "a message became a dead letter: truncated: a block ends at byte 56212 of 54212",
 "process": "node-1-0", "deployment": "transient-streamer", "cluster": "home", "topic": "alerts",
 "partition": 0, "offset": 4, "survey": "ztf", "stage": "decode", "reason": "truncated"}
```

Each line has:
"""

MORE = """\
And, where it speaks of it, in both forms:
"""

END = """\
Alert ids pass 2^53: read them as 64-bit integers. jq does so from version 1.7 on.

## Repeats

A warning or an error is said at once. For `repeat_s` after it others of its kind are only counted; then one line says
how many there were, with the text and the fields of the last one, and `repeats` with their number:

```
2 more like it in the last 60 s: a message became a dead letter: wrong_magic: a framed packet begins with byte 0x00, ...
```

So a flood is one line a minute, and a kind that has been silent for that long is said at once again. Counts that are
due come by themselves, and the others when the process ends; one that is killed takes them along. Of one kind are lines
of one module, level and message; of dead letters also the stage and the reason must be the same, and of what is waited
for the text. What is less than a warning is never left out.

`streamer_log_messages_total` counts every warning and error by its level, left out or not.

## Who logs an error

Whoever handles it: by waiting, by leaving something out, by beginning again, or by ending the process. Whoever raises
an error or passes one on says nothing. So each error is one line:

| what goes wrong | where it is said |
|---|---|
| a message that cannot be processed | `streamer.sinks.said_letters`, once its dead letter is committed |
| something is away at the start | `streamer.factory.waiting`, at once and each minute |
| a batch is taken back, a store is away | `streamer.worker` |
| a cluster's client is in trouble that it mends itself | `streamer.kafka.troubles`, once until it is over |
| messages were deleted before they were read | `streamer.sources.kafka`, for each partition, as an error |
| a worker or a sink cannot go on | the command, as its last error; the exit code says the rest |
| a worker ended | `streamer.supervisor`, with how it ended |
| an error that nobody foresaw | the logger `streamer`, as `CRITICAL` where it ends the process, with `exception` |

A test holds the code to it.

## To read them

```console
$ streamer run --config streamer.yaml 2> streamer.log
$ jq -r 'select(.level != "INFO") | [.time, .process, .message] | @tsv' streamer.log
$ jq -c 'select(.reason) | {reason, survey, alert_id, topic, partition, offset}' streamer.log          # dead letters
$ jq -r 'select(.reason) | .reason + " " + (.repeats // 1 | tostring)' streamer.log |
    awk '{n[$1] += $2} END {for (r in n) print n[r], r}'                                               # ... counted
$ jq -c 'select(.topic == "alerts" and .partition == 3)' streamer.log                                  # one partition
$ jq -r 'select(.exception) | .exception' streamer.log                                                 # tracebacks
```

The bytes of a dead letter are on the topic of dead letters, under the key `cluster|topic|partition|offset`; the
[tutorial](service-tutorial.md#8-what-cannot-be-read) shows how to read them.

## To ship them

Nothing is written to files, and nothing needs to be turned over: whoever starts the process keeps its stderr.

- **systemd** gives it to the journal: `journalctl -u UNIT -o cat | jq ...` has the objects as they are.
- **Docker and Kubernetes** keep stderr as lines: `docker logs CONTAINER 2>&1 >/dev/null | jq ...`. Give Docker's
  `json-file` driver a `max-size`. Who collects such lines parses them as JSON, without a pattern: make labels of
  `level`, `deployment` and `process`, and leave the rest in the line.
- The supervisor and all its workers share one stderr; `process` tells them apart.
"""


def logs(made: str) -> str:
    """The page; `made` is the remark that it is not to be edited."""
    parts = [TOP.replace("\n", f"\n\n{made}\n", 1), _table(BASE), MORE, _table(FIELDS), END]
    return "\n".join(parts)


def _table(fields: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {text} |" for name, text in fields.items()]
    return "\n".join(["| key | meaning |", "|---|---|", *rows]) + "\n"
