package main

import (
	"context"
	"fmt"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	"k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	"k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
)

const componentPrefix = "#/components/schemas/"

type manifest struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	// Cost of the match conditions and of the validations, as fractions of their limits.
	MatchCost      float64 `json:"matchCost"`
	ValidationCost float64 `json:"validationCost"`
}

// validateManifests checks all policies and bindings; other kinds are parameters.
func validateManifests(crd *apiextensions.CustomResourceDefinition, asked request) ([]manifest, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	types, err := newTypes(crd)
	if err != nil {
		return nil, err
	}
	result := []manifest{}
	for _, body := range asked.Manifests {
		found := manifest{Kind: body.GetKind(), Name: body.GetName(), Errors: []string{}, Warnings: []string{}}
		switch found.Kind {
		case "ValidatingAdmissionPolicy":
			err = found.checkPolicy(scheme, types, body, asked)
		case "ValidatingAdmissionPolicyBinding":
			err = found.checkBinding(scheme, body)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", found.Name, err)
		}
		result = append(result, found)
	}
	return result, nil
}

func (m *manifest) checkBinding(scheme *runtime.Scheme, body *unstructured.Unstructured) error {
	binding, internal := new(v1.ValidatingAdmissionPolicyBinding), new(admissionregistration.ValidatingAdmissionPolicyBinding)
	if err := decode(scheme, body, binding, internal); err != nil {
		return err
	}
	m.Errors = messages(validation.ValidateValidatingAdmissionPolicyBinding(internal))
	return nil
}

func (m *manifest) checkPolicy(scheme *runtime.Scheme, types *types, body *unstructured.Unstructured, asked request) error {
	policy, internal := new(v1.ValidatingAdmissionPolicy), new(admissionregistration.ValidatingAdmissionPolicy)
	if err := decode(scheme, body, policy, internal); err != nil {
		return err
	}
	m.Errors = messages(validation.ValidateValidatingAdmissionPolicy(internal))
	m.checkTypes(policy, types)
	if asked.Object == nil {
		return nil
	}
	return m.measure(policy, types, asked)
}

// checkTypes checks lists of all expressions: for each single one the API server compiles all variables again.
func (m *manifest) checkTypes(policy *v1.ValidatingAdmissionPolicy, types *types) {
	checker := validating.TypeChecker{SchemaResolver: types, RestMapper: types.mapper}
	context := checker.CreateContext(types.only(policy))
	for _, expressions := range [][]string{validations(policy), messageExpressions(policy)} {
		results := checker.CheckExpression(context, "["+strings.Join(expressions, ",\n")+"]")
		if warning := results.String(); warning != "" {
			m.Warnings = append(m.Warnings, warning)
		}
	}
}

// measure evaluates a policy for the creation of an object by a user who may do everything. Only the cost matters here:
// whether the validations hold is tested on an API server.
func (m *manifest) measure(policy *v1.ValidatingAdmissionPolicy, types *types, asked request) error {
	options := declarations(policy.Spec.ParamKind != nil)
	compiler, err := plugincel.NewCompositedCompiler(baseEnvironment())
	if err != nil {
		return err
	}
	attributes, err := types.creation(asked.Object)
	if err != nil {
		return err
	}
	compiler.CompileAndStoreVariables(variables(policy), options, environment.StoredExpressions)
	evaluate := func(expressions []string, budget int64) (float64, error) {
		condition := compiler.CompileCondition(conditions(expressions), options, environment.StoredExpressions)
		return spent(condition, attributes, parameters(policy, asked.Manifests), budget)
	}
	if m.MatchCost, err = evaluate(matchConditions(policy), celconfig.RuntimeCELCostBudgetMatchConditions); err != nil {
		return err
	}
	m.ValidationCost, err = evaluate(validations(policy), celconfig.RuntimeCELCostBudget)
	return err
}

func spent(condition plugincel.ConditionEvaluator, attributes *admission.VersionedAttributes, params runtime.Object, budget int64) (float64, error) {
	bindings := plugincel.OptionalVariableBindings{
		VersionedParams: params,
		Authorizer:      authorizerfactory.NewAlwaysAllowAuthorizer(),
	}
	created := plugincel.CreateAdmissionRequest(
		attributes.Attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.GetKind()))
	results, left, err := condition.ForInput(context.Background(), attributes, created, bindings, nil, budget)
	if err != nil {
		return 0, err
	}
	for _, result := range results {
		if result.Error != nil {
			return 0, result.Error
		}
	}
	return 1 - float64(left)/float64(budget), nil
}

