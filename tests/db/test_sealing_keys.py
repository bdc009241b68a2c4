"""Keys come from the settings and the data directory, and are made once when there are none."""

import logging
import multiprocessing
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from roost.db.sealing import SecretBox, SecretKeyError, open_secret_box
from roost.db.sealing.keys import FILE_NAME

WORDS = "some-words-that-are-long-enough"


def _key() -> str:
    return Fernet.generate_key().decode()


def test_without_any_key_one_is_made_that_only_the_owner_can_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sealed = open_secret_box((), tmp_path / "new").seal("v")
    file = tmp_path / "new" / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [found.name for found in file.parent.iterdir()] == [FILE_NAME]
    assert open_secret_box((), tmp_path / "new").open(sealed) == "v"
    key = file.read_text().splitlines()[-1]
    assert key not in caplog.text
    assert key not in repr(open_secret_box((), tmp_path / "new"))


def _seal(directory: Path, together: Barrier, sealed: Path) -> None:
    together.wait(30)
    sealed.write_bytes(open_secret_box((), directory).seal("v"))


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    data_dir = tmp_path / "data"
    barrier = context.Barrier(6)
    sealed = [tmp_path / f"sealed{number}" for number in range(6)]
    processes = [context.Process(target=_seal, args=(data_dir, barrier, path)) for path in sealed]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    box = open_secret_box((), data_dir)
    assert [box.open(path.read_bytes()) for path in sealed] == ["v"] * 6
    assert [found.name for found in data_dir.iterdir()] == [FILE_NAME]


def test_configured_keys_go_before_the_files(tmp_path: Path) -> None:
    from_file = open_secret_box((), tmp_path).seal("v")
    both = open_secret_box((WORDS,), tmp_path)
    assert both.open(from_file) == "v"
    assert SecretBox([WORDS]).open(both.seal("new")) == "new"


def test_a_configured_key_makes_no_file(tmp_path: Path) -> None:
    open_secret_box((WORDS,), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_key_and_no_directory_is_refused() -> None:
    with pytest.raises(SecretKeyError, match="ROOST_SECRET_KEYS"):
        open_secret_box((), None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    open_secret_box((), tmp_path)
    (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        open_secret_box((), tmp_path)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(_key())
    elsewhere.chmod(0o600)
    (tmp_path / FILE_NAME).symlink_to(elsewhere)
    with pytest.raises(SecretKeyError, match=FILE_NAME):
        open_secret_box((), tmp_path)


def test_an_empty_file_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text("# nothing\n")
    file.chmod(0o600)
    with pytest.raises(SecretKeyError, match="holds no key"):
        open_secret_box((), tmp_path)
    assert file.read_text() == "# nothing\n"
