"""Errors for people: each says in one line what is wrong and what to do; the command line ends with code 2."""

from __future__ import annotations


class UserError(Exception):
    """Something that the person who called can mend: one line, no traceback."""


class ConfigurationError(UserError):
    """The configuration asks for something that cannot be had."""
