// Package main validates a CustomResourceDefinition and admission policies as the API server of one Kubernetes version
// does, with the code of that version. It reads one request from standard input and writes one answer.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type request struct {
	Definition json.RawMessage `json:"definition"`
	// Policies, their bindings and the parameters that the bindings name.
	Manifests []*unstructured.Unstructured `json:"manifests"`
	// The object for which the cost of the policies is measured.
	Object *unstructured.Unstructured `json:"object"`
}

type answer struct {
	Definition definition `json:"definition"`
	Manifests  []manifest `json:"manifests"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	crd, err := readDefinition(asked.Definition)
	if err != nil {
		return err
	}
	result := answer{Manifests: []manifest{}}
	if result.Definition, err = validateDefinition(crd); err != nil {
		return err
	}
	if result.Manifests, err = validateManifests(crd, asked); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
