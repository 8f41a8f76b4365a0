"""The sample shop's help page and the widget's files."""

import html
import json
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

WEB = Path(__file__).parent / "web"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def routes(widget_key: str) -> APIRouter:
    """`/`, the widget, and a small page about the API in place of one that loads from a CDN."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: path for path in WEB.iterdir() if path.suffix in _TYPES}

    @router.get("/")
    async def page() -> Response:
        text = (WEB / "page.html").read_text().replace("{{widget_key}}", html.escape(widget_key))
        headers = {"Content-Security-Policy": _CSP, "Cache-Control": "no-cache"}
        return HTMLResponse(text, headers=headers)

    @router.get("/web/{name}")
    async def file(name: str) -> Response:
        if name not in files:
            return Response(status_code=404)
        path = files[name]
        headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=headers)

    @router.get("/widget.js")
    async def widget() -> Response:
        return await file("widget.js")

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        app: FastAPI = request.app
        headers = {"Content-Security-Policy": _CSP}
        return HTMLResponse(_operations_page(app.openapi()), headers=headers)

    return router


def _operations_page(schema: dict[str, object]) -> str:
    """A plain list of operations with their examples; needs no script."""
    paths = schema["paths"]
    assert isinstance(paths, dict)
    sections = []
    for path, operations in paths.items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {})
            about = html.escape(operation.get("description", ""))
            example = f"<pre>{html.escape(json.dumps(body, indent=2))}</pre>" if body else ""
            answers = ", ".join(html.escape(str(code)) for code in operation.get("responses", {}))
            sections.append(
                f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>"
                f"<p>{about}</p>{example}<p>Answers: {answers}</p></section>"
            )
    return (
        (WEB / "docs.html")
        .read_text()
        .replace("{{operations}}", "\n".join(sections))
        .replace("{{title}}", "Switchboard API v1")
    )
