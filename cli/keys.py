"""The key of a stack's tokens, UIDs and shifts, read by whoever may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure
from imaging_index.profile.privacy import Privacy
from imaging_index.searching.refusals import why

if TYPE_CHECKING:
    from cli.deployed import Stack


def privacy(stack: Stack) -> Privacy:
    """The policies of a stack with its key.

    Raises:
        Failure: the stack has none, or the caller may not use it.
    """
    try:
        secrets = stack.ids("AWS::SecretsManager::Secret")
    except (ClientError, BotoCoreError) as error:
        raise Failure(why("CloudFormation", error, "on the stack")) from None
    if not secrets:
        raise Failure(f"The stack {stack.name} has no key, since its profile hashes, maps and shifts nothing.")
    try:
        found = stack.session.client("secretsmanager").get_secret_value(SecretId=secrets[0])
    except (ClientError, BotoCoreError) as error:
        raise Failure(why("Secrets Manager", error, "on the secret of the stack, and kms:Decrypt on its key")) from None
    return Privacy(found["SecretString"].encode())
