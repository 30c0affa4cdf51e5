"""Whether entries were made by the profile that is deployed: by a bounded look at the table."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from cli.deployed import Stack
from cli.doctor.finding import Finding, failure, ok, warning
from cli.output import Failure
from imaging_index.table import generation

# Calls of Scan, each of which reads 1 MB (Amazon DynamoDB API Reference, "Scan"): 128 read units of $0.000000125.
# Image sets are in no order, so the first ones are as good as any.
_CALLS: Final = 8


def entries(stack: Stack) -> Iterator[Finding]:
    """How many of the table's first entries another profile has made; nothing where there is no table."""
    found = _made_by(stack)
    if found is None:
        return
    made, whole = found
    looked_at = sum(made.values())
    seen = f"{'all' if whole else 'the first'} {looked_at} {'entry' if looked_at == 1 else 'entries'}"
    try:
        profile = stack.profile
    except Failure as error:
        yield warning("It is unknown what the deployed profile makes.", str(error))
        return
    deployed = stack.outputs.get("ProfileHash", profile.hash)
    others = {each: count for each, count in made.items() if each[0] != deployed}
    if not others:
        yield ok(f"Made by the deployed profile: {seen}.")
        return
    text = f"Of {seen}, other profiles have made {sum(others.values())}."
    again = f"imaging-index reconcile --full --apply --stack {stack.name}"
    newest = max(revision for _, revision in others)
    if newest >= profile.revision:
        again = f"Write revision = {newest + 1} in the profile, deploy it with make deploy, and run {again}"
    if profile.private:
        yield failure(f"{text} They may contain what the deployed one does not keep.", again)
    else:
        yield warning(text, again)


def _made_by(stack: Stack) -> tuple[Counter[tuple[str, int]], bool] | None:
    """How many entries each profile has made, by its hash and revision, and whether these are all.

    None where there is no table.
    """
    client = stack.session.client("dynamodb")
    pages = client.get_paginator("scan").paginate(
        TableName=stack.outputs["TableName"],
        # No tombstone has it, and neither has a page.
        FilterExpression="attribute_exists(ProfileHash)",
        ProjectionExpression="ProfileHash, Generation",
    )
    made: Counter[tuple[str, int]] = Counter()
    page: Any = {}
    try:
        for page in islice(pages, _CALLS):
            made.update(
                (item["ProfileHash"]["S"], generation.described(item["Generation"]["S"])[1]) for item in page["Items"]
            )
    except client.exceptions.ResourceNotFoundException:
        return None
    return made, "LastEvaluatedKey" not in page
