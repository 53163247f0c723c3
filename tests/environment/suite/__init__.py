"""The test run itself: where its time goes, which worker runs which file, and what it leaves behind."""
