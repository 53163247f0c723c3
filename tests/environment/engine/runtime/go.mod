module modelservice.dev/tests/engine/runtime

go 1.25.0
