"""The file of the accounts: who may read it, which formats it has, what its faults are called."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from mooring.errors import (
    AlreadyExists,
    InvalidAddress,
    MooringError,
    NotAStore,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreTooNew,
)
from mooring.hub.accounts import Accounts, accounts_of, database
from mooring.hub.settings import HubSettings
from tests.unit.hub.accounts.conftest import principal


def _format(place: Path) -> int:
    connection = sqlite3.connect(place)
    (found,) = connection.execute("SELECT format FROM accounts_format").fetchone()
    connection.close()
    return int(found)


class TestPlace:
    def test_is_beside_the_store(self, tmp_path: Path) -> None:
        accounts_of(HubSettings(store=str(tmp_path / "team.db"))).close()
        assert (tmp_path / "team.db-data" / "hub.db").exists()

    def test_is_where_the_settings_say(self, tmp_path: Path) -> None:
        settings = HubSettings(
            store=str(tmp_path / "team.db"), accounts=f"sqlite:///{tmp_path}/other.db"
        )
        accounts_of(settings).close()
        assert (tmp_path / "other.db").exists()
        assert not settings.data.exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
    @pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
    def test_is_its_owners_alone(self, place: Path, form: str) -> None:
        accounts = Accounts.open(form.format(place))
        accounts.create_user("ada")
        for file in place.parent.glob("hub.db*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        accounts.close()

    @pytest.mark.parametrize("name", ["a?b=c", "100%25", "a b#c", "é"])
    def test_of_any_name(self, tmp_path: Path, name: str) -> None:
        Accounts.open(tmp_path / name / "hub.db").close()
        assert (tmp_path / name / "hub.db").stat().st_size > 0

    @pytest.mark.parametrize(
        "address",
        ["mysql://ada:s3cret@host/db", "nothing://s3cret", "sqlite://", "sqlite:///:memory:"],
    )
    def test_that_holds_no_accounts_is_refused(self, address: str) -> None:
        with pytest.raises(InvalidAddress) as caught:
            Accounts.open(address)
        assert "s3cret" not in str(caught.value)

    def test_in_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match="cannot be kept in"):
            Accounts.open(tmp_path / "file" / "hub.db")


class TestFormat:
    def test_a_newer_one_is_refused_and_left_alone(self, place: Path) -> None:
        Accounts.open(place).close()
        connection = sqlite3.connect(place)
        connection.execute("UPDATE accounts_format SET format = 99")
        connection.commit()
        connection.close()
        with pytest.raises(StoreTooNew, match="Upgrade Mooring") as caught:
            Accounts.open(place)
        assert caught.value.found == 99
        assert _format(place) == 99

    def test_an_older_one_is_led_on_once(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = Accounts.open(place)
        secret = before.create_token(before.create_user("ada").name).secret
        before.close()
        ran = []

        def add_column(connection: Connection) -> None:
            ran.append(1)
            connection.execute(text("ALTER TABLE users ADD COLUMN shown TEXT"))

        monkeypatch.setattr(database, "MIGRATIONS", (add_column,))
        for _ in range(2):
            after = Accounts.open(place)
            assert after.authenticate(secret).name == "ada"
            after.close()
        assert (ran, _format(place)) == ([1], 2)

    def test_a_migration_that_fails_changes_nothing(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Accounts.open(place).close()

        def fail(connection: Connection) -> None:
            connection.execute(text("ALTER TABLE users ADD COLUMN shown TEXT"))
            connection.execute(text("SELECT * FROM nothing_of_this_name"))

        with monkeypatch.context() as patched:
            patched.setattr(database, "MIGRATIONS", (fail,))
            with pytest.raises(StoreError):
                Accounts.open(place)
        assert _format(place) == 1
        accounts = Accounts.open(place)
        assert accounts.create_user("ada").name == "ada"
        accounts.close()


class TestFaults:
    def test_a_file_that_is_no_database(self, place: Path) -> None:
        place.parent.mkdir()
        place.write_bytes(b"not a database, but long enough to look at" * 100)
        with pytest.raises(NotAStore):
            Accounts.open(place)

    def test_a_database_of_others(self, place: Path) -> None:
        place.parent.mkdir()
        connection = sqlite3.connect(place)
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
        connection.close()
        with pytest.raises(NotAStore, match="no accounts of a hub"):
            Accounts.open(place)

    def test_a_damaged_one(self, place: Path) -> None:
        accounts = Accounts.open(place)
        for number in range(200):
            accounts.create_user(f"user{number}")
        accounts.close()
        content = bytearray(place.read_bytes())
        content[4096 : len(content)] = b"\xa5" * (len(content) - 4096)
        place.write_bytes(content)
        with pytest.raises(StoreCorrupt):
            Accounts.open(place).list_users()

    def test_one_that_another_process_holds(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_BUSY_MS", 50)
        accounts = Accounts.open(place)
        secret = accounts.create_token(accounts.create_user("ada").name).secret
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="another process"):
            accounts.create_user("bob")
        assert accounts.authenticate(secret).name == "ada"  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        assert accounts.create_user("bob").name == "bob"
        accounts.close()

    def test_contradictions_are_ours_and_show_no_values(self, accounts: Accounts) -> None:
        with pytest.raises(StoreError) as caught:
            accounts.note_upload("a" * 64, 12345)
        assert "12345" not in str(caught.value)

    def test_no_connection_is_waited_for(self, accounts: Accounts) -> None:
        secret = accounts.create_token(accounts.create_user("ada").name).secret
        found: list[str] = []
        start = threading.Barrier(60)

        def ask() -> None:
            start.wait()
            for _ in range(5):
                found.append(accounts.authenticate(secret).name)

        threads = [threading.Thread(target=ask) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["ada"] * 300


_FIRST_START = """
import sys
from mooring.hub.accounts import Accounts
print("ready", flush=True)
sys.stdin.readline()
accounts = Accounts.open(sys.argv[1])
print("made" if accounts.ensure_administrator() else "there", accounts.signing_key().hex())
"""


class TestTogether:
    def test_processes_that_start_at_once_make_one_administrator(self, place: Path) -> None:
        starting = [
            subprocess.Popen(
                [sys.executable, "-c", _FIRST_START, str(place)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in starting:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in starting:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate()[0].split() for process in starting]
        assert [process.returncode for process in starting] == [0] * 4
        assert sorted(said for said, _ in answers) == ["made", "there", "there", "there"]
        assert len({key for _, key in answers}) == 1

    def test_threads_that_want_one_name_make_one_user(self, place: Path) -> None:
        opened = [Accounts.open(place) for _ in range(4)]
        outcomes: list[object] = []
        start = threading.Barrier(8)

        def create(accounts: Accounts) -> None:
            start.wait()
            try:
                outcomes.append(accounts.create_user("ada", email="ada@example.org").id)
            except MooringError as error:
                outcomes.append(type(error))

        threads = [threading.Thread(target=create, args=(opened[i % 4],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count(AlreadyExists) == 7
        assert [user.name for user in opened[0].list_users()] == ["ada"]
        assert len(opened[0].list_workspaces(principal(opened[0], "ada"))) == 1
        for accounts in opened:
            accounts.close()


def test_what_the_hub_remembers(place: Path) -> None:
    first = Accounts.open(place)
    assert first.get_address() is None
    first.set_address("http://one")
    first.set_address("http://two")
    key = first.signing_key()
    first.close()
    second = Accounts.open(place)
    assert (second.get_address(), second.signing_key(), len(key)) == ("http://two", key, 32)
    second.close()
