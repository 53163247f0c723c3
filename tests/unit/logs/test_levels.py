"""The annotation on the Lease sets the level; without it the level is that of the flag again."""

import logging
from collections.abc import Iterator

import pytest

from modelservice_operator.logs.levels import LEVEL_ANNOTATION, LevelSwitch

PACKAGE = "modelservice_operator"


@pytest.fixture
def package() -> Iterator[logging.Logger]:
    logger = logging.getLogger(PACKAGE)
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield logger
    logger.setLevel(before)


def test_annotation_sets_the_level_until_it_is_removed(package: logging.Logger) -> None:
    switch = LevelSwitch()
    switch.observe({LEVEL_ANNOTATION: "debug"})
    assert package.level == logging.DEBUG
    switch.observe({})
    assert package.level == logging.WARNING


def test_change_of_the_level_is_logged_once(package: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    switch = LevelSwitch()
    for _ in range(3):
        switch.observe({LEVEL_ANNOTATION: "error"})
    assert [entry.getMessage() for entry in caplog.records] == ["Log level is error"]
    assert package.level == logging.ERROR


def test_unknown_level_is_reported_and_changes_nothing(
    package: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    switch = LevelSwitch()
    for _ in range(3):
        switch.observe({LEVEL_ANNOTATION: "verbose"})
    assert package.level == logging.WARNING
    [entry] = caplog.records
    assert "is 'verbose', which is none of debug, info, warning, error" in entry.getMessage()
