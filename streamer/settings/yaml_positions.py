"""YAML into plain values, with the place of every key and value kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml


class YamlError(ValueError):
    """YAML that cannot be read; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with 1e-3 a number (as YAML 1.2 has it) and dates left as text."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


class Document:
    """A YAML document: its plain value, and where each part of it stands.

    Raises YamlError where the text is no YAML, a key comes twice, or an alias holds itself.
    """

    def __init__(self, text: str) -> None:
        loader: Any = _Loader(text)
        try:
            self._root = loader.get_single_node()
            if self._root is not None:
                _refuse_repeats(self._root)
            self.value: Any = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise YamlError(f"not valid YAML: {error.problem or error.context}", *place) from None
        except yaml.YAMLError as error:
            raise YamlError(f"not valid YAML: {' '.join(str(error).split())}", 1, 1) from None
        except YamlError:
            raise
        except (ValueError, OverflowError) as error:
            raise YamlError(f"not valid YAML: {error}", 1, 1) from None
        except RecursionError:
            raise YamlError("nested too deeply", 1, 1) from None
        finally:
            loader.dispose()

    def place(self, path: Sequence[str | int], *, key: bool) -> tuple[int, int]:
        """Line and column, from 1, of the value at `path`, or of its key; else of the nearest part above."""
        node, found = self._root, self._root
        for step in path:
            pair = _child(node, step)
            if pair is None:
                key = False
                break
            found_key, node = pair
            found = found_key if key else node
        mark = found.start_mark if found is not None else None
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _child(node: Any, step: str | int) -> tuple[Any, Any] | None:
    """The (key node, value node) below `node` at `step`; a list's item is its own key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _refuse_repeats(root: Any) -> None:
    """Raises YamlError where a mapping has one key twice, or a node holds itself by an alias."""
    done: set[int] = set()
    above: list[int] = [id(root)]
    stack: list[Iterator[Any]] = [_parts(root)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            done.add(above.pop())
        elif id(node) in above:
            raise YamlError("an alias refers to a block that holds it", *_start(node))
        elif id(node) not in done:
            above.append(id(node))
            stack.append(_parts(node))


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        seen: dict[tuple[str, str], Any] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                first = seen.setdefault((key.tag, key.value), key)
                if first is not key:
                    line = first.start_mark.line + 1
                    raise YamlError(f"key '{key.value}' comes twice (first on line {line})", *_start(key))
            yield value


def _start(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
