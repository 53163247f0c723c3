module modelservice.dev/tests/traffic/generator

go 1.25.0
