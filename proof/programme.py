"""The proof programme at its on-demand length: `make prove`. Prints what it reached, and writes a report.

Its suites are those of the tests; here they run for as long as it takes, or until `--minutes` are over, on two cores.
Nothing is a pass that was not run: a suite that did not come to its end says how far it came.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import screen
from exporting import iceberg
from local.cloud import LocalCloud
from local.deployment import deploy, synth
from proof.campaigns import (
    adversarial,
    changed_profile,
    drain,
    drifted,
    flood,
    fuzz,
    iceberg_tables,
    interrupted_deployments,
    interruptions,
    kills,
    leaks,
    orders,
    refusals,
    searches,
    sharing,
)
from proof.harness.image_sets import throttles_off
from proof.harness.pipeline import make_pipeline
from proof.model import configurations, search
from proof.publishing import changes, jobs, studies
from proof.simulation import passes, simulation
from proof.simulation.listed import TOKENS, Token
from proof.simulation.wrong_passes import RULES

REPORT: Final = Path(__file__).parents[1] / "build" / "prove.txt"
SEEDS: Final = 1_000_000
SEEDS_AT_ONCE: Final = 5_000
LAGGING: Final = 2_000
FUZZED: Final = 600_000  # half an hour of one core
FUZZED_AT_ONCE: Final = 100_000
MISLEADING: Final = 500_000
MISLEADING_AT_ONCE: Final = 50_000
LEAKS: Final = 10_000
LEAKS_AT_ONCE: Final = 1_000
FORGED: Final = 1_000_000
FORGED_AT_ONCE: Final = 20_000
DRAINED: Final = 60_000
DRAINED_SHARE: Final = 0.95
SHARED: Final = 1_000_000
SHARED_KEPT: Final = 200_000
KEPT_RATE: Final = 100  # a second, by eight functions
SHARED_SHARE: Final = 0.95
PUT_OFF_SHARE: Final = 0.01
FAIR_LAG, UNFAIR_LAG = 5.0, 15.0  # seconds
PASSES: Final = 20_000
PASSES_AT_ONCE: Final = 1_000
SEARCHES: Final = 1_000_000
SEARCHES_AT_ONCE: Final = 20_000
CHANGES: Final = 20_000
STUDIES: Final = 10_000
JOBS: Final = 10_000
ANNOUNCED_AT_ONCE: Final = 2_000
KILLED: Final = 100
INTERRUPTIONS: Final = 20
ICEBERG_CHANGES: Final = 1_000
ICEBERG_EXPORTS: Final = 20
VARIANT_NUMBERS: Final = 2_000
MODEL_STATES: Final = 4_000_000  # of the one configuration that has no end
MUTANT_SEEDS: Final = 2_000


@dataclass
class Outcome:
    """What one piece of work came to: how much was tried, what broke, and what else the report should say."""

    tried: int
    harms: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def seeds(first: int, count: int) -> Outcome:
    """Live through some seeds of the simulation."""
    failures = [failure for seed in range(first, first + count) if (failure := simulation.run(seed))]
    return Outcome(count, [str(failure) for failure in failures])


def lagging(lag: int, count: int) -> Outcome:
    """Live through some seeds whose GetImageSet may lag by so many answers."""
    failures = [failure for seed in range(SEEDS, SEEDS + count) if (failure := simulation.run(seed, lag))]
    return Outcome(
        count, [str(failure) for failure in failures], [f"a lag of up to {lag} answers: {count:,} histories"]
    )


def mutant(number: int) -> Outcome:
    """Look for a seed that finds a planted fault."""
    planted = simulation.MUTANTS[number]
    with planted.planted():
        found = next((failure for seed in range(MUTANT_SEEDS) if (failure := simulation.run(seed))), None)
    if found is None:
        return Outcome(1, [f"the planted fault '{planted.name}' was not found in {MUTANT_SEEDS} seeds"])
    return Outcome(1, notes=[f"{planted.name}: seed {found.seed}"])


def states(number: int) -> Outcome:
    """Explore one configuration of the model."""
    configuration = [*configurations.CONFIGURATIONS, *configurations.PROVE][number]
    report = search.run(configuration, MODEL_STATES)
    notes = [] if report.exhaustive else [f"'{configuration.name}' stopped at {report.states} states"]
    return Outcome(report.states, [f"{configuration.name}: {report.violation}"] if report.violation else [], notes)


def lists(count: int) -> Outcome:
    """Deliver random lists of hints."""
    return Outcome(orders.random_lists(count))


def losses(count: int) -> Outcome:
    """Lose random events, and reconcile."""
    return Outcome(orders.random_losses(count))


def fuzzed(first: int, count: int) -> Outcome:
    """Read changed documents and events; none may take a second."""
    report = fuzz.run(first, count)
    seconds, case = report.slowest
    return Outcome(report.tried, [*report.harms, *([f"case {case} took {seconds:.1f} s"] if seconds > 1 else [])])


def misled(first: int, count: int) -> Outcome:
    """Read documents made to mislead the reader, and compare."""
    return Outcome(count, [f"case {number} is read otherwise" for number in adversarial.run(first, count)])


def searched(first: int, count: int) -> Outcome:
    """Ask random questions of random tables, and look at every entry for the answer."""
    return Outcome(count, searches.run(first, count))


def leaks_looked_for(first: int, count: int) -> Outcome:
    """Fail anywhere over documents full of the marker, and look for it in all that leaves."""
    report = leaks.run(first, count)
    return Outcome(report.tried, report.harms)


def changes_announced(first: int, count: int) -> Outcome:
    """Make an event of each change of an entry."""
    report = changes.run(first, count)
    return Outcome(report.changes, report.harms)


def changes_killed(first: int, count: int) -> Outcome:
    """Make an event of each change of an entry, killed before and after every call."""
    reports = [changes.kills(number) for number in range(first, first + count)]
    return Outcome(sum(each.tried for each in reports), [harm for each in reports for harm in each.harms])


def studies_announced(first: int, count: int) -> Outcome:
    """Announce studies when they are stable."""
    report = studies.run(first, count)
    late = f"late by at most {max(report.late):.0f} s, {report.after_deletion} within the quiet time of a deletion"
    cost = f"{report.messages / report.changes:.2f} messages a change, {report.doubled} doubles of {report.announced}"
    return Outcome(report.tried, report.harms, [f"{late}; {cost}"])


def jobs_announced(first: int, count: int) -> Outcome:
    """Announce import jobs when they are indexed."""
    report = jobs.run(first, count)
    return Outcome(report.tried, report.harms, [f"{report.doubled} doubles of {report.announced}"])


def wrong_announcements(number: int) -> Outcome:
    """Look whether a simulation shows a way to get it wrong."""
    every = [(part, variant) for part in (changes, studies, jobs) for variant in part.VARIANTS]
    part, variant = every[number]
    with variant.planted():
        shown = variant.shows(part.run(0, VARIANT_NUMBERS))
    return Outcome(1, [] if shown else [f"'{variant.name}' was not shown"], [f"{variant.name}: {shown}"])


def flooded(number: int, count: int) -> Outcome:
    """Pour in forged hints, a wave of them, and look what becomes of the true ones."""
    report = flood.run(number, count)
    return Outcome(report.forged, report.harms)


def drained(call_seconds: float) -> Outcome:
    """Let a flood drain under HealthImaging's quota."""
    report = drain.run(DRAINED, call_seconds)
    note = f"{call_seconds * 1000:.0f} ms a call: {report.share:.1%} of what is possible, in {report.seconds:.0f} s"
    harms = [] if report.share >= DRAINED_SHARE and not report.parked else [note]
    return Outcome(report.hints, harms, [note])


