package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Kinds that an operator's custom resource definitions bring, not Kubernetes: they are rendered, and not decoded.
var custom = map[string]bool{"monitoring.coreos.com": true, "keda.sh": true}

// chart lints a chart, renders it with the values of some files, and decodes every manifest into its own type.
func chart(arguments []string) error {
	folder := arguments[0]
	values := map[string]any{}
	for _, file := range arguments[1:] {
		more, err := chartutil.ReadValuesFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		values = chartutil.MergeTables(more.AsMap(), values) // keeps nulls, which take a default away
	}
	linted := lint.AllWithKubeVersion(folder, values, "checked", nil)
	for _, message := range linted.Messages {
		if message.Severity >= support.WarningSev {
			return fmt.Errorf("lint: %s", message)
		}
	}
	loaded, err := loader.Load(folder)
	if err != nil {
		return err
	}
	if err := chartutil.ProcessDependenciesWithMerge(loaded, values); err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: "checked", Namespace: "alerts", Revision: 1, IsInstall: true}
	complete, err := chartutil.ToRenderValues(loaded, values, release, nil)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(loaded, complete)
	if err != nil {
		return err
	}
	return decode(rendered)
}

func decode(rendered map[string]string) error {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var found []error
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		for _, manifest := range strings.Split("\n"+rendered[name], "\n---") {
			if strings.TrimSpace(manifest) == "" {
				continue
			}
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal([]byte(manifest), &head); err != nil {
				found = append(found, fmt.Errorf("%s: %w", name, err))
				continue
			}
			if head.Kind == "" && head.APIVersion == "" {
				continue // comments only
			}
			version, err := schema.ParseGroupVersion(head.APIVersion)
			if err == nil && !custom[version.Group] {
				_, _, err = decoder.Decode([]byte(manifest), nil, nil)
			}
			if err != nil {
				found = append(found, fmt.Errorf("%s: %s: %w", name, head.Kind, err))
				continue
			}
			fmt.Printf("---\n# Source: %s\n%s\n", name, strings.TrimSpace(manifest))
		}
	}
	return errors.Join(found...)
}
