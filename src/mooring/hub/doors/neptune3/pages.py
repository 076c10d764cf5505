"""The addresses that `neptune-scale` prints of a run and an experiment: how to read them.

This hub has no pages of runs. Whoever opens such an address is told so, and shown code that reads
what it names. Nothing is looked up: who asks is not known, and is told nothing but what they sent.
"""

from __future__ import annotations

import re
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from mooring.hub.bodies import PRIVATE_HEADERS
from mooring.hub.doors.neptune3.door import Door

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_LONGEST = 2_000
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 50em; margin: 3em auto; padding: 0 1em }}
pre {{ background: #f4f4f4; padding: 1em; overflow-x: auto }}</style></head>
<body>
<h1>{title}</h1>
<p>in the project <b>{project}</b>. This hub shows no pages of runs. If you may see it, read it with
Neptune's own client, with your token of this hub in <code>NEPTUNE_API_TOKEN</code>:</p>
<pre>{code}</pre>
<p>or with Mooring:</p>
<pre>{ours}</pre>
</body>
</html>
"""


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of pages; they come after all others, as they begin with any name."""
    pages = _Pages(door.hub.settings.address)
    base = "/{workspace}/{project}"
    return [
        Route(f"{base}/-/run", pages.run, methods=["GET"]),
        Route(f"{base}/-/run/", pages.run, methods=["GET"]),
        Route(f"{base}/runs/details", pages.experiment, methods=["GET"]),
    ]


class _Pages:
    def __init__(self, address: str) -> None:
        self._address = address

    async def run(self, request: Request) -> Response:
        """Answer how to read a run by its id."""
        return self._page(request, "run", request.query_params.get("customId", ""))

    async def experiment(self, request: Request) -> Response:
        """Answer how to read an experiment by its name, or a run by its id."""
        kind = "run" if request.query_params.get("type") == "run" else "experiment"
        name = request.query_params.get("runIdentificationKey", "")
        return self._page(request, kind, name)

    def _page(self, request: Request, kind: str, name: str) -> Response:
        project = "{workspace}/{project}".format(**request.path_params)[:_LONGEST]
        name = name[:_LONGEST]
        module = "neptune_query.runs" if kind == "run" else "neptune_query"
        chosen = f"custom_ids=[{name!r}]" if kind == "run" else f"names_regex={_only(name)!r}"
        code = (
            f"import {module} as nq\n\n"
            f"nq.fetch_{kind}s_table(\n    project={project!r}, {kind}s=[{name!r}], "
            "attributes='.*'\n)"
        )
        own = (
            "import mooring\n\n"
            f"project = mooring.ReadOnlyProject({project!r}, store={self._address!r})\n"
            f"project.fetch_{kind}s_df({chosen}, columns_regex='.*')"
        )
        content = _PAGE.format(
            title=escape(f"{kind.capitalize()} {name}"),
            project=escape(project),
            code=escape(code),
            ours=escape(own),
        )
        return HTMLResponse(
            content, headers={**PRIVATE_HEADERS, "content-security-policy": _POLICY}
        )


def _only(name: str) -> str:
    return f"^{re.escape(name)}$"