def shared_with_kept_documents() -> Outcome:
    """Send hints of image sets whose documents are kept beside the live events."""
    report = sharing.run(SHARED_KEPT, 0.09, kept=True)
    rate = report.hints / report.seconds
    note = f"{rate:.0f} a second, {report.calls - report.live} calls of GetImageSetMetadata for them: {report}"
    well = rate > KEPT_RATE and report.calls == report.live and report.lag(0.99) <= FAIR_LAG
    return Outcome(report.hints, [] if well and not report.parked else [note], [note])


def shared(call_seconds: float, fair: bool, others: float, functions: int) -> Outcome:
    """Send a million hints beside the live events."""
    report = sharing.run(SHARED, call_seconds, fair=fair, others=others, functions=functions)
    note = (
        f"{call_seconds * 1000:.0f} ms a call, {'fair' if fair else 'not fair'}, {others:.0f}/s by others, "
        f"{functions} functions: {report}"
    )
    kept = (
        report.share >= SHARED_SHARE
        and report.lag(0.99) <= (FAIR_LAG if fair else UNFAIR_LAG)
        and report.put_off <= PUT_OFF_SHARE * (report.hints + report.live)
        and not report.parked
    )
    return Outcome(report.hints, [] if kept else [note], [note])


def reconciled(first: int, count: int, token: Token) -> Outcome:
    """Live through some seeds of reconcile passes."""
    violations = [violation for seed in range(first, first + count) if (violation := passes.run(seed, token))]
    return Outcome(count, violations)


