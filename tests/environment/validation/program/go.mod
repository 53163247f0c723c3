// The versions are those of a control plane: `go build -modfile` names tests/environment/cluster/tools/kubernetes*/go.mod.
module modelservice.dev/tests/validation

go 1.23.0
