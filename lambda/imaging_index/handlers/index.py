"""The function behind the queue: hints in, a converged index out.

A batch's messages are handled one by one, and each that fails comes back alone (`batchItemFailures`). Lambda does not
poll more slowly when messages fail, so a breaker hands back what would only fail as well.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index import observability
from imaging_index.aws_errors import classify
from imaging_index.document.reader import Reader
from imaging_index.faults import HandedBack
from imaging_index.handlers import started
from imaging_index.handlers.environment import client, variables
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer, Outcome
from imaging_index.observability import logger, metrics
from imaging_index.profile import toml_file
from imaging_index.queue import hint
from imaging_index.queue.breaker import Breaker
from imaging_index.queue.delivery import Delivery, Queue, to_be_parked
from imaging_index.table.writing import TableWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imaging_index.kept_documents import KeptDocuments

# Not begun with less time than this: a run that is killed midway costs its message a whole visibility time-out.
_LEAST_TIME_MS: Final = 20_000


class _Variables(msgspec.Struct, frozen=True, rename=str.upper):
    """The function's environment variables. `datastores` are ids with commas between them, or `all`."""

    datastores: str
    profile: str
    queue_url: str
    dead_letter_queue_url: str
    table_name: str
    token_secret: str = ""
    documents_bucket: str = ""


_variables: Final = variables(_Variables)
_datastores: Final = None if _variables.datastores == "all" else frozenset(_variables.datastores.split(","))
_profile: Final = toml_file.load(Path(__file__).parents[2] / _variables.profile, checked=True)
_queue: Final = Queue(client("sqs"), _variables.queue_url, _variables.dead_letter_queue_url)
_table: Final = TableWriter(client("dynamodb"), _variables.table_name)


@functools.cache
def _secret() -> bytes:
    """The key of tokens, UIDs and shifts. The stack creates it if a policy of the profile needs one.

    Asked for by the first document, so that a refusal is one message's fault, and not a function that cannot start.
    """
    if not _profile.keyed:
        return b""
    found = client("secretsmanager").get_secret_value(SecretId=_variables.token_secret)
    secret: str = found["SecretString"]
    return secret.encode()


def _documents() -> KeptDocuments | None:
    """The documents that are kept, if they are. Without them, a cold start pays nothing for S3."""
    if not _variables.documents_bucket:
        return None
    from imaging_index import kept_documents

    return kept_documents.KeptDocuments(client("s3", hurried=True), _variables.documents_bucket)


_healthimaging: Final = HealthImaging(client("medical-imaging"))
_indexer: Final = Indexer(_healthimaging, _table, _profile, Reader(_profile), _secret, _documents())


_breaker: Final = Breaker()


class _Batch:
    """The handling of one batch."""

    def __init__(self, context: LambdaContext) -> None:
        self._context = context
        self._settled: list[Delivery] = []

    def handle(self, delivery: Delivery, before: Callable[[], None]) -> None:
        """Handle one message, after `before`.

        Raises:
            Fault: the message is to come back, and its pause is set already.
        """
        observability.hint_waited(delivery.age)
        parsed: hint.Hint | None = None
        try:
            self._check_that_it_can_begin()
            before()
            parsed = hint.parse(delivery.body)
            self._converge(parsed, delivery)
        except Exception as error:
            fault = classify(error)
            _breaker.note(fault)
            parked = to_be_parked(fault, delivery)
            try:
                if parked:
                    _queue.park(delivery, fault, self._context.aws_request_id)
                else:
                    _queue.defer(delivery, fault)
            except Exception as refusal:
                # SQS's failure is what must be reported; the message comes back after its visibility time-out.
                parked, fault = False, classify(refusal)
            observability.hint_failed(parsed, fault, parked=parked, tries=delivery.tries)
            if not parked:
                observability.hint_waited(delivery.age)
                raise fault from None
        self._settled.append(delivery)

    def settle(self) -> None:
        """Settle what was handled: the next message may end the function, and with it the answer that would."""
        _queue.settle(self._settled)
        self._settled.clear()

    @staticmethod
    def hand_back() -> None:
        """Have the message handled in another invocation.

        Raises:
            HandedBack: always.
        """
        raise HandedBack("another message is to be handled alone")

    @staticmethod
    def go_on() -> None:
        """Nothing is to be done before an ordinary message."""

    def _check_that_it_can_begin(self) -> None:
        _breaker.check()
        if self._context.get_remaining_time_in_millis() < _LEAST_TIME_MS:
            raise HandedBack("no time is left")

    @staticmethod
    def _converge(parsed: hint.Hint, delivery: Delivery) -> None:
        if _datastores is not None and parsed.datastore_id not in _datastores:
            observability.other_datastore(parsed)
            return
        result = _indexer.converge(parsed, age=delivery.age, tries=delivery.tries)
        if result.outcome is not Outcome.PASSED:
            _breaker.note(None)
        observability.hint_handled(parsed, result)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle one batch of Lambda's SQS event; the answer lists the messages that are to come back."""
    batch = _Batch(context)
    failed = []
    deliveries = [(Delivery.of(record), record["messageId"]) for record in event["Records"]]
    # Of those that may end the function one is handled, last and alone: the one that was received least often. The
    # longer one ends its functions, the later is its turn.
    suspects = sorted((each for each in deliveries if each[0].suspect), key=lambda each: each[0].tries)
    turns = [(each, batch.go_on) for each in deliveries if not each[0].suspect]
    turns += [(each, batch.hand_back) for each in suspects[1:]]
    turns += [(each, batch.settle) for each in suspects[:1]]
    for (delivery, message_id), before in turns:
        try:
            batch.handle(delivery, before)
        except Exception:  # the batch has reported it; a traceback could quote the message
            failed.append({"itemIdentifier": message_id})
    observability.written(_table.take_write_units())
    observability.batch_ended(breaker_open=_breaker.is_open)
    return {"batchItemFailures": failed}


started()
