"""Rendering pages: whatever is in a field comes out as text."""

from __future__ import annotations

from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from holdfast.people import Caller

templates = Environment(
    loader=PackageLoader("holdfast.server.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(template: str, *, who: Caller | None = None, status: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        template: its file in ``templates``.
        who: whose session it is shown in; templates know their name and the CSRF token of their forms.
        status: of the answer.
        values: what else the template shows.
    """
    person = None if who is None else who.person.name
    text = templates.get_template(template).render(person=person, csrf="" if who is None else who.csrf, **values)
    return HTMLResponse(text, status)
