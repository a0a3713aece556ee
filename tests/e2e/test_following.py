"""One file from its PUT to its name, and one label: by their ids in the logs, as chains, and in what is measured."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared import metrics
from tests.support.scraping import Series, scraped
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
COLLECTION, SPEAKER, OTHER = "followed", "Ottilie von Nirgendwo", "Kunigunde von Irgendwo"
KEY = f"{COLLECTION}/a b/bridge.flac"
MEASURED = ("relay", "reconciler", "watch", "ingest", "embedder", "clusterer")


@dataclass(frozen=True)
class Story:
    stack: FullStack
    upload: dict[str, Any]
    label: dict[str, Any]  # chains, as the command tells them
    segment_id: str
    presigned: str

    def logs(self) -> dict[str, str]:
        """Of Earmark's own programs and of the servers; the newest part of each."""
        return {path.stem: path.read_text() for path in (self.stack.data_dir / "log").glob("*.log")}

    def programs_that_name(self, correlation_id: str) -> set[str]:
        return {
            name for name, text in self.logs().items() for line in text.splitlines() if correlation_id in _ids(line)
        }

    def measured(self, program: str) -> Series:
        return scraped(self.stack.state.ports[f"metrics-{program}"])


def _ids(line: str) -> list[str]:
    try:
        fields = json.loads(line)
    except ValueError:  # Celery's own lines
        return []
    return [*fields.get("correlation_ids", []), fields.get("correlation_id", "")]


@pytest.fixture(scope="module")
def story(full_stack: FullStack, demo_audio: Path) -> Story:
    full_stack.collection(COLLECTION)
    full_stack.put(demo_audio / "bridge.flac", KEY)
    full_stack.settled(COLLECTION, 1)
    full_stack.idle()
    segment_id = json.loads(full_stack.earmark("segments", "-c", COLLECTION, "--json").stdout)[0]["segment_id"]
    said = json.loads(full_stack.earmark("label", "--segment", segment_id, SPEAKER, "--wait", "--json").stdout)
    full_stack.idle()
    with full_stack.api() as api:
        asked = {"paths": ["never.wav"]}
        presigned = api.post(f"/v1/collections/{COLLECTION}/uploads", json=asked).raise_for_status().text
    return Story(full_stack, trace(full_stack, KEY), trace(full_stack, said["label_id"]), segment_id, presigned)


def trace(stack: FullStack, of: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.earmark("trace", of, "--json").stdout)
    return found


def test_an_upload_is_in_the_logs_of_everybody_who_worked_on_it(story: Story) -> None:
    assert story.programs_that_name(story.upload["correlation_id"]) == {"watch", "ingest", "embedder", "clusterer"}


def test_a_label_is_in_the_logs_from_the_call_to_the_names(story: Story) -> None:
    assert story.programs_that_name(story.label["correlation_id"]) == {"console", "clusterer"}


def test_the_chain_of_an_upload_tells_its_steps_with_their_times(story: Story) -> None:
    steps = story.upload["steps"]
    names = [step["type"].removeprefix("io.earmark.").rpartition(".v")[0] for step in steps]
    assert names[:3] == ["object.seen", "recording.registered", "segments.created"]
    assert {"segments.embedded", "recording.embedded", "segments.assigned"} <= set(names)
    for step in steps[1:]:
        assert step["waited_s"] >= 0, step
        assert step["worked_s"] >= 0, step
        assert step["attempt"] == 1, step
        assert step["open"] == [], step


def test_a_label_leads_back_to_the_upload_of_its_segment(story: Story) -> None:
    assert [link["correlation_id"] for link in story.label["links"]] == [story.upload["correlation_id"]]
    assert trace(story.stack, story.segment_id)["correlation_id"] == story.upload["correlation_id"]


def test_people_get_a_table(story: Story) -> None:
    shown = story.stack.earmark("trace", KEY)
    assert "recording.registered" in shown.stdout
    assert story.label["correlation_id"] in shown.stderr


def test_every_program_answers_prometheus_on_its_own_port(story: Story) -> None:
    for program in MEASURED:
        strange = {name for name in story.measured(program) if not known(name)}
        assert strange == set(), program


def known(sample: str) -> bool:
    return any(sample in {name, f"{name}_bucket", f"{name}_count", f"{name}_sum"} for name in metrics.names())


def test_the_work_of_all_processes_of_a_worker_is_counted_together(story: Story) -> None:
    ingest, embedder = story.measured("ingest"), story.measured("embedder")
    assert ingest["earmark_deliveries_total"]["done", "ingest.register"] >= 1
    assert ingest["earmark_decode_seconds_count"][()] >= 1
    assert ingest["earmark_decoded_audio_seconds_total"][()] > 10
    assert embedder["earmark_embedded_audio_seconds_total"][()] > 10
    assert embedder["earmark_model_batch_inputs_count"][()] >= 1
    assert embedder["earmark_message_segments_sum"]["embedder.embed",] >= 1
    assert story.measured("clusterer")["earmark_handler_seconds_count"]["clusterer.propagate",] >= 1


def test_what_the_relay_and_the_watcher_do_is_counted(story: Story) -> None:
    relay, watch = story.measured("relay"), story.measured("watch")
    assert relay["earmark_relay_deliveries_total"]["embedder.embed",] >= 1
    assert relay["earmark_redis_queue_messages"]["embedder",] >= 0
    assert watch["earmark_sweep_seconds_count"][()] >= 1
    assert sum(watch["earmark_objects_seen_total"].values()) >= 1


def test_no_log_holds_a_secret_a_presigned_address_or_a_name(story: Story) -> None:
    state = story.stack.state
    secrets = {state.token, state.hint_token, state.s3_secret_key}
    secrets |= {str(urlsplit(url).password) for url in (state.database_url, state.redis_url)}
    assert "X-Amz-Signature=" in story.presigned
    rename_to_a_taken_name(story)
    leaks = [
        (name, word)
        for name, text in story.logs().items()
        for word in (*secrets, "X-Amz-Signature", SPEAKER, "Ottilie", "Kunigunde")
        if word in text
    ]
    assert leaks == []


def rename_to_a_taken_name(story: Story) -> None:
    """Postgres refuses that, and says why."""
    story.stack.earmark("label", "--segment", story.segment_id, OTHER, "--wait")
    refused = story.stack.earmark("speakers", "rename", OTHER, SPEAKER, check=False)
    assert "speaker_name_taken" in refused.stderr
    assert "duplicate key value" in story.logs()["postgres"]
