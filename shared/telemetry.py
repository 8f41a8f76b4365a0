"""Traces and logs. A turn's trace id is its turn id, so `make trace TURN=id` needs no index.

Spans go to OTLP when the standard `OTEL_EXPORTER_OTLP_*` variables are set, and always to
`VAR/traces/<service>.jsonl`, where the terminal view reads them. Attributes never hold raw text.
"""

import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_FILE_LIMIT_BYTES = 20_000_000  # a file is cut in half of its history past this: two are kept
_FLUSH_EVERY_MS = 500


class FileSpanExporter(SpanExporter):
    """Appends finished spans to a JSON-lines file, one older file kept."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._path.exists() and self._path.stat().st_size > _FILE_LIMIT_BYTES:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        with self._path.open("a") as file:
            file.writelines(json.dumps(_row(span)) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def _row(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "trace": format(context.trace_id, "032x") if context else "",
        "span": format(context.span_id, "016x") if context else "",
        "parent": format(span.parent.span_id, "016x") if span.parent else "",
        "name": span.name,
        "service": span.resource.attributes.get("service.name"),
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "ok": span.status.is_ok or span.status.is_unset,
        "attributes": dict(span.attributes or {}),
    }


class Tracer:
    """Starts spans for one service. Built once per process and service in the runner."""

    def __init__(self, service: str, traces_dir: Path | None) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        if traces_dir is not None:
            self._export_to(FileSpanExporter(traces_dir / f"{service}.jsonl"))
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        ):
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self._export_to(OTLPSpanExporter())
        self._tracer = self._provider.get_tracer("switchboard")

    def _export_to(self, exporter: SpanExporter) -> None:
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=_FLUSH_EVERY_MS)
        )

    @contextmanager
    def span(
        self,
        name: str,
        parent: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int | float | bool] | None = None,
    ) -> Iterator[Span]:
        """A span around a block; an exception marks it failed, without its message."""
        with self._tracer.start_as_current_span(
            name, context=parent, kind=kind, attributes=attributes, record_exception=False
        ) as span:
            yield span

    def close(self) -> None:
        """Write what is buffered."""
        self._provider.shutdown()


def turn_context(turn_id: str) -> Context:
    """The trace that a turn lives in, for whoever starts it."""
    number = uuid.UUID(turn_id).int
    parent = SpanContext(
        trace_id=number,
        span_id=number & 0xFFFFFFFFFFFFFFFF,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(parent))


def extract_context(headers: Mapping[str, str]) -> Context:
    """The sender's span, from a `traceparent` header."""
    return _PROPAGATOR.extract(dict(headers))


def inject_context() -> dict[str, str]:
    """The current span as headers; empty outside of any span."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return headers


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            row["trace"] = format(span.trace_id, "032x")
        if record.exc_info and record.exc_info[0] is not None:
            # The message of an exception may quote a customer; its type and place do not.
            row["error"] = record.exc_info[0].__name__
            row["stack"] = _stack_without_values(record)
        return json.dumps(row)


def _stack_without_values(record: logging.LogRecord) -> str:
    frames = []
    traceback = record.exc_info[2] if record.exc_info else None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames))


def configure_logging(level: str) -> None:
    """One JSON object a line on standard error; call once per process."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kafka", "httpx", "httpcore", "presidio-analyzer", "uvicorn.access", "celery"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
