"""The permission for a batch of SQS's requests, which is that for a single one.

Amazon SQS Developer Guide, "Amazon SQS API permissions: Actions and resource reference": SendMessageBatch needs
`sqs:SendMessage`, and likewise the others. ministack looks for actions that AWS does not have.
"""

from __future__ import annotations

from typing import Any, Final

from ministack.core import iam_evaluator

_SINGLE: Final = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


def mend_batches() -> None:
    """Have ministack 1.5.33 evaluate policies for batches as AWS does."""
    enforce = iam_evaluator.enforce

    def enforced(access_key_id: str, iam_action: str, *others: Any, **named: Any) -> Any:
        return enforce(access_key_id, _SINGLE.get(iam_action, iam_action), *others, **named)

    iam_evaluator.enforce = enforced
