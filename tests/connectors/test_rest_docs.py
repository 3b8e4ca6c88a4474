"""The page on the REST connector can't lie: its YAML is read, put together step by step, and run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.base import Deadline, NewRecord, TaskOutcome
from connectors.rest import RestOptions
from connectors.rest.presets import merged
from connectors.testing import activity
from tests.connectors.rest_case import Opened
from tests.fakes.rest_crm import RestCrm, task
from tests.fakes.rest_crm.signin import TOKEN

PAGE = (Path(__file__).parents[2] / "docs" / "connectors" / "rest.md").read_text("utf-8")
TUTORIAL, REFERENCE = PAGE.split("# Reference")
SOON = Deadline.after(3600)


def blocks(text: str) -> list[dict[str, Any]]:
    return [YAML(typ="safe", pure=True).load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def steps() -> list[dict[str, Any]]:
    """The section as it stands after each step."""
    section: dict[str, Any] = {}
    built = []
    for block in blocks(TUTORIAL):
        section = merged(section, block)
        built.append(section)
    return built


def mapping(crm: RestCrm) -> dict[str, Any]:
    """What the tutorial ends with, on the pretended CRM; its several tries are an aside."""
    section = steps()[-1]
    section["records"]["contact"]["search"] = blocks(TUTORIAL)[1]["records"]["contact"]["search"]
    return {**section, "base_url": crm.url}


@pytest.mark.parametrize("step", range(len(steps())))
def test_each_step_of_the_tutorial_is_a_configuration(step: int, tmp_path: Path) -> None:
    made = RestOptions.model_validate(steps()[step])
    assert list(made.problems(tmp_path)) == []
    for use in made.templates():
        assert use.template.names <= use.names


@pytest.mark.parametrize("block", range(len(blocks(REFERENCE))))
def test_each_example_of_the_reference_is_a_configuration(block: int) -> None:
    base = {"type": "rest", "base_url": "https://crm.example.com"}
    made = RestOptions.model_validate({**base, **blocks(REFERENCE)[block]})
    assert set(blocks(REFERENCE)[block]) <= made.model_fields_set


def test_the_tutorials_mapping_works(crm: RestCrm) -> None:
    assert TOKEN in PAGE
    crm.auth = "bearer"
    crm.store.tasks = [task(1, "600112233", "2024-05-02T10:00:00Z")]
    opened = Opened(crm, mapping(crm))
    connector = opened.connector
    [ana] = opened.contacts()
    assert dict(ana.fields) == {"id": 2, "name": "Ana", "agent_phone": "911000001"}
    assert [record.fields["status"] for record in opened.orders("00077")] == ["Enviado"]
    assert opened.orders("00078") == []
    first = connector.log_activity(activity(contact=ana), SOON)
    assert not connector.log_activity(activity(contact=ana, attempt=2), SOON).created
    connector.log_activity(activity(subject="Corregida", revision=2, written_id=first.id), SOON)
    assert [(row["subject"], row["customer"], row["seconds"]) for row in crm.store.calls] == [("Corregida", 2, 35)]
    [waiting] = connector.tasks(SOON)
    assert waiting.fields["due"] == datetime(2024, 5, 2, 10, tzinfo=UTC)
    connector.update_task(waiting, TaskOutcome("claimed", "Tomada", datetime.now(UTC)), SOON)
    assert connector.read_task(waiting, SOON) == waiting
    connector.update_task(waiting, TaskOutcome("answered", "Contestada", datetime.now(UTC)), SOON)
    assert crm.store.tasks[0]["told"] == ["working", "done"]
    connector.save(NewRecord("survey", "call-1", {"phone": "+34600112233", "score": "9"}), SOON)
    assert not connector.save(NewRecord("survey", "call-1", {}, attempt=2), SOON).created
    assert [finding for finding in connector.probe(SOON) if not finding.ok] == []
    connector.close()