def wrong_rule(number: int) -> Outcome:
    """Look for a seed that exposes a rule of a pass that looks right and is wrong."""
    violation = RULES[number].exposed(MUTANT_SEEDS)
    if not violation:
        return Outcome(1, [f"'{RULES[number].name}' was not exposed by {MUTANT_SEEDS} seeds"])
    return Outcome(1, notes=[f"{RULES[number].name}: {violation}"])


def kills_at_calls() -> Outcome:
    """Kill once and twice, everywhere, in a local cloud."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud() as cloud, throttles_off(cloud.endpoint):
        os.environ.update(cloud.environment())
        aws = boto3.Session()
        client = aws.client("medical-imaging")
        stage = kills.Stage(aws, client, rows=2, requests=2)
        every = kills.scenarios(client, Path(folder)).values()
        return Outcome(sum(kills.singles(stage, each) + kills.pairs(stage, each) for each in every))


def errors_at_calls() -> Outcome:
    """Refuse one call with every code, and two, everywhere, in a local cloud."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud() as cloud, throttles_off(cloud.endpoint):
        os.environ.update(cloud.environment())
        aws = boto3.Session()
        stage = refusals.Stage(make_pipeline(aws, os.environ.__setitem__))
        cases = refusals.cases(aws.client("medical-imaging"), Path(folder))
        every = cases.values()
        return Outcome(sum(refusals.singles(stage, each) + refusals.pairs(stage, each) for each in every))


def made_up_for(count: int) -> Outcome:
    """Lose events and deletions of so many image sets, and have one pass of the command put that right."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud() as cloud:
        os.environ.update(environment := cloud.environment())
        # In a run of more than ten minutes, the schedule would make calls of its own.
        assembly = synth(Path(folder) / "assembly", context={"reconcileMinutes": "0"})
        outputs = deploy(assembly, environment)
        stage = drifted.Stage(cloud, environment["AWS_ACCESS_KEY_ID"], boto3.Session(), outputs)
        (files := Path(folder) / "dicom").mkdir()
        report = drifted.run(stage, files, count)
    note = f"{report.missing:,} of {count:,} image sets indexed by one pass, {report.rate:.1f} a second"
    return Outcome(count, report.harms, [note])


def profile_changed(count: int) -> Outcome:
    """Index so many image sets, deploy a profile that drops and hashes, and look for what it does not let in."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud() as cloud:
        os.environ.update(environment := cloud.environment())
        (old := Path(folder) / "old.toml").write_text(changed_profile.OLD)
        outputs = deploy(synth(Path(folder) / "assembly", context={"profile": str(old)}), environment)
        stage = drifted.Stage(cloud, environment["AWS_ACCESS_KEY_ID"], boto3.Session(), outputs)
        return Outcome(count, changed_profile.run(stage, boto3.Session(), outputs["TableName"], Path(folder), count))


def brought_up_to_date(way: str) -> Outcome:
    """Change a table at random, and bring an Iceberg table in the local cloud's S3 Tables up to date."""
    run = iceberg_tables.scanned if way == "scans" else iceberg_tables.incremental
    with LocalCloud() as cloud:
        os.environ.update(cloud.environment())
        aws = boto3.Session()
        bucket = aws.client("s3tables").create_table_bucket(name="research")["arn"]
        report = run(iceberg.in_s3_tables(aws, bucket, "research"), ICEBERG_CHANGES, ICEBERG_EXPORTS)
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.done.items())
    return Outcome(sum(report.done.values()), report.harms, [f"{ICEBERG_EXPORTS} {way}: {kinds}"])


