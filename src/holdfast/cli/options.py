"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON: one document, or a line per event; problems too.")]
AppStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="sqlite:///file.db, postgresql://host/db, http://server; else $HOLDFAST_STORE, else ./.holdfast/<app>.db.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="sqlite:///file.db, postgresql://host/db, http://server; else $HOLDFAST_STORE, else ./.holdfast/*.db.",
    ),
]
Of = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:APP", help="The app whose default store is meant."),
]
AppName = Annotated[
    str, typer.Argument(metavar="MODULE:APP", help="Where the App is defined, such as claims.agent:app.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")]
