"""The real clients over a network that loses, cuts, delays and spoils."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.retries.standard import ExponentialBackoff

from imaging_index.aws_errors import classify
from imaging_index.entry import columns
from imaging_index.faults import Fault, Poison, Unknown
from imaging_index.indexing import Indexer, Outcome
from imaging_index.profile.profile import Profile
from imaging_index.queue.hint import Hint, Kind
from imaging_index.table import reading, writing
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from local.cloud import LocalCloud
from proof.campaigns import kills, proxy
from proof.campaigns.kills import Scenario
from proof.campaigns.proxy import Proxy, Spoiling
from proof.harness.image_sets import PROFILE, hint, indexer, make_image_set, make_table, throttles_off
from proof.simulation import truth

SHARE = 0.25  # of the requests are spoiled
ROUNDS = 5  # of each scenario
MOST_DELIVERIES = 1_000
LITTLE, MUCH = 0.25, 60.0  # seconds that a client waits


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_ROWS_A_PAGE", 2)
    monkeypatch.setattr(reading, "_PAUSE", 0.001)
    monkeypatch.setattr(writing, "_PAUSE", 0.001)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


@pytest.fixture
def client(aws: boto3.Session, cloud: LocalCloud) -> Iterator[Any]:
    with throttles_off(cloud.endpoint):
        yield aws.client("medical-imaging")


class Network:
    """A table, and what reaches it and HealthImaging over the proxy only, and waits so long for an answer."""

    def __init__(self, aws: boto3.Session, through: Proxy, patience: float) -> None:
        self.through = through
        self.direct = make_table(aws)
        config = Config(
            connect_timeout=MUCH,
            read_timeout=patience,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        self._healthimaging = aws.client("medical-imaging", endpoint_url=through.url, config=config)
        self._table = TableWriter(aws.client("dynamodb", endpoint_url=through.url, config=config), self.direct._name)

    def indexer(self, using: Profile = PROFILE) -> Indexer:
        return indexer(self._healthimaging, self._table, using)


def deliver(network: Network, told: Hint, using: Profile, tries: int) -> bool:
    """Whether a hint was handled. What it met instead is one of AWS's errors, or one of ours."""
    try:
        network.indexer(using).converge(told, age=timedelta(minutes=tries), tries=tries)
    except (Fault, ClientError, BotoCoreError) as error:
        fault = classify(error)
        if isinstance(fault, Poison) and "document" not in fault.reason:
            raise
        return False
    return True


def run(network: Network, scenario: Scenario, chance: random.Random) -> int:
    """Deliver a scenario's hints until all are handled; how often that was."""
    truth.restore(network.direct, scenario.key, truth.dump(network.direct, scenario.key), scenario.before)
    waiting = [(told, using, 1) for told, using in scenario.hints]
    deliveries = 0
    while waiting:
        told, using, tries = waiting.pop(chance.randrange(len(waiting)))
        deliveries += 1
        assert deliveries <= MOST_DELIVERIES
        if not deliver(network, told, using, tries):
            waiting.append((told, using, tries + 1))
        network.through.settle()
        held = truth.dump(network.direct, scenario.key)
        assert truth.whole(held) or (scenario.repaired and held["entry"] == scenario.before["entry"])
    end, expected = truth.dump(network.direct, scenario.key), truth.comparable(scenario.end)
    if scenario.repaired:
        repairs = int(end["entry"]["Generation"]["S"][-4:])
        assert repairs >= 1
        expected = truth.repaired(expected, repairs)
    assert truth.comparable(end) == expected
    return deliveries


def test_the_index_converges_over_a_network_that_spoils_a_quarter_of_all_requests(
    aws: boto3.Session, cloud: LocalCloud, client: Any, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(3)

    def plan(operation: str) -> Spoiling:
        return proxy.any_of(operation, chance) if chance.random() < SHARE else Spoiling.NONE

    scenarios = kills.scenarios(client, tmp_path)
    with Proxy(cloud.endpoint, plan) as faulty:
        network = Network(aws, faulty, LITTLE)
        deliveries = sum(run(network, each, chance) for each in scenarios.values() for _ in range(ROUNDS))
    happened = Counter(spoiling for _, spoiling in faulty.seen)
    spoiled = len(faulty.seen) - happened[Spoiling.NONE]
    record_property("requests over a faulty network", f"{len(faulty.seen)}, {spoiled} spoiled, {deliveries} deliveries")
    assert set(happened) == set(Spoiling)


def converge_over(
    aws: boto3.Session, cloud: LocalCloud, key: Key, spoilings: list[Spoiling]
) -> tuple[Outcome | Exception, list[Spoiling], dict[str, Any]]:
    """Index version 1 while the first requests for its document are spoiled so: what came of it, and each request."""
    left = iter(spoilings)
    with Proxy(
        cloud.endpoint, lambda name: next(left, Spoiling.NONE) if name == "GetImageSetMetadata" else Spoiling.NONE
    ) as faulty:
        network = Network(aws, faulty, MUCH)
        came: Outcome | Exception
        try:
            came = network.indexer().converge(hint(key, Kind.CREATED, 1), age=timedelta(0), tries=1).outcome
        except (Fault, BotoCoreError) as error:
            came = error
    asked = [spoiling for name, spoiling in faulty.seen if name == "GetImageSetMetadata"]
    return came, asked, truth.dump(network.direct, key)


@pytest.mark.parametrize("spoiling", [Spoiling.CUT, Spoiling.TRUNCATED, Spoiling.CORRUPT])
def test_a_document_that_breaks_off_or_is_spoiled_is_asked_for_again_from_its_beginning(
    aws: boto3.Session, cloud: LocalCloud, client: Any, tmp_path: Path, spoiling: Spoiling
) -> None:
    key = make_image_set(client, tmp_path, instances=5)
    came, asked, held = converge_over(aws, cloud, key, [spoiling, spoiling])
    assert came is Outcome.INDEXED
    assert asked == [spoiling, spoiling, Spoiling.NONE]
    assert truth.whole(held)
    assert len(held) == 1 + 3


@pytest.mark.parametrize(
    ("spoiling", "fault"), [(Spoiling.CUT, Unknown), (Spoiling.TRUNCATED, Poison), (Spoiling.CORRUPT, Poison)]
)
def test_a_document_that_never_comes_whole_is_given_back_after_three_times_and_writes_nothing(
    aws: boto3.Session, cloud: LocalCloud, client: Any, tmp_path: Path, spoiling: Spoiling, fault: type[Fault]
) -> None:
    key = make_image_set(client, tmp_path)
    came, asked, held = converge_over(aws, cloud, key, [spoiling] * 9)
    assert isinstance(came, Exception)
    assert type(classify(came)) is fault
    assert asked == [spoiling] * 3
    assert held == {}
