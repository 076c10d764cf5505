"""Settings of LitLogger, and its errors without a server: it has no offline mode to try more in."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, TargetUnreachable
from mooring.exchange.targets.litlogger import LitLoggerSettings
from tests.conformance.targets.trackers import source_run


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"--litlogger-owner"):
        LitLoggerSettings.read({})
    with pytest.raises(InvalidInput, match=r"together"):
        LitLoggerSettings.read({"LITLOGGER_OWNER": "me", "LITLOGGER_API_KEY": "k"})
    with pytest.raises(InvalidInput, match=r"`lightning login` first"):
        LitLoggerSettings.read({"LITLOGGER_OWNER": "me"})
    (tmp_path / ".lightning").mkdir()
    (tmp_path / ".lightning" / "credentials.json").write_text("{}")
    assert LitLoggerSettings.read({"LITLOGGER_OWNER": "me"}).owner == "me"


def test_options_come_before_the_environment_and_the_key_is_not_shown() -> None:
    environment = {"LITLOGGER_OWNER": "me", "LIGHTNING_API_KEY": "a", "LIGHTNING_USER_ID": "u"}
    settings = LitLoggerSettings.read(environment, owner="us", api_key="secret")
    assert (settings.owner, settings.api_key, settings.user_id) == ("us", "secret", "u")
    assert "secret" not in repr(settings)


def test_a_server_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    for name in ("LIGHTNING_API_KEY", "LIGHTNING_USER_ID"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LIGHTNING_CLOUD_URL", f"http://127.0.0.1:{port}")
    pytest.importorskip("litlogger", reason="litlogger is not installed")
    from mooring.exchange.targets.litlogger import LitLoggerTarget

    target = LitLoggerTarget(LitLoggerSettings(owner="me", api_key="k", user_id="u"))
    try:
        with pytest.raises(TargetUnreachable, match="run-1"):
            target.find_run(source_run())
    finally:
        target.close()