func variables(policy *v1.ValidatingAdmissionPolicy) []plugincel.NamedExpressionAccessor {
	var result []plugincel.NamedExpressionAccessor
	for _, it := range policy.Spec.Variables {
		result = append(result, &validating.Variable{Name: it.Name, Expression: it.Expression})
	}
	return result
}

func conditions(expressions []string) []plugincel.ExpressionAccessor {
	var result []plugincel.ExpressionAccessor
	for _, expression := range expressions {
		result = append(result, &validating.ValidationCondition{Expression: expression})
	}
	return result
}

func matchConditions(policy *v1.ValidatingAdmissionPolicy) []string {
	var result []string
	for _, it := range policy.Spec.MatchConditions {
		result = append(result, it.Expression)
	}
	return result
}

func validations(policy *v1.ValidatingAdmissionPolicy) []string {
	var result []string
	for _, it := range policy.Spec.Validations {
		result = append(result, it.Expression)
	}
	return result
}

func messageExpressions(policy *v1.ValidatingAdmissionPolicy) []string {
	var result []string
	for _, it := range policy.Spec.Validations {
		if it.MessageExpression != "" {
			result = append(result, it.MessageExpression)
		}
	}
	return result
}

// parameters returns the parameters of a policy: the manifest of the kind that it names.
func parameters(policy *v1.ValidatingAdmissionPolicy, manifests []*unstructured.Unstructured) runtime.Object {
	for _, body := range manifests {
		if kind := policy.Spec.ParamKind; kind != nil && kind.Kind == body.GetKind() && kind.APIVersion == body.GetAPIVersion() {
			return body
		}
	}
	return nil
}

// decode reads an object of a stored version, and converts it to the internal version that is validated.
func decode(scheme *runtime.Scheme, body *unstructured.Unstructured, stored, internal runtime.Object) error {
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(body.Object, stored, true)
	if err != nil {
		return err
	}
	scheme.Default(stored)
	return scheme.Convert(stored, internal, nil)
}

// types is what the API server knows of the CustomResourceDefinition.
type types struct {
	kind     schema.GroupVersionKind
	resource schema.GroupVersionResource
	mapper   *meta.DefaultRESTMapper
	schemas  map[string]*spec.Schema
}

func newTypes(crd *apiextensions.CustomResourceDefinition) (*types, error) {
	version := schema.GroupVersion{Group: crd.Spec.Group, Version: crd.Spec.Versions[0].Name}
	kind, resource := version.WithKind(crd.Spec.Names.Kind), version.WithResource(crd.Spec.Names.Plural)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{version})
	mapper.AddSpecific(kind, resource, version.WithResource(crd.Spec.Names.Singular), meta.RESTScopeNamespace)
	api, err := builder.BuildOpenAPIV3(crd, version.Version, builder.Options{})
	if err != nil {
		return nil, err
	}
	return &types{kind, resource, mapper, api.Components.Schemas}, nil
}

// only returns a policy for this version alone: the API server checks no types of policies for all versions ("*").
func (t *types) only(policy *v1.ValidatingAdmissionPolicy) *v1.ValidatingAdmissionPolicy {
	result := policy.DeepCopy()
	for index := range result.Spec.MatchConstraints.ResourceRules {
		result.Spec.MatchConstraints.ResourceRules[index].APIVersions = []string{t.kind.Version}
	}
	return result
}

// ResolveSchema implements resolver.SchemaResolver.
func (t *types) ResolveSchema(kind schema.GroupVersionKind) (*spec.Schema, error) {
	for name, candidate := range t.schemas {
		var kinds []schema.GroupVersionKind
		_ = candidate.Extensions.GetObject("x-kubernetes-group-version-kind", &kinds)
		if len(kinds) == 1 && kinds[0] == kind {
			return resolver.PopulateRefs(t.schema, name)
		}
	}
	return nil, resolver.ErrSchemaNotFound
}

func (t *types) schema(reference string) (*spec.Schema, bool) {
	found, ok := t.schemas[strings.TrimPrefix(reference, componentPrefix)]
	return found, ok
}

// creation returns the attributes of a request. The object has the kind already, so that nothing is converted.
func (t *types) creation(object *unstructured.Unstructured) (*admission.VersionedAttributes, error) {
	record := admission.NewAttributesRecord(
		object, nil, t.kind, object.GetNamespace(), object.GetName(), t.resource, "",
		admission.Create, &metav1.CreateOptions{}, false, &user.DefaultInfo{Name: "author"})
	return admission.NewVersionedAttributes(record, t.kind, nil)
}
