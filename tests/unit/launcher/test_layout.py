import os
import stat
from pathlib import Path

import pytest

from services.launcher.stack.errors import AlreadyRunning, UnusableDataDir
from services.launcher.stack.layout import Layout, default_data_dir, layout_of


def test_folders_are_closed_to_others(layout: Layout) -> None:
    for folder in (layout.data_dir, layout.run, layout.log, layout.valkey, layout.seaweedfs):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_sockets_lie_in_the_data_directory_where_the_path_is_short(tmp_path: Path) -> None:
    layout = Layout(Path("/srv/earmark"))
    assert layout.socket("supervisor") == Path("/srv/earmark/run/supervisor.sock")


def test_sockets_of_a_deep_data_directory_lie_in_a_short_private_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep" * 25))
    layout.create()
    socket = layout.socket("supervisor")
    try:
        assert len(os.fsencode(socket)) < 90
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert Layout(layout.data_dir).socket("supervisor") == socket
    finally:
        layout.remove_sockets()
    assert not socket.parent.exists()


def test_a_socket_folder_that_others_could_have_made_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep" * 25))
    folder = layout.socket("supervisor").parent
    folder.mkdir(mode=0o755)
    try:
        with pytest.raises(UnusableDataDir):
            layout.create()
    finally:
        layout.remove_sockets()


@pytest.mark.parametrize("name", ["50 %", "a ;b", "a #b", "line\nbreak"])
def test_a_path_that_no_configuration_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableDataDir):
        Layout(tmp_path / name).create()


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UnusableDataDir, match=r"thesis\.tex"):
        Layout(tmp_path).create()


def test_an_existing_data_directory_is_taken_again(layout: Layout) -> None:
    layout.keepsake_file.touch()
    (layout.data_dir / "notes.txt").touch()
    layout.create()


def test_only_one_holds_a_data_directory(layout: Layout) -> None:
    with layout.held(), pytest.raises(AlreadyRunning), Layout(layout.data_dir).held():
        pass


def test_a_released_data_directory_can_be_held_again(layout: Layout) -> None:
    with layout.held():
        pass
    with layout.held():
        pass


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARMARK_DATA_DIR", str(tmp_path))
    assert default_data_dir() == tmp_path
    assert layout_of(None) == Layout(tmp_path)


def test_root_keeps_its_data_where_postgres_can_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_DATA_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/earmark")
