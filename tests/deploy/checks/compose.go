package main

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/cli"
)

// compose loads a compose file with all its profiles: schema, interpolation, references between services.
func compose(arguments []string) error {
	options, err := cli.NewProjectOptions(
		arguments, cli.WithOsEnv, cli.WithDotEnv, cli.WithName("checked"), cli.WithProfiles([]string{"*"}),
	)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	normal, err := project.MarshalYAML()
	if err != nil {
		return err
	}
	fmt.Print(string(normal))
	return nil
}
