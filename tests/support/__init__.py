"""What several tests share: builders of objects, the operator as a process, the audit log's counts."""
