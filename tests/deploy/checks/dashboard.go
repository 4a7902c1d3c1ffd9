package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// dashboards reads each file into Grafana's own model of a dashboard: an unknown or missing field is an error.
func dashboards(files []string) error {
	plugins.RegisterDefaultPlugins()
	var found []error
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			var model dashboard.Dashboard
			if err = orNil(model.UnmarshalJSONStrict(content)); err == nil {
				err = orNil(model.Validate())
			}
		}
		if err != nil {
			found = append(found, fmt.Errorf("%s: %w", file, err))
		}
	}
	return errors.Join(found...)
}

// orNil is nil for the empty list of errors that the SDK may give where nothing is wrong.
func orNil(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}
