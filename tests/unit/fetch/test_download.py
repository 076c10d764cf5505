"""Names of downloaded files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.fetch.download import resolve_target, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\win.ini", "win.ini"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a/", "file"),
        ("a\0b\n", "a_b_"),
        ("CON:x", "CON_x"),
        ("ü" * 300 + ".png", "ü" * 98 + ".png"),
    ],
)
def test_a_name_stays_in_its_folder(name, safe):
    assert safe_name(name) == safe
    assert len(safe.encode()) <= 200


def test_where_a_file_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_target(None, "a") == tmp_path / "a"
    assert resolve_target(tmp_path, "a") == tmp_path / "a"
    assert resolve_target(f"{tmp_path}/new/", "a") == tmp_path / "new" / "a"
    assert resolve_target("x.png", "a") == Path("x.png")
