package main

import (
	"reflect"

	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// baseEnvironment returns the environment of CEL with the cost of all libraries. Up to 1.34 that was an argument, which
// is always true since 1.32 (feature gates StrictCostEnforcementForVAP and StrictCostEnforcementForWebhooks).
func baseEnvironment() *environment.EnvSet {
	function := reflect.ValueOf(environment.MustBaseEnvSet)
	arguments := []reflect.Value{reflect.ValueOf(environment.DefaultCompatibilityVersion()), reflect.ValueOf(true)}
	return function.Call(arguments[:function.Type().NumIn()])[0].Interface().(*environment.EnvSet)
}

// declarations returns the variables of a policy's expressions, with the same option as a field.
func declarations(hasParams bool) plugincel.OptionalVariableDeclarations {
	result := plugincel.OptionalVariableDeclarations{HasParams: hasParams, HasAuthorizer: true}
	if strict := reflect.ValueOf(&result).Elem().FieldByName("StrictCost"); strict.IsValid() {
		strict.SetBool(true)
	}
	return result
}
