package main

import (
	"context"
	"encoding/json"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

type definition struct {
	Errors []string `json:"errors"`
	// Estimated cost as a fraction of the limit of a schema.
	Cost  float64 `json:"cost"`
	Rules []rule  `json:"rules"`
}

type rule struct {
	Path string `json:"path"`
	Rule string `json:"rule"`
	// Estimated cost as a fraction of the limit of a rule.
	Cost float64 `json:"cost"`
}

func readDefinition(data []byte) (*v1.CustomResourceDefinition, error) {
	crd := new(v1.CustomResourceDefinition)
	return crd, json.Unmarshal(data, crd)
}

// validateDefinition does what the API server does with a new object: defaults, conversion, validation.
func validateDefinition(crd *v1.CustomResourceDefinition) (definition, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	scheme.Default(crd)
	internal := new(apiextensions.CustomResourceDefinition)
	if err := scheme.Convert(crd, internal, nil); err != nil {
		return definition{}, err
	}
	internal.Status.StoredVersions = []string{internal.Spec.Versions[0].Name}
	result := definition{Errors: messages(validation.ValidateCustomResourceDefinition(context.Background(), internal))}
	schema := internal.Spec.Validation.OpenAPIV3Schema
	err := result.addCosts(schema, nil, validation.RootCELContext(schema))
	return result, err
}

// addCosts adds the rules of a schema and of all schemas in it (the validation itself keeps only rules above the limit).
func (d *definition) addCosts(schema *apiextensions.JSONSchemaProps, path *field.Path, place *validation.CELSchemaContext) error {
	for name, child := range schema.Properties {
		if err := d.addCosts(&child, path.Child(name), place.ChildPropertyContext(&child, name)); err != nil {
			return err
		}
	}
	if values := schema.AdditionalProperties; values != nil && values.Schema != nil {
		if err := d.addCosts(values.Schema, path.Key("*"), place.ChildAdditionalPropertiesContext(values.Schema)); err != nil {
			return err
		}
	}
	if items := schema.Items; items != nil && items.Schema != nil {
		if err := d.addCosts(items.Schema, path.Key(""), place.ChildItemsContext(items.Schema)); err != nil {
			return err
		}
	}
	if len(schema.XValidations) == 0 {
		return nil
	}
	return d.addRules(schema.XValidations, path, place)
}

func (d *definition) addRules(rules apiextensions.ValidationRules, path *field.Path, place *validation.CELSchemaContext) error {
	info, err := place.TypeInfo()
	if err != nil {
		return err
	}
	results, err := cel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit, baseEnvironment(), cel.NewExpressionsEnvLoader())
	if err != nil {
		return err
	}
	name := ""
	if path != nil {
		name = path.String()
	}
	for index, result := range results {
		cost := cost(result, place)
		d.Cost += cost / validation.StaticEstimatedCRDCostLimit
		d.Rules = append(d.Rules, rule{name, rules[index].Rule, cost / validation.StaticEstimatedCostLimit})
	}
	return nil
}

// cost returns the estimated cost of all evaluations of a rule in an object.
func cost(result cel.CompilationResult, place *validation.CELSchemaContext) float64 {
	evaluations := result.MaxCardinality
	if place.MaxCardinality != nil {
		evaluations = *place.MaxCardinality
	}
	return float64(result.MaxCost) * float64(evaluations)
}

func messages(errors field.ErrorList) []string {
	result := []string{}
	for _, err := range errors {
		result = append(result, err.Error())
	}
	return result
}
