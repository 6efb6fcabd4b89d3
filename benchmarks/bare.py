"""The least that a Starlette application can do: answer with the same bytes every time."""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = Path(sys.argv[2]).read_bytes()


async def answer(_: Request) -> Response:
    """Return the bytes."""
    return Response(BODY, media_type="image/jpeg")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{path:path}", answer)])
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="error", ws="none")
