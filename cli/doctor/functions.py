"""Whether a function can run, and whether Lambda gives it what comes in."""

from collections.abc import Mapping

from cli.aws_cli import aws
from cli.deployed import Stack
from cli.doctor import repairs
from cli.doctor.finding import Finding, failure, ok, warning


def function(stack: Stack, name: str, variables: Mapping[str, str]) -> list[Finding]:
    """A function, by its name, which must have some environment variables with the values of the stack's outputs.

    `variables` has the outputs' names by those of the variables.
    """
    client = stack.session.client("lambda")
    try:
        configuration = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return [failure(f"The function {name} is gone.", repairs.find_drift(stack))]
    problems = []
    if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
        problems.append(
            failure(
                f"{name} cannot run: its reserved concurrency is 0.",
                aws(f"lambda delete-function-concurrency --function-name {name}"),
            )
        )
    given = configuration.get("Environment", {}).get("Variables", {})
    wrong = [variable for variable, output in variables.items() if given.get(variable) != stack.outputs[output]]
    if wrong:
        problems.append(
            failure(
                f"{name} has variables other than the stack's: {', '.join(wrong)}.",
                repairs.find_drift(stack),
            )
        )
    state, last_update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus")
    if state not in ("Active", "Inactive") or last_update == "Failed":
        reason = configuration.get("StateReason", "its last update failed")
        problems.append(failure(f"{name}: {reason}.", repairs.find_drift(stack)))
    return problems or [ok(f"{name} was last changed {configuration['LastModified'][:16].replace('T', ' ')}.")]


def of_documents(stack: Stack) -> dict[str, str]:
    """The variable of a function that uses kept documents, as `function` has variables; none where none are kept."""
    name = "DocumentsBucketName"
    return {"DOCUMENTS_BUCKET": name} if name in stack.outputs else {}


def mapping(stack: Stack, identifier: str, *, gets: str) -> list[Finding]:
    """An event source mapping, through which Lambda gives a function what it `gets`."""
    client = stack.session.client("lambda")
    try:
        state = client.get_event_source_mapping(UUID=identifier)["State"]
    except client.exceptions.ResourceNotFoundException:
        return [
            failure(f"The function gets no {gets}: the event source mapping is gone.", repairs.find_drift(stack)),
        ]
    if state in ("Disabled", "Disabling"):
        return [
            failure(
                f"The function gets no {gets}: the event source mapping is {state}.",
                aws(f"lambda update-event-source-mapping --uuid {identifier} --enabled"),
            )
        ]
    if state == "Enabled":
        return [ok(f"The function gets {gets}.")]
    return [warning(f"The event source mapping is {state}.", "Look again in a minute.")]
