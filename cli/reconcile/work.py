"""The passes of a command: `step` after `step` under a bar, until nothing is left to do."""

from __future__ import annotations

import getpass
import os
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli.output import Failure, errors
from cli.reconcile.showing import progress
from imaging_index.healthimaging import HealthImaging
from imaging_index.kept_documents import KeptDocuments
from imaging_index.queue.sender import Sender
from imaging_index.reconciling.checkpoint import Finished
from imaging_index.reconciling.reconciler import Reconciler
from imaging_index.reconciling.refusals import Busy, Refused
from imaging_index.reconciling.settings import SCHEDULE, Settings
from imaging_index.searching.refusals import why
from imaging_index.table.checkpoints import Checkpoints
from imaging_index.table.reconciling import ReconcilingTable

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from cli.deployed import Stack
    from imaging_index.reconciling.keeping import Status
    from imaging_index.reconciling.run import Progress as Reached

# A step is interrupted by Ctrl-C whenever it comes, so it may be long.
_STEP: Final = timedelta(hours=1)
_POLL: Final = 5.0  # seconds
# AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": the batch of the index function's queue.
_BATCH: Final = 10


class Stopped(Failure):
    """Ends a command whose pass waits for a person, in a sentence."""


class Work:
    """What a command does with the data stores of one stack, with a bar on the terminal meanwhile."""

    def __init__(self, stack: Stack) -> None:
        """Work on a stack's table and queue, with the caller's credentials.

        Raises:
            Failure: another version deployed the stack.
        """
        try:
            self._revision, self._entry_format = map(int, stack.outputs["Generation"].split("."))
        except (KeyError, ValueError):
            raise Failure(
                f"The version of Imaging Index that deployed the stack {stack.name} cannot reconcile. Deploy it again "
                "with `make deploy`."
            ) from None
        self._stack = stack
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=20)
        dynamodb, table = stack.session.client("dynamodb", config=config), stack.outputs["TableName"]
        self._table, self._checkpoints = ReconcilingTable(dynamodb, table), Checkpoints(dynamodb, table)
        self._healthimaging = HealthImaging(stack.session.client("medical-imaging", config=config))
        bucket = stack.outputs.get("DocumentsBucketName")
        self._documents = KeptDocuments(stack.session.client("s3", config=config), bucket) if bucket else None
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._task = self._bar.add_task("", total=1.0, visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()

    def settings(self, datastore: str, **options: Any) -> Settings:
        """The settings of a pass over a data store, with what is deployed to compare with."""
        return Settings(datastore_id=datastore, revision=self._revision, entry_format=self._entry_format, **options)

    def status(self, datastore: str) -> Status:
        """How far reconciling has come, and who is at it.

        Raises:
            Failure: DynamoDB did not answer.
        """
        try:
            return self._reconciler(self.settings(datastore)).status()
        except (ClientError, BotoCoreError) as error:
            raise Failure(why("DynamoDB", error, "on the table")) from None

    def run(self, settings: Settings) -> list[Finished]:
        """Pass after pass until nothing is left to do; those that ended.

        Raises:
            Stopped: the pass needs a person's decision.
            Failure: another command holds the lease, or AWS refuses.
        """
        reconciler, ended = self._reconciler(settings), list[Finished]()
        self._bar.update(self._task, visible=True, completed=0, description=settings.datastore_id)
        while True:
            try:
                reached = reconciler.step(datetime.now(UTC) + _STEP, self._show)
            except Busy as busy:
                if not busy.holder.startswith(SCHEDULE):
                    raise Failure(f"{busy} `imaging-index reconcile --status` shows how far it is.") from None
                # It works off the same checkpoint, for ten minutes at most.
                self._bar.update(self._task, description="The schedule is at it")
                time.sleep(_POLL)
                continue
            except Refused as refused:
                raise Failure(str(refused)) from None
            except (ClientError, BotoCoreError) as error:
                raise Failure(why("AWS", error)) from None
            ended += reached.finished
            if reached.blocked:
                raise Stopped(
                    f"{reached.blocked} That is so many that none of their entries was touched. If they were meant to "
                    "be deleted, repeat the command with --ghosts."
                )
            if reached.done:
                return ended

    def _reconciler(self, settings: Settings) -> Reconciler:
        sender = self._sender() if settings.apply else None
        # Other runs of the same person must not take this one for themselves.
        holder = f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()})"
        return Reconciler(
            self._healthimaging,
            self._table,
            self._checkpoints,
            sender,
            settings,
            holder=holder,
            documents=self._documents,
        )

    def _sender(self) -> Sender:
        _, mapping = self._stack.mapping
        return Sender(
            self._stack.session.client("sqs"),
            self._stack.outputs["QueueUrl"],
            now=lambda: datetime.now(UTC),
            sleep=time.sleep,
            at_once=mapping["ScalingConfig"]["MaximumConcurrency"] * _BATCH,
        )

    def _show(self, reached: Reached) -> None:
        if one := reached.current:
            said = progress(one)
            if reached.waited_for:
                said += f" (waits: {reached.waited_for})"
            self._bar.update(self._task, completed=reached.share, description=said)
