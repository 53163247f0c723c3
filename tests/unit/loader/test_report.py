"""The report in the termination message, of which Kubernetes keeps 4096 bytes."""

from model_loader.errors import LoaderError, Reason
from model_loader.redaction import Redactor
from model_loader.report import Report


def test_report_is_one_line_within_the_size_limit() -> None:
    report = Report.from_error(LoaderError(Reason.TIMEOUT, "x\n" * 9000), uri="s3://" + "a" * 5000, seconds=1.234)
    to_json_line = report.to_json_line(Redactor().redact)
    assert "\n" not in to_json_line
    assert len(to_json_line.encode()) < 4096
