"""Another profile over a stack: what is refused, and what is said of entries."""

import re
from pathlib import Path

import boto3
import pytest

from deploy import deployer
from deploy.errors import DeployError
from deploy.profile_change import kept_values, refuse_unless_raised
from deploy.progress import Progress
from deploy.template import Template
from imaging_index.profile import toml_file
from infra.config import ROOT
from local.deployment import deploy
from tests.assemblies import synth_here

SELECTED = 'attributes = ["PatientID", "PatientName", "Modality"]\n'


def template(revision: int, rest: str = SELECTED, **outputs: str) -> Template:
    text = f"revision = {revision}\n{rest}"
    values = {name: {"Value": value} for name, value in outputs.items()}
    return Template({"Metadata": {"Profile": text, "Settings": {"profile": "own.toml"}}, "Outputs": values})


@pytest.mark.parametrize("revision", [1, 2])
def test_another_profile_of_the_same_or_a_lower_revision_is_refused_with_the_revision_to_write(revision: int) -> None:
    other = template(revision, 'attributes = ["PatientID"]\n')
    with pytest.raises(DeployError, match=r"Write `revision = 3` in the profile own\.toml"):
        refuse_unless_raised("Dev", template(2), other)
    refuse_unless_raised("Dev", template(2), template(3, 'attributes = ["PatientID"]\n'))


def test_the_same_profile_keeps_its_revision_or_raises_it() -> None:
    laid_out_anew = template(2, f"# why\n{SELECTED}")
    refuse_unless_raised("Dev", template(2), laid_out_anew)
    refuse_unless_raised("Dev", template(2), template(3))
    # A later profile of revision 3 would be taken for this one.
    with pytest.raises(DeployError, match="Write `revision = 3`"):
        refuse_unless_raised("Dev", template(3), template(2))


def test_a_newer_version_that_reads_more_from_the_same_text_needs_another_revision() -> None:
    deployed = template(2, ProfileHash="of the older version")
    with pytest.raises(DeployError, match="Write `revision = 3`"):
        refuse_unless_raised("Dev", deployed, template(2))


class InThisProcess:
    """The CDK's command line as far as `synth`, without Node."""

    def __init__(self, _: boto3.Session, arguments: list[str]) -> None:
        self._settings = dict(each.split("=", 1) for each in arguments)

    def synth(self, folder: Path) -> None:
        synth_here(folder, **self._settings)


def test_minimal_over_radiology_of_the_same_revision_changes_nothing(
    aws: boto3.Session, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deploy(synth_here(tmp_path / "deployed"), environment)
    monkeypatch.setattr(deployer, "Cdk", InThisProcess)
    with pytest.raises(DeployError, match=r"(?s)has revision 2 of another profile.*Write `revision = 3`.*minimal"):
        deployer.Deployer(aws, ["profile=minimal"], tmp_path, Progress()).run(yes=True)
    assert aws.client("cloudformation").list_change_sets(StackName="ImagingIndex")["Summaries"] == []


def kept(old: str, new: str) -> str:
    return kept_values(toml_file.parse(f"revision = 1\n{old}"), toml_file.parse(f"revision = 2\n{new}"))


def test_what_becomes_private_and_what_is_not_selected_any_more_is_named_and_nothing_else() -> None:
    assert kept(SELECTED, SELECTED) == ""
    private = f'{SELECTED}[privacy]\nPatientName = "drop"\nPatientID = "hash"\n'
    assert kept(SELECTED, private) == (
        "They keep the values of PatientID, PatientName, which the new profile does not keep as they are."
    )
    assert kept(private, private) == ""
    assert kept(private, SELECTED) == ""
    # A value that was dropped is in no entry.
    assert kept(private, f'{SELECTED}[privacy]\nPatientName = "hash"\nPatientID = "hash"\n') == ""
    assert kept(SELECTED, 'attributes = ["PatientName"]\n[privacy]\nPatientName = "drop"\n') == (
        "They keep the values of PatientName, which the new profile does not keep as they are, and of PatientID, "
        "Modality, which the new profile does not select."
    )


def test_of_many_names_the_first_ten_are_written_out() -> None:
    radiology = toml_file.load(ROOT / "profiles" / "radiology.toml")
    said = kept_values(radiology, toml_file.parse(f"revision = 9\n{SELECTED}"))
    assert re.search(r" and [0-9]+ more, which the new profile does not select\.$", said)
