package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	instanceLabel   = "app.kubernetes.io/instance"
	ownerAnnotation = "modelservice.dev/owner-uid"
)

var groupVersion = schema.GroupVersion{Group: "modelservice.dev", Version: "v1alpha1"}

// ModelService has the fields that this operator reads and writes.
type ModelService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status,omitempty"`
}

// Spec has the fields of the spec that the children depend on.
type Spec struct {
	Image       string      `json:"image"`
	Replicas    int32       `json:"replicas"`
	Autoscaling Autoscaling `json:"autoscaling"`
}

// Autoscaling has the bounds of the number of replicas.
type Autoscaling struct {
	MinReplicas int32 `json:"minReplicas"`
	MaxReplicas int32 `json:"maxReplicas"`
}

// Status has the fields that this operator writes.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	URL                string             `json:"url,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// ModelServiceList is a list of ModelServices.
type ModelServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelService `json:"items"`
}

// AddToScheme registers the types.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &ModelService{}, &ModelServiceList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	return nil
}

// DeepCopy returns an independent copy.
func (in *ModelService) DeepCopy() *ModelService {
	out := *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = slices.Clone(in.Status.Conditions)
	return &out
}

// DeepCopyObject returns an independent copy.
func (in *ModelService) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopyObject returns an independent copy.
func (in *ModelServiceList) DeepCopyObject() runtime.Object {
	out := *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]ModelService, len(in.Items))
	for index := range in.Items {
		out.Items[index] = *in.Items[index].DeepCopy()
	}
	return &out
}

// Children are the objects that the operator creates for a ModelService.
type Children struct {
	Deployment appsv1.Deployment                     `json:"deployment"`
	Service    corev1.Service                        `json:"service"`
	Autoscaler autoscalingv2.HorizontalPodAutoscaler `json:"autoscaler"`
}

// childrenOf fills in a copy of the template that every peer of the benchmark uses.
func childrenOf(service *ModelService, template *Children) *Children {
	children := &Children{
		Deployment: *template.Deployment.DeepCopy(),
		Service:    *template.Service.DeepCopy(),
		Autoscaler: *template.Autoscaler.DeepCopy(),
	}
	for _, metadata := range []*metav1.ObjectMeta{
		&children.Deployment.ObjectMeta, &children.Service.ObjectMeta, &children.Autoscaler.ObjectMeta,
	} {
		metadata.Name, metadata.Namespace = service.Name, service.Namespace
		metadata.Labels[instanceLabel] = service.Name
		metadata.Annotations[ownerAnnotation] = string(service.UID)
		metadata.OwnerReferences[0].Name, metadata.OwnerReferences[0].UID = service.Name, service.UID
	}
	deployment := &children.Deployment.Spec
	deployment.Replicas = &service.Spec.Replicas
	deployment.Selector.MatchLabels[instanceLabel] = service.Name
	deployment.Template.Labels[instanceLabel] = service.Name
	container := &deployment.Template.Spec.Containers[0]
	container.Image = service.Spec.Image
	for index := range container.Env {
		if container.Env[index].Name == "MODEL_NAME" {
			container.Env[index].Value = service.Name
		}
	}
	children.Service.Spec.Selector[instanceLabel] = service.Name
	children.Autoscaler.Spec.ScaleTargetRef.Name = service.Name
	children.Autoscaler.Spec.MinReplicas = &service.Spec.Autoscaling.MinReplicas
	children.Autoscaler.Spec.MaxReplicas = service.Spec.Autoscaling.MaxReplicas
	return children
}

func readTemplate(path string) (*Children, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	template := &Children{}
	if err := json.Unmarshal(content, template); err != nil {
		return nil, err
	}
	container := &template.Deployment.Spec.Template.Spec.Containers[0]
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
		setDefaults(probe)
	}
	return template, nil
}

// setDefaults sets the defaults of the API server: equality.Semantic.DeepDerivative compares numbers that are 0, too.
func setDefaults(probe *corev1.Probe) {
	if probe == nil {
		return
	}
	probe.TimeoutSeconds = cmp.Or(probe.TimeoutSeconds, 1)
	probe.PeriodSeconds = cmp.Or(probe.PeriodSeconds, 10)
	probe.SuccessThreshold = cmp.Or(probe.SuccessThreshold, 1)
	probe.FailureThreshold = cmp.Or(probe.FailureThreshold, 3)
}
