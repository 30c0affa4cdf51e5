"""`imaging-index pseudonym` and `search --clear`: with the key of the stack."""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from cli.main import application
from imaging_index.profile import toml_file
from imaging_index.profile.privacy import Policy, Privacy, moved
from tests.cli.fake_search import STORE, Fake, fake

KEY = Privacy(b"the key")
PROFILE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "StudyDate", "Modality"]
[privacy]
PatientID = "hash"
StudyDate = "shift"
SeriesInstanceUID = "uid"
SOPInstanceUID = "uid"
[indexes.date]
partition = ["DatastoreId"]
sort = ["StudyMoment", "ImageSetId"]
""")


class Secrets:
    error: Exception | None = None

    def get_secret_value(self, **arguments: str) -> dict[str, str]:
        if self.error:
            raise self.error
        assert arguments == {"SecretId": "arn:secret"}
        return {"SecretString": "the key"}


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, secrets: Secrets) -> Fake:
    answers = fake(monkeypatch)
    answers.stack.name, answers.stack.profile = "Research", PROFILE
    answers.stack.ids = lambda kind: {"AWS::SecretsManager::Secret": ["arn:secret"]}[kind]
    answers.stack.session = SimpleNamespace(client=lambda name: {"secretsmanager": secrets}[name])
    return answers


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application, ["pseudonym", *arguments])


@pytest.mark.usefixtures("searches")
def test_it_prints_what_is_stored_in_the_place_of_a_patient_uids_and_days() -> None:
    days = KEY.days_of_patient(STORE, "4711", "Hospital")
    given = ("--patient", " 4711", "--issuer", "Hospital", "--datastore", STORE, "--day", "2024-01-31", "--uid", "1.2")
    made = json.loads(run(*given, "--json").stdout)
    assert made == {
        "PatientID": KEY.apply(Policy.HASH, "4711"),
        "Days": days,
        "20240131": moved("20240131", days),
        "1.2": KEY.apply(Policy.UID, "1.2"),
    }
    assert set(run(*given).stdout.splitlines()) == {f"{name}  {value}" for name, value in made.items()}


@pytest.mark.usefixtures("searches")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give a patient with --patient, or a UID with --uid."),
        (["--patient", "1", "--day", "20240131"], "add --patient and --datastore"),
        (["--patient", "1", "--datastore", STORE, "--day", "20240231"], "Write --day like 20240131."),
        (["--patient", "1", "--datastore", "store"], "A data store's id is 32"),
    ],
)
def test_what_it_cannot_answer_is_wrong_usage(arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_who_may_not_use_the_key_is_refused_with_the_permission(searches: Fake, secrets: Secrets) -> None:
    secrets.error = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
    for ended in (run("--patient", "1"), searches.run("--clear", "PatientID=1")):
        assert ended.exit_code == 1
        assert "You need the permission secretsmanager:GetSecretValue on the secret of the stack" in ended.stderr
    assert not searches.questions


def test_a_stack_without_a_key_says_so(searches: Fake) -> None:
    searches.stack.ids = lambda _: []
    assert "The stack Research has no key" in run("--patient", "1").stderr


def test_a_search_in_the_clear_asks_for_the_tokens_also_of_a_file(searches: Fake) -> None:
    searches.run("--clear", "PatientID=4711")
    (asked,) = searches.question.conditions
    assert asked.asked == (KEY.apply(Policy.HASH, "4711"),)
    searches.run("--clear", "PatientID=@-", stdin="4711\n4712\n")
    (asked,) = searches.question.conditions
    assert asked.asked == tuple(KEY.apply(Policy.HASH, each) for each in ("4711", "4712"))
    assert "is stored as a token" in searches.run("PatientID=4711").stderr


@pytest.mark.parametrize("arguments", [["--from", "2024"], ["StudyDate=2024"]])
def test_a_search_by_days_says_that_they_are_compared_as_stored_and_is_refused_in_the_clear(
    searches: Fake, arguments: list[str]
) -> None:
    said = "StudyDate: compared as stored, which is up to a year before the true day."
    assert said in searches.run(*arguments).stderr
    refused = searches.run("--clear", *arguments)
    assert refused.exit_code == 2
    assert "StudyDate is shifted by other days for each patient" in refused.stderr


@pytest.mark.parametrize("arguments", [["--arrived", "7d"], ["--sort", "arrived"]])
def test_when_image_sets_arrived_cannot_be_asked(searches: Fake, arguments: list[str]) -> None:
    ended = searches.run(*arguments)
    assert ended.exit_code == 2
    assert "No entry has FirstIndexedAt, since the profile shifts dates" in ended.stderr
