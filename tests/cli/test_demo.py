"""`imaging-index demo` and `local`, as a newcomer types them."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli import profiles
from cli.main import application
from cli.web import ohif_build
from infra.config import ROOT
from proof.harness.image_sets import PATIENCE

COMMAND = [sys.executable, "-u", "-c", "from cli.main import main; main()"]


def clean_environment(folder: Path) -> dict[str, str]:
    """This process's environment without any AWS setting, and with a folder of its own for temporary files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {"TMPDIR": str(folder)}


def work_list(address: str) -> str:
    """What QIDO-RS answers to the page at an address about the studies."""
    with urlopen(address, timeout=PATIENCE) as page:  # noqa: S310  of this machine
        assert b"<title>Work list of ImagingIndex</title>" in page.read()
    with urlopen(f"{address}dicomweb/studies", timeout=PATIENCE) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_the_demo_shows_every_image_set_and_follows_update_copy_and_delete_and_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo", "--stay"], env=clean_environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = ""
        for line in process.stdout:
            shown += line
            if line.startswith("http://"):
                break
        try:
            studies = work_list(line.strip())
            process.send_signal(signal.SIGINT)
            shown += process.stdout.read()
            process.wait(PATIENCE)
        finally:
            process.kill()  # a test that fails must not wait for ever
    assert process.returncode == 0
    assert "CORRECTED BY THE DEMO" in studies
    with pytest.raises(URLError):
        work_list(line.strip())
    assert re.search(r"\d+ DICOM files became (\d+) image sets", shown)
    assert "refused: The file is not a DICOM P10 file" in shown
    assert "StudyDescription: Testing File-set -> CORRECTED BY THE DEMO" in shown
    assert shown.index("2 image sets") < shown.index("1 image set\n")
    # The rule delivers the MR image sets, and no others.
    delivered = shown[shown.index("It has delivered") :].partition("\n\n")[0].splitlines()
    (count,) = re.findall(r"delivered (\d+) image sets:", delivered[0])
    assert len(delivered[1:]) == int(count) > 1
    assert all("Modality=MR" in each for each in delivered[1:])
    commands = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    assert commands == [
        "imaging-index search Modality=MR SliceThickness=..5",
        "imaging-index search 'PatientName=~pet doe' --show PatientName,StudyDate,ModalitiesInStudy",
        "imaging-index search --count --by Modality --level series",
    ]
    assert "Doe^Peter" in shown[shown.index(commands[1]) :]
    assert re.search(r"^CT\s+\d+$", shown[shown.index(commands[2]) :], re.MULTILINE)
    assert re.search(r"used\s+\d+ write units", shown)
    assert "make deploy" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_demo_shows_what_a_profile_without_events_and_index_by_date_selects_and_nothing_else(
    tmp_path: Path,
) -> None:
    profile = tmp_path / "own.toml"
    profile.write_text(
        'revision = 1\nattributes = ["PatientID", "StudyInstanceUID", "StudyDate"]\n'
        '[privacy]\nStudyInstanceUID = "uid"\nSeriesInstanceUID = "uid"\nSOPInstanceUID = "uid"\nStudyDate = "shift"\n'
        '[indexes.study]\npartition = ["StudyInstanceUID"]\nsort = ["ImageSetId"]\n'
    )
    (tmp_path / "scans").mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path / "scans")
    (tmp_path / "temporary").mkdir()
    command = [*COMMAND, "demo", "--profile", str(profile), "--dicom", str(tmp_path / "scans")]
    environment = clean_environment(tmp_path / "temporary")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert f"The profile is {profile}." in ended.stdout
    assert "through a scan of the table" in ended.stdout
    assert "ImageSetVersion: 1 -> 2" in ended.stdout
    assert re.findall(r"^\$ (.*=)", ended.stdout, re.MULTILINE) == ["imaging-index search StudyInstanceUID="]
    # Nothing is written beside the profile.
    assert {each.name for each in tmp_path.iterdir()} == {"own.toml", "scans", "temporary"}
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_folder_a_profile_and_a_port_that_cannot_be_are_said_before_anything_starts(
    tmp_path: Path, taken: int
) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "letter.txt").write_text("Dear colleague")
    (tmp_path / "wrong.toml").write_text('revision = 1\nattributes = ["PatientNme"]\n')
    for command, sentence in (
        (["demo", "--dicom", "scans"], "holds no DICOM file that could be imported. Files examined: 1."),
        (["demo", "--dicom", "none"], "There is no folder"),
        (
            ["demo", "--profile", "wrong.toml"],
            "line 2: 'PatientNme' is not a DICOM keyword. Did you mean 'PatientName'?",
        ),
        (["local", "up", "--dicom", "none"], "There is no folder"),
        (["local", "up", "--dicom", "scans", "--detach"], "holds no DICOM file"),
        (["local", "up", "--profile", "none"], "There is no profile none."),
        (["local", "up", "--port", str(taken)], f"Port {taken} of 127.0.0.1 is taken"),
    ):
        environment = clean_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            [*COMMAND, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        assert sentence in " ".join(ended.stderr.split())
        assert len(ended.stderr.splitlines()) == 1


def test_the_local_cloud_stays_up_for_any_client_until_ctrl_c_whatever_the_terminal_has_set(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    (cache / "imaging-index" / f"ohif-{ohif_build.VERSION}").mkdir(parents=True)
    (cache / "imaging-index" / f"ohif-{ohif_build.VERSION}" / "index.html").write_text("OHIF")
    environment = clean_environment(tmp_path) | {
        "AWS_PROFILE": "nope",
        "NO_PROXY": "*.hospital,10.0.0.1",
        "XDG_CACHE_HOME": str(cache),
    }
    command = [*COMMAND, "local", "up", "--ohif", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = []
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("http://"):
                addresses.append(line.strip())
            if "Ctrl-C" in line:
                break
        try:
            exports = exported(environment)
            # For SQS the tool takes a name of AWS's own, whatever the environment says: the printed command has ours.
            (sqs,) = re.findall("^aws .*", said, re.MULTILINE)
            assert "DeadLetterQueue" in shell(sqs, exports)
            assert "AWS_PROFILE" not in exports
            assert exports["NO_PROXY"] == "*.hospital,10.0.0.1,127.0.0.1"
            lines = shell(
                'imaging-index local env --dotenv > "$TMPDIR/.env"; cat "$TMPDIR/.env"; rm "$TMPDIR/.env"', environment
            )
            assert dict(line.split("=", 1) for line in lines.splitlines()).items() <= exports.items()
            after = exported(exports, "--unset")
            assert not [name for name in after if name.startswith("AWS_")]
            names = shell("aws medical-imaging list-datastores --output json", exports)
            assert [each["datastoreName"] for each in json.loads(names)["datastoreSummaries"]] == ["local"]
            assert work_list(addresses[0]) == "[]"
            assert addresses[1:] == [f"{addresses[0]}ohif/"]
            with urlopen(addresses[1]) as page:  # noqa: S310  of this machine
                assert page.read() == b"OHIF"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()  # a test that fails must not wait for ever
    assert list(tmp_path.iterdir()) == []
    assert list((cache / "imaging-index" / "local").iterdir()) == []


def test_the_local_cloud_goes_on_in_the_background_until_it_is_stopped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    for name in ("temporary", "scans"):
        (tmp_path / name).mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path / "scans")
    environment = clean_environment(tmp_path / "temporary") | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    none = local(environment, "env")
    assert (none.returncode, none.stdout) == (1, "false\n")
    assert "No local cloud is up. Start one with `imaging-index local up`." in none.stderr
    assert local(environment, "status").returncode == 1
    # A shell that used a local cloud which is gone needs it most.
    assert "AWS_ENDPOINT_URL" in shell("imaging-index local env --unset", environment)

    options = ("--detach", "--port", port, "--profile", "research-pseudonymous", "--dicom", str(tmp_path / "scans"))
    started = local(environment, "up", *options)
    assert started.returncode == 0, started.stderr
    try:
        assert "1 file imported into 1 image set, 0 refused." in started.stdout
        (up,) = json.loads(local(environment, "status", "--json").stdout)
        assert (up["port"], up["profile"]) == (int(port), "research-pseudonymous")
        assert up["datastore"] in local(environment, "status").stdout
        # No viewer knows the UIDs of this profile, and no event may say when an entry came.
        assert up["worklist"] is None
        found = shell("imaging-index search Modality=CT --json", exported(environment))
        assert len(json.loads(found)["rows"]) == 1
        assert "1CT1" not in found
        again = local(environment, "up", "--port", port)
        assert (again.returncode, again.stdout) == (1, "")
        assert f"A local cloud is up on port {port} already, with the profile research-pseudonymous." in again.stderr
    finally:
        stopped = local(environment, "down", "--port", port)
    assert (stopped.returncode, stopped.stderr) == (0, "")
    with socket.create_server(("127.0.0.1", int(port))):
        assert local(environment, "status", "--json").stdout == "[]\n"
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("arguments", [["demo", "--stay"], ["local", "up", "--ohif"]])
def test_a_profile_that_shifts_dates_is_tried_without_events_and_pages_for_the_browser(arguments: list[str]) -> None:
    assert profiles.choose("research-pseudonymous").events == "off"
    assert profiles.choose("minimal").events == "on"
    refused = CliRunner().invoke(application, [*arguments, "--profile", "research-pseudonymous"])
    assert refused.exit_code == 1
    assert f"{arguments[-1]} is not for research-pseudonymous" in " ".join(refused.output.split())


def local(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `imaging-index local` ended with."""
    command = [*COMMAND, "local", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


def shell(script: str, environment: dict[str, str]) -> str:
    """What a shell prints that has this Python's programs on its PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    return subprocess.run(
        ["sh", "-c", script], env=environment | {"PATH": path}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def exported(environment: dict[str, str], *options: str) -> dict[str, str]:
    """A shell's variables after it has evaluated `imaging-index local env`."""
    command = shlex.join(["imaging-index", "local", "env", *options])
    lines = shell(f'eval "$({command})" && env', environment).splitlines()
    return {name: value for name, found, value in (line.partition("=") for line in lines) if found}
