"""Tasks of which only the id is known, because nothing else of what came is to be believed: they are read from their
CRM in the background, and taken then. Durable like everything that has to reach a CRM."""

from __future__ import annotations

from bridge.callbacks.task_intake import NobodysTask, TaskIntake
from bridge.store.deliveries import Delivery, NewDelivery
from connectors.base import Connector, Deadline, Task, WriteResult

KIND = "task"


def wanted(source: str, connector: str, task_id: str, notification: str) -> NewDelivery:
    """Return the delivery that looks at a task; the same `notification` (the CRM's id of the message) again is the
    same."""
    payload = {"source": source, "task_id": task_id}
    return NewDelivery(KIND, f"task:{source}:{notification}", connector, payload)


def deliver(delivery: Delivery, connector: Connector, intake: TaskIntake, deadline: Deadline) -> WriteResult:
    """Read the task and take it; nothing is to be done where the CRM no longer has it, or no longer asks for a call.
    Raises `ConnectorError`, `NoSuchSource`."""
    payload = delivery.payload
    task = connector.read_task(Task(payload["task_id"], {}), deadline)
    if task is None:
        return WriteResult(payload["task_id"], created=False, exchange="the CRM has no such task that asks for a call")
    try:
        taken = intake.accept(intake.source_of(payload["source"], delivery.connector), task)
    except NobodysTask as error:
        return WriteResult(payload["task_id"], created=False, exchange=str(error))
    return WriteResult(task.id, created=taken.new, exchange=f"callback {taken.id}: {taken.state.value}")
