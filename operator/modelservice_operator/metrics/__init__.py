"""Metrics of the operator, in the names of controller-runtime and client-go where these have one (ADR 0039).

Only this package imports prometheus_client. `instruments` has what is counted while it happens, `scraped` what is read
at a scrape, `exposition` the response.
"""
