"""The work list in the browser: its page, and QIDO-RS for it in this process, with the user's own credentials."""

from __future__ import annotations

import html
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli import deployed
from cli.output import Failure
from cli.web.files import page
from cli.web.server import WebServer, said
from imaging_index.qido.service import Options, Service
from imaging_index.searching.refusals import ON_TABLE, why
from infra.config import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.deployed import Stack
    from cli.web.server import Handler
    from imaging_index.qido.http import Request, Response

_PAGE: Final = ROOT / "web" / "index.html"
_NAME: Final = "Work list"  # of the page, in its title and its heading


def server(stack: Stack, datastores: Callable[[], tuple[str, ...]], port: int = 0) -> WebServer:
    """A web server with the work list of a stack at its address.

    Args:
        stack: to search. Its table is read as the user may.
        datastores: returns the ids of the data stores to search.
        port: 0 takes a free one.

    Raises:
        Failure: the stack's profile cannot be read, or viewers cannot search under it.
        OSError: the port is taken.
    """
    if why_not := stack.profile.why_no_dicomweb:
        raise Failure(f"The work list is not for {stack.name}: {why_not}")
    region = stack.session.region_name
    options = Options(retrieve_root=f"https://dicom-medical-imaging.{region}.amazonaws.com", shows_read_units=True)
    made = WebServer(port)
    made.mounts[""] = page(named(_PAGE.read_text("utf-8"), stack.name))
    made.mounts["dicomweb"] = answering(Service(stack.table, stack.profile, datastores, options))
    return made


def of_local_cloud() -> WebServer:
    """A web server with the work list of the stack in the local cloud that this process's AWS clients reach."""
    stack = deployed.find(deployed.DEFAULT_STACK)
    client = stack.session.client("medical-imaging")

    def datastores() -> tuple[str, ...]:
        pages = client.get_paginator("list_datastores").paginate()
        return tuple(store["datastoreId"] for page in pages for store in page["datastoreSummaries"])

    return server(stack, datastores)


def named(text: str, stack: str) -> str:
    """The page with the name of its stack."""
    return text.replace(f">{_NAME}<", f">{_NAME} of {html.escape(stack)}<")


def answering(service: Service) -> Handler:
    """A handler of QIDO-RS. Where AWS does not answer, it says why."""

    def handle(request: Request) -> Response:
        try:
            return service.answer(request)
        except (ClientError, BotoCoreError) as error:
            return said(HTTPStatus.BAD_GATEWAY, why("DynamoDB", error, ON_TABLE))

    return handle
