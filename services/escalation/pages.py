"""The dashboard's page and its files: plain HTML, CSS and JavaScript, nothing built."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from shared.web import Problem

WEB = Path(__file__).parent / "web"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    # Customers' words are shown here: no foreign script, no inline script, no frame around it.
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # revalidated by ETag, so an update is seen at once
}


def install_pages(api: FastAPI) -> None:
    """Serve the page at `/` and its files under `/web/`."""
    files = {path.name: path for path in WEB.iterdir() if path.suffix in _MEDIA_TYPES}

    @api.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(WEB / "index.html", headers=_HEADERS)

    @api.get("/web/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in files:
            raise Problem(404, "No such file")
        media_type = _MEDIA_TYPES[files[name].suffix]
        return FileResponse(files[name], headers=_HEADERS, media_type=media_type)
