import random
from pathlib import Path

import pytest

from services.launcher.stack.layout import Layout
from services.launcher.stack.state import StackState


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data")
    layout.create()
    return layout


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


@pytest.fixture
def state(layout: Layout) -> StackState:
    return StackState(
        url="http://127.0.0.1:1",
        flower_url="http://127.0.0.1:2",
        s3_endpoint="http://127.0.0.1:3",
        s3_access_key="earmark",
        s3_secret_key="hush-s3",
        database_url="postgresql://earmark:hush-postgres@127.0.0.1:4/earmark",
        redis_url="redis://:hush-redis@127.0.0.1:5/0",
        data_dir=layout.data_dir,
        token="hush-token",
        hint_token="hush-hint",
        ports={"console": 1, "flower": 2, "watch": 6},
        services=("relay",),
    )
