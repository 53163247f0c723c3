import logging

import pytest

from modelservice_operator.apply.dropped_fields import DroppedFieldsLog, dropped_fields

SENT = {"model": {"uri": "s3://a", "progress": {"percent": 5}}, "conditions": [{"type": "Ready", "status": "True"}]}


def test_dropped_fields_are_found_at_any_depth() -> None:
    stored = {"model": {"uri": "s3://a"}, "conditions": [{"type": "Ready"}]}
    assert list(dropped_fields(SENT, stored, "status")) == ["status.model.progress", "status.conditions[].status"]
    assert list(dropped_fields(SENT, SENT, "status")) == []
    assert list(dropped_fields(SENT, {}, "status")) == ["status.model", "status.conditions"]


def test_dropped_field_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log = DroppedFieldsLog()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            log.report(SENT, SENT | {"model": {"uri": "s3://a"}})
        log.report(SENT, SENT)
    [message] = caplog.messages
    assert "drops status.model.progress of ModelServices" in message
