import stat

import pytest

from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout
from services.launcher.stack.state import Keepsake, StackState


def test_the_state_file_is_for_its_owner_alone(layout: Layout, state: StackState) -> None:
    state.save(layout)
    assert stat.S_IMODE(layout.state_file.stat().st_mode) == 0o600


def test_a_saved_state_comes_back_as_it_was(layout: Layout, state: StackState) -> None:
    state.save(layout)
    assert StackState.load(layout) == state


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"url": "http://127.0.0.1:1"}'])
def test_what_cannot_be_read_is_no_state(layout: Layout, text: str | None) -> None:
    if text is not None:
        layout.state_file.write_text(text)
    assert StackState.load(layout) is None


def test_the_public_view_is_what_the_contract_says(state: StackState) -> None:
    view = state.public_view()
    assert set(view) == {"url", "s3_endpoint", "database_url", "redis_url", "flower_url", "data_dir"}
    assert view["data_dir"] == str(state.data_dir)


def test_no_secret_is_printed(state: StackState) -> None:
    assert "hush" not in repr(state)


@pytest.mark.enable_socket
def test_secrets_and_ports_are_made_once(layout: Layout) -> None:
    assert Keepsake.of(layout) == Keepsake.of(layout)
    assert stat.S_IMODE(layout.keepsake_file.stat().st_mode) == 0o600


@pytest.mark.enable_socket
def test_no_two_secrets_are_the_same(layout: Layout) -> None:
    secrets = [value for value in Keepsake.of(layout).model_dump().values() if isinstance(value, str)]
    assert len(set(secrets)) == len(secrets) == 7
    assert all(len(secret) == 40 for secret in secrets)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(layout: Layout) -> None:
    path = layout.run / "file"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    assert [entry.name for entry in layout.run.iterdir()] == ["file"]