def interrupted(name: str) -> Outcome:
    """Press Ctrl-C at many moments of a command."""
    report = interruptions.run(name, INTERRUPTIONS, lambda _: None)
    return Outcome(report.tried, report.harms)


def interrupted_deployment(name: str) -> Outcome:
    """Press Ctrl-C at many moments of a deployment."""
    report = interrupted_deployments.run(name, INTERRUPTIONS, lambda _: None)
    return Outcome(report.tried, report.harms)


@dataclass
class Suite:
    """A row of the programme: its pieces of work, and what they came to. `unit` names what is counted."""

    name: str
    unit: str
    pieces: list[tuple[Callable[..., Outcome], tuple[Any, ...]]]
    outcomes: list[Outcome] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        tried = sum(outcome.tried for outcome in self.outcomes)
        harms = self.broken + [harm for outcome in self.outcomes for harm in outcome.harms]
        left = len(self.pieces) - len(self.outcomes) - len(self.broken)
        unrun = f"; {left} of {len(self.pieces)} pieces not run" if left else ""
        lines = [f"{self.name}: {tried:,} {self.unit}, {len(harms)} violations{unrun}"]
        lines += [f"  VIOLATION {harm}" for harm in harms]
        return "\n".join(lines + [f"  {note}" for outcome in self.outcomes for note in outcome.notes])


