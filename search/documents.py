"""From a document of another tuner, as JSON or as text, to the body of a job: which format reads it."""

from __future__ import annotations

import json
from typing import Any

from search.discovery import FORMATS
from search.foreign import Imported, Unreadable
from search.problems import FieldProblem

MOST_CHARACTERS = 100_000
MOST_DEPTH = 32


def import_document(document: Any, kind: str | None = None) -> Imported:
    """Translate a document: a JSON value, or text that holds JSON or YAML. Without a `kind` the format is recognised.

    Raises: Unreadable, with the paths of the document; `format` where it is not known which one it is.
    """
    if isinstance(document, str):
        document = read_text(document)
    found = [kind] if kind else [name for name, form in FORMATS.items() if form.recognises(document)]
    if len(found) != 1 or found[0] not in FORMATS:
        given = f"{kind!r} is no format" if kind else f"the document looks like {' or '.join(found) or 'none of them'}"
        raise Unreadable([FieldProblem("format", f"{given}: give one of {', '.join(FORMATS)}")])
    return FORMATS[found[0]].read(document)


def read_text(text: str) -> Any:
    """Read text as JSON, else as YAML of what JSON can say: no anchors, no tags, one document.

    Raises: Unreadable.
    """
    if len(text) > MOST_CHARACTERS:
        raise _unreadable(f"{len(text)} characters are given, {MOST_CHARACTERS} are allowed")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    import yaml

    try:
        _check_events(yaml.parse(text, Loader=_safe_loader()))
        return json.loads(json.dumps(yaml.load(text, Loader=_json_loader()), allow_nan=False))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _unreadable(f"neither JSON nor YAML: {getattr(error, 'problem', None) or error}{place}") from error
    except (ValueError, TypeError) as error:
        raise _unreadable(f"the YAML holds what JSON cannot say: {error}") from error


def _check_events(events: Any) -> None:
    """Refuse what could make a small text a huge value, before anything is built from it."""
    import yaml

    depth = n_documents = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        n_documents += isinstance(event, yaml.DocumentStartEvent)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _unreadable(
                f"line {line}: anchors and aliases are not read: write out what *{event.anchor} stands for"
            )
        if getattr(event, "tag", None) is not None:
            raise _unreadable(f"line {line}: the tag {event.tag} is not read: plain values only")
        if depth > MOST_DEPTH:
            raise _unreadable(f"line {line}: nested deeper than {MOST_DEPTH} levels")
        if n_documents > 1:
            raise _unreadable(f"line {line}: a second document begins: send them one by one")


def _safe_loader() -> Any:
    """The loader of libyaml, which is the faster one, where PyYAML came with it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _json_loader() -> Any:
    """A loader that leaves dates as text, as JSON does."""
    safe = _safe_loader()
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
        for first, known in safe.yaml_implicit_resolvers.items()
    }
    return type("JsonLoader", (safe,), {"yaml_implicit_resolvers": resolvers})


def _unreadable(message: str) -> Unreadable:
    return Unreadable([FieldProblem("", message)])
