// A minimal, ordinary operator on controller-runtime: the Go peer of the benchmark.
//
// It owns the same three kinds with the same bodies as the operator under test, and reports Ready when the Deployment is
// complete. It has no leader election, metrics server or client-side rate limit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Reconciler reconciles one ModelService.
type Reconciler struct {
	client.Client
	template *Children
}

// Reconcile reads the cache, creates or corrects the three children and writes a status that differs.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	service := &ModelService{}
	if err := r.Get(ctx, request.NamespacedName, service); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !service.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	want := childrenOf(service, r.template)
	deployment, err := r.ensureDeployment(ctx, &want.Deployment)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.ensureService(ctx, &want.Service); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.ensureAutoscaler(ctx, &want.Autoscaler); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.report(ctx, service, deployment)
}

func (r *Reconciler) ensureDeployment(ctx context.Context, want *appsv1.Deployment) (*appsv1.Deployment, error) {
	found := &appsv1.Deployment{}
	if missing, err := r.isMissing(ctx, want, found); missing {
		return want, r.Create(ctx, want)
	} else if err != nil {
		return nil, err
	}
	want.Spec.Replicas = nil // managed by the autoscaler
	if equality.Semantic.DeepDerivative(want.Spec, found.Spec) {
		return found, nil
	}
	changed := found.DeepCopy()
	want.Spec.Replicas = found.Spec.Replicas
	changed.Spec = want.Spec
	return changed, r.Update(ctx, changed)
}

func (r *Reconciler) ensureService(ctx context.Context, want *corev1.Service) error {
	found := &corev1.Service{}
	if missing, err := r.isMissing(ctx, want, found); missing {
		return r.Create(ctx, want)
	} else if err != nil {
		return err
	}
	if equality.Semantic.DeepDerivative(want.Spec, found.Spec) {
		return nil
	}
	changed := found.DeepCopy()
	changed.Spec.Selector, changed.Spec.Ports = want.Spec.Selector, want.Spec.Ports
	return r.Update(ctx, changed)
}

func (r *Reconciler) ensureAutoscaler(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler) error {
	found := &autoscalingv2.HorizontalPodAutoscaler{}
	if missing, err := r.isMissing(ctx, want, found); missing {
		return r.Create(ctx, want)
	} else if err != nil {
		return err
	}
	if equality.Semantic.DeepDerivative(want.Spec, found.Spec) {
		return nil
	}
	changed := found.DeepCopy()
	changed.Spec = want.Spec
	return r.Update(ctx, changed)
}

func (r *Reconciler) isMissing(ctx context.Context, want, found client.Object) (bool, error) {
	err := r.Get(ctx, client.ObjectKeyFromObject(want), found)
	return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
}

func (r *Reconciler) report(ctx context.Context, service *ModelService, deployment *appsv1.Deployment) error {
	before := service.DeepCopy()
	service.Status.ObservedGeneration = service.Generation
	service.Status.URL = fmt.Sprintf("http://%s.%s.svc", service.Name, service.Namespace)
	meta.SetStatusCondition(&service.Status.Conditions, readiness(service, deployment))
	if equality.Semantic.DeepEqual(before.Status, service.Status) {
		return nil
	}
	return r.Status().Patch(ctx, service, client.MergeFrom(before))
}

func readiness(service *ModelService, deployment *appsv1.Deployment) metav1.Condition {
	condition := metav1.Condition{
		Type: "Ready", Status: metav1.ConditionFalse, Reason: "RolloutInProgress",
		Message: "Not every replica is available.", ObservedGeneration: service.Generation,
	}
	if isComplete(deployment) {
		condition.Status, condition.Reason = metav1.ConditionTrue, "RolloutComplete"
		condition.Message = "All replicas are available."
	}
	return condition
}

func isComplete(deployment *appsv1.Deployment) bool {
	status, wanted := deployment.Status, *deployment.Spec.Replicas
	return status.ObservedGeneration > 0 && status.ObservedGeneration >= deployment.Generation &&
		status.UpdatedReplicas == wanted && status.Replicas == wanted && status.AvailableReplicas == wanted
}

func run() error {
	namespace := flag.String("namespace", "", "the namespace to serve")
	templateFile := flag.String("template", "", "JSON file with the bodies of the children")
	workers := flag.Int("max-concurrent-reconciles", 1, "MaxConcurrentReconciles")
	cachePods := flag.Bool("cache-pods", false, "keep Pods and ReplicaSets in the cache too")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	template, err := readTemplate(*templateFile)
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(AddToScheme(scheme))
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{*namespace: {}}},
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if *cachePods {
		for _, object := range []client.Object{&corev1.Pod{}, &appsv1.ReplicaSet{}} {
			if _, err := manager.GetCache().GetInformer(ctx, object, cache.BlockUntilSynced(false)); err != nil {
				return err
			}
		}
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&ModelService{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&autoscalingv2.HorizontalPodAutoscaler{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(&Reconciler{Client: manager.GetClient(), template: template})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