def programme() -> list[Suite]:
    """The suites, the long pieces first."""
    models = range(len(configurations.CONFIGURATIONS) + len(configurations.PROVE))
    return [
        Suite("Lost events and deletions, local cloud", "image sets", [(made_up_for, (n,)) for n in (50_000, 2_000)]),
        Suite("A profile that comes to drop and hash, local cloud", "image sets", [(profile_changed, (500,))]),
        Suite("Kills, single and in pairs, local cloud", "runs", [(kills_at_calls, ())]),
        Suite("Errors, single and in pairs, local cloud", "runs", [(errors_at_calls, ())]),
        Suite(
            "An Iceberg table in S3 Tables, local cloud",
            "changes",
            [(brought_up_to_date, (way,)) for way in ("scans", "incremental exports")],
        ),
        Suite("Commands and Ctrl-C", "interruptions", [(interrupted, (name,)) for name in interruptions.CASES]),
        Suite(
            "Deployments and Ctrl-C",
            "interruptions",
            [(interrupted_deployment, (name,)) for name in interrupted_deployments.CASES],
        ),
        Suite("Lists of hints in any order", "lists", [(lists, (100_000,))]),
        Suite("Model of the protocol", "states", [(states, (number,)) for number in models]),
        Suite("Lost events and a reconcile pass", "histories", [(losses, (10_000,))]),
        Suite(
            "Fuzzed documents and events",
            "cases",
            [(fuzzed, (first, FUZZED_AT_ONCE)) for first in range(0, FUZZED, FUZZED_AT_ONCE)],
        ),
        Suite(
            "Documents made to mislead the reader",
            "cases",
            [(misled, (first, MISLEADING_AT_ONCE)) for first in range(0, MISLEADING, MISLEADING_AT_ONCE)],
        ),
        Suite(
            "Searches and looking at every entry",
            "questions",
            [(searched, (first, SEARCHES_AT_ONCE)) for first in range(0, SEARCHES, SEARCHES_AT_ONCE)],
        ),
        Suite(
            "The canary under faults",
            "runs",
            [(leaks_looked_for, (first, LEAKS_AT_ONCE)) for first in range(0, LEAKS, LEAKS_AT_ONCE)],
        ),
        Suite(
            "Forged hints among live ones",
            "forged hints",
            [(flooded, (number, FORGED_AT_ONCE)) for number in range(FORGED // FORGED_AT_ONCE)],
        ),
        Suite(
            "Hints beside live events",
            "hints",
            [
                (shared, (0.09, True, 0.0, 8)),
                (shared, (0.03, True, 0.0, 8)),
                (shared, (0.3, True, 0.0, 24)),
                (shared, (0.09, False, 0.0, 8)),
                (shared, (0.09, True, 20.0, 8)),
                (shared_with_kept_documents, ()),
            ],
        ),
        Suite(
            "Reconcile passes",
            "seeds",
            [
                (reconciled, (first, PASSES_AT_ONCE, token))
                for first in range(0, PASSES, PASSES_AT_ONCE)
                for token in TOKENS
            ],
        ),
        Suite("Wrong rules of a pass", "rules", [(wrong_rule, (number,)) for number in range(len(RULES))]),
        Suite("A GetImageSet that lags", "histories", [(lagging, (lag, LAGGING)) for lag in range(4)]),
        Suite(
            "Changes and their events",
            "changes",
            [(changes_announced, (first, ANNOUNCED_AT_ONCE)) for first in range(0, CHANGES, ANNOUNCED_AT_ONCE)],
        ),
        Suite("Events, killed at every call", "runs", [(changes_killed, (n, 10)) for n in range(0, KILLED, 10)]),
        Suite(
            "Studies that are stable",
            "studies",
            [(studies_announced, (first, ANNOUNCED_AT_ONCE)) for first in range(0, STUDIES, ANNOUNCED_AT_ONCE)],
        ),
        Suite(
            "Import jobs that are indexed",
            "jobs",
            [(jobs_announced, (first, ANNOUNCED_AT_ONCE)) for first in range(0, JOBS, ANNOUNCED_AT_ONCE)],
        ),
        Suite(
            "Wrong ways to announce",
            "ways",
            [
                (wrong_announcements, (number,))
                for number in range(sum(len(part.VARIANTS) for part in (changes, studies, jobs)))
            ],
        ),
        Suite("Floods that drain", "hints", [(drained, (seconds,)) for seconds in (0.03, 0.09, 0.3)]),
        Suite("Faults planted in the real code", "faults", [(mutant, (n,)) for n in range(len(simulation.MUTANTS))]),
        Suite(
            "Simulation of the real code",
            "seeds",
            [(seeds, (first, SEEDS_AT_ONCE)) for first in range(0, SEEDS, SEEDS_AT_ONCE)],
        ),
    ]


def run(suites: list[Suite], minutes: float, cores: int) -> None:
    """Work through the suites on some cores, beginning nothing new after `minutes`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    last = time.monotonic() + minutes * 60
    waiting = [(suite, *piece) for suite in suites for piece in suite.pieces][::-1]
    with ProcessPoolExecutor(cores, max_tasks_per_child=20) as pool, Progress(*columns, console=screen) as progress:
        tasks = {suite.name: progress.add_task(suite.name, total=len(suite.pieces)) for suite in suites}
        running: dict[Future[Outcome], Suite] = {}
        while running or waiting:
            while waiting and len(running) < cores and time.monotonic() < last:
                suite, work, arguments = waiting.pop()
                running[pool.submit(work, *arguments)] = suite
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                suite = running.pop(done)
                progress.advance(tasks[suite.name])
                error = done.exception()
                if error is None:
                    suite.outcomes.append(done.result())
                else:
                    suite.broken.append(f"{type(error).__name__}: {error}")


def main() -> int:
    """Exit status 0 when nothing was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--only", metavar="TEXT", default="", help="the suites whose names contain this")
    options = parser.parse_args()
    begun = time.monotonic()
    suites = [suite for suite in programme() if options.only.lower() in suite.name.lower()]
    if not suites:
        parser.error(f"no suite has '{options.only}' in its name: {', '.join(suite.name for suite in programme())}")
    run(suites, options.minutes, options.cores)
    text = "\n".join([*map(str, suites), f"{(time.monotonic() - begun) / 60:.0f} minutes on {options.cores} cores"])
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text + "\n", "utf-8")
    screen.print(f"\n{text}\n\nThis is also in {REPORT.relative_to(Path.cwd())}.", soft_wrap=True, markup=False)
    return 1 if any(suite.broken or any(each.harms for each in suite.outcomes) for suite in suites) else 0
