"""The command line for users of ModelServices: `modelservice`, and `kubectl modelservice` as a plugin of kubectl.

main        parses the command line, runs one command, turns errors into one sentence and an exit code
arguments   options that several commands share
errors      CliError and the exit codes
documents   YAML and JSON documents of files, directories and standard input, with their positions
go_text     values as Go prints them
output      tables, YAML, JSON, names and colours
cluster     requests to an API server by the official client
commands    one module per command
offline     judges objects as the API server does, without one
convert     other manifests to ModelServices
view        what the reading commands show, as functions of objects

It is installed by the extra `cli`, and is not part of the operator's image. It may import the pure packages of
`modelservice_operator`, which never imports it (ADR 0046).
"""
