"""`imaging-index demo` and `local up`, as a newcomer types them."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest

from cli.web import ohif_build
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


def test_a_folder_without_dicom_is_a_clear_sentence_and_exit_status_1(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "letter.txt").write_text("Dear colleague")
    for command, folder, sentence in (
        (["demo"], "scans", "holds no DICOM file that could be imported. Files examined: 1."),
        (["demo"], "none", "There is no folder"),
        (["local", "up"], "none", "There is no folder"),
    ):
        ended = subprocess.run(
            [*COMMAND, *command, "--dicom", str(tmp_path / folder)],
            env=clean_environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, "export" in ended.stdout) == (1, False)
        assert sentence in " ".join(ended.stderr.split())


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
    command = [*COMMAND, "local", "up", "--ohif"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        exports = {}
        unset = []
        addresses = []
        for line in process.stdout:
            if match := re.fullmatch(r"export (\w+)=(.*)\n", line):
                (exports[match[1]],) = shlex.split(match[2])
            if line.startswith("unset "):
                unset.append(line.split()[1:])
            if line.startswith("http://"):
                addresses.append(line.strip())
            if "Ctrl-C" in line:
                break
        session = boto3.Session(exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        assert unset == [["AWS_PROFILE"], [name for name in exports if name.startswith("AWS_")]]
        assert exports["NO_PROXY"] == "*.hospital,10.0.0.1,127.0.0.1"
        client = session.client("medical-imaging", endpoint_url=exports["AWS_ENDPOINT_URL"])
        assert [each["datastoreName"] for each in client.list_datastores()["datastoreSummaries"]] == ["local"]
        try:
            assert work_list(addresses[0]) == "[]"
            assert addresses[1:] == [f"{addresses[0]}ohif/"]
            with urlopen(addresses[1]) as page:  # noqa: S310  of this machine
                assert page.read() == b"OHIF"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()  # a test that fails must not wait for ever
    assert list(tmp_path.iterdir()) == []
