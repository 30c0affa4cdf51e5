"""Lambda's event of the queue behind the index function."""

import json
from datetime import UTC, datetime
from typing import Any

from bench import DATASTORE_ID, IMAGE_SET_ID
from proof.harness.pipeline import record


def event(*versions: int) -> dict[str, Any]:
    """Lambda's SQS event of as many messages, each of a version that was created just now."""
    now = datetime.now(UTC)
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(round(now.timestamp() * 1000))}
    bodies = [
        {
            "source": "aws.medical-imaging",
            "detail-type": "Image Set Created",
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "detail": {
                "datastoreId": DATASTORE_ID,
                "imagesetId": IMAGE_SET_ID,
                "imageSetVersion": str(version),
                "imageSetState": "ACTIVE",
                "imageSetWorkflowStatus": "CREATED",
            },
        }
        for version in versions
    ]
    messages = [
        {"MessageId": f"message-{number}", "ReceiptHandle": "receipt", "Body": json.dumps(body)}
        for number, body in enumerate(bodies)
    ]
    return {"Records": [record(message | {"Attributes": attributes}) for message in messages]}
