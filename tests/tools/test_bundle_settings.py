"""The settings that `make bundle` is given."""

import pytest

from tools import bundle


def test_a_setting_is_given_by_either_option_and_refused_without_a_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bundle", "-c", "profile"])
    with pytest.raises(SystemExit) as ended:
        bundle.main()
    assert ended.value.code == 2
    assert "profile has no value: a setting is given as -c NAME=VALUE" in capsys.readouterr().err
    for option in ("-c", "--context"):
        monkeypatch.setattr("sys.argv", ["bundle", option, "profile=nonesuch"])
        with pytest.raises(SystemExit, match="The setting 'profile' is 'nonesuch'"):
            bundle.main()
