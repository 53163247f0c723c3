// Package main judges Kubernetes objects as GitOps tools do, with their own libraries: kstatus, which Flux and many
// command lines wait with (here the upstream library, of which Flux has a fork), and Flux's healthCheckExprs. It reads one request a line and answers one line each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

const longestLine = 4 << 20

type request struct {
	Object      json.RawMessage                   `json:"object"`
	Expressions *kustomize.HealthCheckExpressions `json:"expressions"`
}

type answer struct {
	Kstatus string `json:"kstatus"`
	Message string `json:"message"`
	Flux    string `json:"flux,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		found, err := judge(lines.Bytes())
		if err == nil {
			err = answers.Encode(found)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(line []byte) (answer, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{}, err
	}
	object := &unstructured.Unstructured{}
	// It reads whole numbers as the API machinery wants them, where encoding/json makes them floating.
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return answer{}, err
	}
	computed, err := status.Compute(object)
	if err != nil {
		return answer{}, err
	}
	found := answer{Kstatus: computed.Status.String(), Message: computed.Message}
	if asked.Expressions == nil {
		return found, nil
	}
	evaluator, err := cel.NewStatusEvaluator(asked.Expressions)
	if err != nil {
		return answer{}, err
	}
	flux, err := evaluator.Evaluate(context.Background(), object)
	if err != nil {
		return answer{}, err
	}
	found.Flux = flux.Status.String()
	return found, nil
}
