"""What is said to operators: fields of a log line, its form, and repeats that are counted instead of said."""

from streamer.logs.fields import BASE, FIELDS, about
from streamer.logs.handler import counting
from streamer.logs.setup import Form, Level, begin

__all__ = ["BASE", "FIELDS", "Form", "Level", "about", "begin", "counting"]
