"""The spans of one client under test, and what a test expects of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import json_util
from bson.int64 import Int64
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.spec.unified.matching import Matcher
from tests.spec.unified.outcomes import Mismatch

__all__ = ["SpanRecorder", "check_spans"]

TEXT_LENGTH = 100_000
"""Characters; enough for any command of a test."""

Document = Mapping[str, Any]


class SpanRecorder:
    """Keeps the spans that one client makes.

    Args:
        wanted: what the client entity says in `observeTracingMessages`.
    """

    def __init__(self, wanted: Document) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        length = TEXT_LENGTH if wanted.get("enableCommandPayload") else 0
        self.option = {
            "enabled": True,
            "query_text_max_length": length,
            "tracer_provider": provider,
        }
        """The client's `tracing`."""

    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans that have ended, in the order they began in."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


def check_spans(expected: Document, recorder: SpanRecorder, matcher: Matcher) -> None:
    """Raise Mismatch if a client's spans are not those that a test expects."""
    spans = recorder.spans()
    _check_level(
        expected["spans"],
        None,
        spans,
        matcher,
        ignores_others=expected.get("ignoreExtraSpans", False),
    )


def _check_level(
    expected: Sequence[Document],
    parent: int | None,
    spans: Sequence[ReadableSpan],
    matcher: Matcher,
    *,
    ignores_others: bool,
) -> None:
    known = {span.context.span_id for span in spans if span.context is not None}
    found = [span for span in spans if _parent_of(span, known) == parent]
    story = f"among {[span.name for span in found]}"
    if len(found) != len(expected) and not ignores_others:
        raise Mismatch(f"expected {[want['name'] for want in expected]} {story}")
    rest = iter(found)
    for want in expected:
        span = _next_of(want, rest, matcher, story, passes_others=ignores_others)
        assert span.context is not None
        _check_level(
            want.get("nested", ()),
            span.context.span_id,
            spans,
            matcher,
            ignores_others=ignores_others,
        )


def _next_of(
    want: Document,
    rest: Iterable[ReadableSpan],
    matcher: Matcher,
    story: str,
    *,
    passes_others: bool,
) -> ReadableSpan:
    for span in rest:
        if span.name == want["name"]:
            attributes = {name: _stored(name, value) for name, value in _attributes(span)}
            matcher.check(want["attributes"], attributes, f"span {span.name!r}")
            return span
        if not passes_others:
            break
    raise Mismatch(f"the span {want['name']!r} is missing {story}")


def _parent_of(span: ReadableSpan, known: set[int]) -> int | None:
    parent = span.parent
    return parent.span_id if parent is not None and parent.span_id in known else None


def _attributes(span: ReadableSpan) -> Iterable[tuple[str, Any]]:
    return (span.attributes or {}).items()


def _stored(name: str, value: Any) -> Any:
    # Attributes are no documents, so that of a session's id is its JSON; numbers have 64 bits.
    if name == "db.mongodb.lsid":
        return json_util.loads(value)
    return Int64(value) if isinstance(value, int) else value
